"""What is to be translated and where each result goes: decided and checked before anything is written."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from instar.core.errors import UserError, setting
from instar.core.heic import NO_HEIC, is_heic, writable
from instar.core.listing import (
    SUFFIXES,
    LeftOut,
    Why,
    below,
    in_folders,
    is_image,
    is_visible,
    left_out_notes,
    listed,
    natural,
    without_suffix,
)
from instar.core.member import File, Member
from instar.core.packed import is_packed, parts

MANIFEST = "manifest.jsonl"
TIFF = ".tif"
"""Of files that hold any values."""
VIDEOS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".avi": "avi"}
"""Suffixes of videos, in small letters, and what FFmpeg calls their formats."""
FRAMES = "translating frames"
"""What is counted in a video, for events."""


class Job(NamedTuple):
    """One input. Paths are strings: there may be millions."""

    source: str
    output: str
    """Relative to the output folder; empty for a file that is no image by its suffix."""
    variant: int = 0
    """Which of the results that are made of each input."""
    lost: str = ""
    """Why images may be missing there, if so; then there is no output."""
    member: Member | None = None
    """The image, if it is no file of its own; `source` then says where it is."""
    key: str = ""
    """Path below the folder or file that was given, without the suffix: what belongs to the image has the same."""

    @property
    def file(self) -> File:
        """Where the image is."""
        return self.member or Path(self.source)

    @property
    def video(self) -> bool:
        """Whether it is a video, by its suffix."""
        return bool(self.output) and is_video(Path(self.source))


class Naming(NamedTuple):
    """How the result of a variant is named after its input."""

    ending: str = ""
    """Put before the suffix."""
    suffix: str = ""
    """Of the file; the input's if empty."""
    held: frozenset[str] | None = None
    """Suffixes of files that hold the result; an image of another one gives a .tif. None: all do."""

    def of(self, output: str) -> str:
        """Return the path of the result for an input's path."""
        path = PurePosixPath(output)
        stem = without_suffix(path.name)
        suffix = self.suffix or path.name[len(stem) :]
        if self.held is not None and suffix.lower() in SUFFIXES - self.held:
            suffix = TIFF
        return path.with_name(f"{stem}{self.ending}{suffix}").as_posix()


def collect(
    inputs: Sequence[str],
    out: Path,
    variants: Sequence[Naming] = (Naming(),),
    tell: Callable[[str], None] = lambda text: None,
) -> list[Job]:
    """Return the jobs that files, folders and patterns stand for, each folder's in natural order.

    Each image gives one job for every variant; a file that is no image gives one, and so does what cannot be read.

    Args:
        inputs: files, folders and patterns; tables, shards and data sets for the images in them.
        out: folder for the results, or a file for the only one (`is_file`).
        variants: how they are named.
        tell: told in a line what else is left out, such as folders of the system.

    Raises:
        UserError: an input is missing or holds no image, two have the same output, or an output is an input.
    """
    left_out: list[LeftOut] = []
    file = is_file(out)
    found = [job for text in inputs for job in _jobs(text, left_out, None if file else out)]
    plain = _unique([job._replace(output=writable(job.output)) for job in found])
    jobs = _unique([named for job in plain for named in _named(job, variants)])
    if file:
        jobs = [_only(jobs, out)]
    _refuse_overwriting(jobs, out.parent if file else out, set() if file else {MANIFEST})
    for line in left_out_notes(left_out):
        tell(line)
    return jobs


def is_file(out: Path) -> bool:
    """Tell whether a place for results is a file for one, such as out.png, and no folder."""
    return (is_image(out) or is_video(out)) and not out.is_dir()


def is_video(path: Path) -> bool:
    """Tell whether a file is a video by its suffix."""
    return path.suffix.lower() in VIDEOS


def _only(jobs: Sequence[Job], out: Path) -> Job:
    found = [job for job in jobs if job.output]
    if len(found) != 1 or len(jobs) > 1:
        raise UserError(f"{setting('out', out)} is one file, for {len(jobs)} results or inputs; give a folder")
    if found[0].video != is_video(out):
        kinds = ("a video", "a picture") if found[0].video else ("a picture", "a video")
        raise UserError(f"{setting('out', out)}: {found[0].source} is {kinds[0]}, and this would be {kinds[1]}")
    return found[0]._replace(output=out.name)


def image_files(inputs: Sequence[str]) -> list[Job]:
    """Return the images that files, folders and patterns stand for, each once, each folder's in natural order.

    What cannot be read, such as a folder of another user, is among them: reading it says so.

    Raises:
        UserError: an input is missing or holds no image.
    """
    found: dict[Path, Job] = {}
    for text in inputs:
        for job in _jobs(text, []):
            if job.output or job.lost:
                found.setdefault(Path(job.source).absolute(), job)
    return list(found.values())


def _named(job: Job, variants: Sequence[Naming]) -> list[Job]:
    if not job.output:
        return [job]
    key = without_suffix(job.output)
    return [
        job._replace(output=naming.of(job.output), variant=number, key=key) for number, naming in enumerate(variants)
    ]


