"""What is to be translated and where each result goes: decided and checked before anything is written."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from instar.core.errors import UserError, setting
from instar.core.images import SUFFIXES, is_visible, natural

MANIFEST = "manifest.jsonl"


class Job(NamedTuple):
    """One input. Paths are strings: there may be millions."""

    source: str
    output: str
    """Relative to the output folder; empty for a file that is no image by its suffix."""
    variant: int = 0
    """Which of the results that are made of each input."""


class Naming(NamedTuple):
    """How the result of a variant is named after its input."""

    ending: str = ""
    """Put before the suffix."""
    suffix: str = ""
    """Of the file; the input's if empty."""

    def of(self, output: str) -> str:
        """Return the path of the result for an input's path."""
        path = PurePosixPath(output)
        return path.with_name(f"{path.stem}{self.ending}{self.suffix or path.suffix}").as_posix()


def collect(inputs: Sequence[str], out: Path, variants: Sequence[Naming] = (Naming(),)) -> list[Job]:
    """Return the jobs that files, folders and patterns stand for, each folder's in natural order.

    Each image gives one job for every variant; a file that is no image gives one.

    Raises:
        UserError: an input is missing or holds no image, two have the same output, or an output is an input.
    """
    plain = _unique([job for text in inputs for job in _jobs(text, out)])
    jobs = _unique([named for job in plain for named in _named(job, variants)])
    _refuse_overwriting(jobs, out)
    return jobs


def image_files(inputs: Sequence[str]) -> list[str]:
    """Return the images that files, folders and patterns stand for, each once, each folder's in natural order.

    Raises:
        UserError: an input is missing or holds no image.
    """
    found: dict[Path, str] = {}
    for text in inputs:
        for job in _jobs(text):
            if job.output:
                found.setdefault(Path(job.source).absolute(), job.source)
    return list(found.values())


def _named(job: Job, variants: Sequence[Naming]) -> list[Job]:
    if not job.output:
        return [job]
    return [Job(job.source, naming.of(job.output), number) for number, naming in enumerate(variants)]


def _jobs(text: str, out: Path | None = None) -> list[Job]:
    """Return the jobs of one input; what lies in `out` below it are results of earlier runs."""
    path = Path(text)
    if path.is_file():
        return [Job(str(path), path.name)]
    if path.is_dir():
        skip = _out_below(path, out)
        found = [_job(str(file), file.relative_to(path).as_posix()) for file in _walk(path, skip)]
    elif glob.has_magic(text):
        skip = _out_below(_fixed_part(path), out)
        matches = (Path(match) for match in glob.iglob(text, recursive=True))  # noqa: PTH207 (Path.glob takes no absolute one)
        files = sorted((match for match in matches if match.is_file() and not _is_below(match, skip)), key=natural)
        found = [_job(str(file), file.name) for file in files]
    else:
        raise UserError(f"{text}: there is no such file or folder")
    if not any(job.output for job in found):
        others = f" ({len(found)} other file{'s' * (len(found) > 1)})" if found else ""
        raise UserError(f"{text}: no images there{others}; what is read: {' '.join(sorted(SUFFIXES))}")
    return found


def _job(source: str, output: str) -> Job:
    return Job(source, output if Path(source).suffix.lower() in SUFFIXES else "")


def _walk(folder: Path, skip: str | None, above: tuple[str, ...] = ()) -> Iterator[Path]:
    """Yield the visible files of a folder, then of its subfolders. Links are followed, but not in a circle."""
    real = os.path.realpath(folder)
    if real == skip or real in above:
        return
    try:
        with os.scandir(folder) as entries:
            visible = {Path(folder, entry.name): entry.is_dir() for entry in entries if is_visible(entry.name)}
    except OSError as error:
        raise UserError(f"{folder}: the folder cannot be read ({error.strerror})") from error
    ordered = sorted(visible, key=natural)
    yield from (path for path in ordered if not visible[path])
    for path in ordered:
        if visible[path]:
            yield from _walk(path, skip, (*above, real))


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


def _refuse_overwriting(jobs: Sequence[Job], out: Path) -> None:
    """Compare places of directory entries, for writing replaces the entry, and what links among the inputs mean."""
    real_folder = lru_cache(maxsize=1024)(os.path.realpath)

    def place(path: Path) -> str:
        return os.path.normcase(Path(real_folder(path.parent), path.name))

    outputs = {place(out / MANIFEST)} | {place(out / job.output) for job in jobs if job.output}
    for job in jobs:
        source = Path(job.source)
        if place(source) in outputs or (source.is_symlink() and os.path.realpath(source) in outputs):
            raise UserError(f"{setting('out', out)}: the input {source} would be overwritten; choose another folder")