def _jobs(text: str, left_out: list[LeftOut], out: Path | None = None) -> list[Job]:
    """Return the jobs of one input; what lies in `out` below it are results of earlier runs."""
    path = Path(text)
    if is_packed(path):
        return _in_rows(path, left_out)
    if path.is_file():
        return [Job(str(path), path.name)]
    if path.is_dir():
        found = _in_folder(path, _out_below(path, out), left_out)
    elif path.exists():
        found = [_job(path, path.name)]
    elif glob.has_magic(text):
        found = _matching(text, _out_below(_fixed_part(path), out))
    else:
        raise UserError(f"{text}: there is no such file or folder")
    if not any(job.output for job in found):
        raise UserError(f"{text}: no images there{_instead(found)}; what is read: {' '.join(sorted(SUFFIXES))}")
    return found


def _instead(found: Sequence[Job]) -> str:
    lost = next((job for job in found if job.lost), None)
    if lost:
        return f" ({lost.source}: {lost.lost})"
    others = f" ({len(found)} other file{'s' * (len(found) > 1)})" if found else ""
    return others + (f"; {NO_HEIC}" if any(is_heic(Path(job.source)) for job in found) else "")


def _job(source: Path, output: str) -> Job:
    if not is_image(source) and not is_video(source):
        return Job(str(source), "")
    if source.exists() and not source.is_file():
        return Job(str(source), "", lost=Why.SPECIAL.value)
    return Job(str(source), output)


def _in_folder(folder: Path, skip: str | None, left_out: list[LeftOut]) -> list[Job]:
    listing = listed(folder, skip=None if skip is None else Path(skip))
    found = {path: Job(str(path), path.relative_to(folder).as_posix()) for path in listing.images}
    for one in listing.left_out:
        if one.fault or one.why is Why.OTHER:
            found[one.path] = Job(str(one.path), "", lost=one.why.value if one.fault else "")
        else:
            left_out.append(one)
    inside = below(folder)
    return [found[path] for path in sorted(found, key=lambda path: in_folders(inside(path)))]


def _in_rows(path: Path, left_out: list[LeftOut]) -> list[Job]:
    """Return the jobs of a table or of shards; those of several splits go to folders of their names."""
    found: dict[str, Job] = {}
    read = parts(path)
    several = len({part.name for part in read}) > 1
    for part in read:
        left_out += part.rows.left_out
        for file in (file for row in part.rows.rows for file in row.images.values()):
            output = _output(file, part.file.parent)
            if several:
                output = f"{part.name}/{output}"
            member = file if isinstance(file, Member) else None
            found.setdefault(str(file), Job(str(file), output, member=member))
    if not found:
        raise UserError(f"{path}: no images there")
    return list(found.values())


def _output(file: File, folder: Path) -> str:
    """Return where the result of an image goes: its place in a folder, without the parts that lead out of it."""
    inside = file.inside if isinstance(file, Member) else os.path.relpath(file, folder)
    return PurePosixPath(*(part for part in Path(inside).parts if part not in ("..", os.sep))).as_posix()


def _matching(pattern: str, skip: str | None) -> list[Job]:
    start = len(_fixed_part(Path(pattern)).parts)
    matches = (Path(match) for match in glob.iglob(pattern, recursive=True))  # noqa: PTH207 (Path.glob takes no absolute one)
    kept = [path for path in matches if not path.is_dir() and all(map(is_visible, path.parts[start:]))]
    return [_job(path, path.name) for path in sorted(kept, key=natural) if not _is_below(path, skip)]


def _fixed_part(pattern: Path) -> Path:
    """Return the folder in which all matches lie."""
    parts = pattern.parts
    wild = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:wild])


def _out_below(folder: Path, out: Path | None) -> str | None:
    """Return the real path of `out` if it lies inside `folder`."""
    if out is None:
        return None
    real, inside = os.path.realpath(folder), os.path.realpath(out)
    return inside if real in map(str, Path(inside).parents) else None


def _is_below(path: Path, folder: str | None) -> bool:
    return folder is not None and os.path.realpath(path).startswith(folder + os.sep)


def _unique(jobs: Sequence[Job]) -> list[Job]:
    """Drop a file that is named twice; refuse two files for one output."""
    taken: dict[str, str] = {}
    kept = []
    for job in jobs:
        key = os.path.normcase(job.output) if job.output else f"{os.sep}{job.source}"
        first = taken.setdefault(key, job.source)
        if first is job.source:
            kept.append(job)
        elif os.path.realpath(first) != os.path.realpath(job.source):
            raise UserError(
                f"{first} and {job.source} would both become {job.output}; "
                f"give the folder that holds both (its subfolders are kept), or run twice with two {setting('out')}"
            )
    return kept


def _refuse_overwriting(jobs: Sequence[Job], out: Path, others: set[str]) -> None:
    """Compare places of directory entries, for writing replaces the entry, and what links among the inputs mean."""
    real_folder = lru_cache(maxsize=1024)(os.path.realpath)

    def place(path: Path) -> str:
        return os.path.normcase(Path(real_folder(path.parent), path.name))

    outputs = {place(out / name) for name in [*others, *(job.output for job in jobs if job.output)]}
    for job in jobs:
        source = Path(job.source)
        if place(source) in outputs or (source.is_symlink() and os.path.realpath(source) in outputs):
            raise UserError(f"{setting('out', out)}: the input {source} would be overwritten; choose another folder")
