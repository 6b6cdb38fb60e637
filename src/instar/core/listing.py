"""Which files of a folder are images, and what of it is left out: the same for every use case."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path, PurePath

from instar.core.errors import UserError
from instar.core.heic import NO_HEIC, is_heic, is_installed
from instar.core.labelled import is_labelled

PACKED = ".nii.gz"
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".jp2", ".tif", ".tiff", ".bmp", ".gif", ".ppm"}
    | {".pgm", ".npy", ".npz", ".dcm", ".nii", PACKED}
)
"""Of files that count as images, in small letters."""
READ_ONLY = frozenset({".nii", PACKED})
"""Suffixes of files that are not written, but for whole volumes."""
LOSSY = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif"})
"""Those of files that are mostly compressed with losses."""
_SYSTEM = frozenset(
    {"__macosx", "@eadir", "@recycle", "#recycle", "#snapshot", "$recycle.bin", "system volume information"}
    | {"lost+found", "thumbs.db", "desktop.ini"}
)
_NUMBER = re.compile(r"(\d+)")
_NAMED = 3
"""Files of a kind that are named where they are counted."""

_END, _PART, _NUMBERED = "\0\0", "\0\1", "\0\2"
"""Marks in sort keys. No name holds the first character, and they sort as a shorter list of words does before a longer
one."""


class Why(Enum):
    """Why something in a folder is left out."""

    OTHER = "no image by its suffix"
    SYSTEM = "hidden or made by the system"
    TWICE = "link to a folder that is read already"
    SPECIAL = "no regular file"
    CLOSED = "folder that cannot be read"
    ASTRAY = "name that leads out of its container"
    UNMATCHED = "name that is in no pair"


_SAID = {
    Why.SYSTEM: "hidden or made by the system",
    Why.TWICE: "linked folders that are read already",
    Why.SPECIAL: "that are no regular files",
    Why.CLOSED: "folders that cannot be read",
    Why.ASTRAY: "whose names lead out of their container",
    Why.UNMATCHED: "whose names are not those of a pair",
}
"""The reasons, after a number."""


@dataclass(frozen=True)
class LeftOut:
    """A file or folder that is not read."""

    path: Path
    why: Why

    @property
    def fault(self) -> bool:
        """Whether images may be missing because of it."""
        return self.why in (Why.SPECIAL, Why.CLOSED, Why.ASTRAY)


@dataclass(frozen=True)
class Listing:
    """What is in a folder.

    Attributes:
        images: files with a suffix of an image, a folder's own before those of its sub-folders, "2.jpg" before
            "10.jpg". A link that leads nowhere is among them: reading it says so.
        left_out: everything else, but for files of the system that have no suffix of an image.
    """

    images: list[Path]
    left_out: list[LeftOut]


@dataclass(frozen=True)
class Inside:
    """What is in a folder, as `Listing` has it, by texts: of a million files each path that is made counts.

    Attributes:
        images: their paths in the folder, with `os.sep` between the parts.
        left_out: everything else.
    """

    images: list[str]
    left_out: list[LeftOut]


def listed(folder: Path, *, recursive: bool = True, skip: Path | None = None) -> Listing:
    """Find the images of a folder.

    Links are followed, each folder is read once. Folders of the system and hidden ones are not read.

    Args:
        folder: where to look.
        recursive: whether to look into its sub-folders.
        skip: folder in it that is not to be read, nor counted.

    Raises:
        UserError: the folder itself cannot be read.
    """
    walk = _Walk(folder, recursive, skip)
    start = len(beginning(folder))
    images = [Path(path) for path in sorted(walk.images(), key=lambda path: in_folders(path[start:]))]
    return Listing(images, walk.sorted_out())


def listed_inside(folder: Path) -> Inside:
    """Find the images of a folder and its sub-folders as `listed` does, but in the order of `natural`.

    Raises:
        UserError: the folder itself cannot be read.
    """
    walk = _Walk(folder, True, None)
    start = len(beginning(folder))
    return Inside(sorted((path[start:] for path in walk.images()), key=natural_text), walk.sorted_out())


def holds_images(folder: Path) -> bool:
    """Tell whether there is an image in a folder or below.

    Raises:
        UserError: the folder cannot be read.
    """
    return next(_Walk(folder, True, None).images(), None) is not None


def list_images(folder: Path, recursive: bool) -> list[Path]:
    """Return the image files of `folder`, sorted by all parts of their paths, "2.jpg" before "10.jpg".

    Raises:
        UserError: the folder cannot be read.
    """
    return sorted(listed(folder, recursive=recursive).images, key=natural)


def sub_folders(folder: Path) -> list[Path]:
    """Return the sub-folders that are the user's, "2" before "10". Links back to where they lie are none.

    Raises:
        UserError: the folder cannot be read.
    """
    try:
        found = [path for path in folder.iterdir() if is_visible(path.name) and path.is_dir()]
    except OSError as error:
        raise _closed(folder, error) from error
    real = Path(os.path.realpath(folder))
    back = {real, *real.parents}
    return sorted((path for path in found if Path(os.path.realpath(path)) not in back), key=natural)


def left_out_notes(left_out: Iterable[LeftOut]) -> list[str]:
    """Return a line for each kind of files and folders that are left out, with their number and the first names."""
    by_why: dict[Why, list[Path]] = {why: [] for why in Why}
    for one in dict.fromkeys(left_out):
        by_why[one.why].append(one.path)
    other = by_why.pop(Why.OTHER)
    heic = [path for path in other if is_heic(path)]
    rest = [path for path in other if not is_heic(path)]
    kinds = [
        (suffixes(heic), heic),
        (f"{suffixes(rest)}, no images by the suffix", rest),
        *((f"{len(paths)} {_SAID[why]}", paths) for why, paths in by_why.items()),
    ]
    return [f"left out: {said}: {_names(paths)}" for said, paths in kinds if paths]


def suffixes(files: Iterable[Path]) -> str:
    """Return the suffixes of files with their numbers, such as "3 .txt files, 1 .csv file"."""
    counts = Counter(path.suffix.lower() or "unnamed" for path in files).most_common(3)
    said = ", ".join(f"{n} {suffix} file{'s' * (n > 1)}" for suffix, n in counts)
    return f"{said}; {NO_HEIC}" if any(is_heic(Path(f"a{suffix}")) for suffix, _ in counts) else said


def is_visible(name: str) -> bool:
    """Tell whether a file or folder is the user's, not the system's."""
    return not name.startswith(".") and name.casefold() not in _SYSTEM


def is_image(path: Path) -> bool:
    """Tell whether a file is an image by its suffix; an .npz of digits with their labels is a data set of its own."""
    return _is_image(path.name, str(path))


def _is_image(name: str, path: str) -> bool:
    suffix = _suffix(name)
    if suffix in SUFFIXES:
        return suffix != ".npz" or not is_labelled(Path(path))
    return is_heic(PurePath(name)) and is_installed()


def suffix_of(path: PurePath) -> str:
    """Return the suffix of a file in small letters, both parts of a packed volume's."""
    return _suffix(path.name)


def without_suffix(path: str) -> str:
    """Return the text of a path, with `/` between its parts, without the suffix of its file (`suffix_of`)."""
    return path[: len(path) - len(_suffix(path.rpartition("/")[2]))]


def _suffix(name: str) -> str:
    stem, dot, end = name.lower().rpartition(".")
    if end == "gz" and stem.endswith(".nii"):
        return PACKED
    return dot + end if stem and end else ""


def suffixed_as_image(name: str) -> bool:
    """Tell whether what something is called ends as files that are images do."""
    return is_image(Path(name))


def natural(path: Path) -> str:
    """Sort key that counts numbers in names by their value."""
    return natural_text(str(path))


def natural_text(path: str) -> str:
    """Do what `natural` does, for the text of a path."""
    folder, slash, name = path.rpartition(os.sep)
    return f"{_words_of_parts(folder) if slash else ''}{_words(name)}{_END}{path}"


def beginning(folder: Path) -> str:
    """Return with what the texts of paths begin that are made of a folder."""
    return str(folder / "x")[:-1]


def below(folder: Path) -> Callable[[Path], str]:
    """Return what gives the text of `path.relative_to(folder)`, for paths that were made of `folder`."""
    start = len(beginning(folder))
    return lambda path: str(path)[start:]


def composed(name: str) -> str:
    """Return a name as Unicode composes it: file systems store "é" as one character or as two."""
    return unicodedata.normalize("NFC", name)


class _Walk:
    """One reading of a folder: its real sub-folders first, then what links among them lead to.

    A link is so never taken in place of the folder itself, and no circle is walked twice.
    """

    def __init__(self, folder: Path, recursive: bool, skip: Path | None) -> None:
        self._left_out: list[LeftOut] = []
        self._folder, self._recursive = folder, recursive
        self._above = {str(path) for path in Path(os.path.realpath(folder)).parents}
        self._skip = None if skip is None else os.path.realpath(skip)
        self._seen: set[str] = set()
        self._links: list[str] = []

    def images(self) -> Iterator[str]:
        """Yield the images in no order; what is left out is known at the end."""
        try:
            os.scandir(self._folder).close()
        except OSError as error:
            raise _closed(self._folder, error) from error
        yield from self._below(beginning(self._folder))
        while self._links:
            links, self._links = sorted(self._links, key=natural_text), []
            for link in links:
                yield from self._linked(link)

    def sorted_out(self) -> list[LeftOut]:
        """Return what is left out, a folder's own files before those of its sub-folders."""
        start = len(beginning(self._folder))
        return sorted(self._left_out, key=lambda one: in_folders(str(one.path)[start:]))

    def _linked(self, link: str) -> Iterator[str]:
        real = os.path.realpath(link)
        if real in self._seen or real in self._above:
            self._leave(link, Why.TWICE)
        else:
            yield from self._below(link + os.sep)

    def _below(self, begin: str) -> Iterator[str]:
        """Yield what is below a folder, given with the separator after its name."""
        waiting = [begin]
        while waiting:
            place = waiting.pop()
            folder = place or os.curdir
            real = os.path.realpath(folder)
            if real in self._seen or real == self._skip:
                continue
            self._seen.add(real)
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        path = place + entry.name
                        if _is_folder(entry):
                            waiting += self._sub_folder(path, entry)
                        elif self._is_read(path, entry):
                            yield path
            except OSError:
                self._leave(folder.removesuffix(os.sep), Why.CLOSED)

    def _sub_folder(self, path: str, entry: os.DirEntry[str]) -> list[str]:
        """Return a folder that is to be read now; a link is kept for later."""
        if not self._recursive:
            return []
        if not is_visible(entry.name):
            self._leave(path, Why.SYSTEM)
            return []
        if not entry.is_symlink():
            return [path + os.sep]
        self._links.append(path)
        return []

    def _is_read(self, path: str, entry: os.DirEntry[str]) -> bool:
        if not is_visible(entry.name):
            if _is_image(entry.name, path):
                self._leave(path, Why.SYSTEM)
            return False
        if _is_image(entry.name, path):
            if not _is_special(entry):
                return True
            self._leave(path, Why.SPECIAL)
        else:
            self._leave(path, Why.OTHER)
        return False

    def _leave(self, path: str, why: Why) -> None:
        self._left_out.append(LeftOut(Path(path), why))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_special(entry: os.DirEntry[str]) -> bool:
    """Tell whether reading a file may wait for ever: a named pipe, a socket, a device."""
    try:
        return not entry.is_file() and not stat.S_ISREG(entry.stat().st_mode)
    except OSError:  # a link that leads nowhere, or what may not be looked at: reading it says so
        return False


def in_folders(path: str) -> str:
    """Sort key of a relative path: a folder's own files first, then its sub-folders."""
    folder, _, name = path.rpartition(os.sep)
    return f"{_words_of_folders(folder) if folder else ''}0{_words(name)}{_END}{name}"


@lru_cache(maxsize=1024)
def _words_of_parts(folder: str) -> str:
    return "".join(f"{_words(part)}{_PART}" for part in folder.split(os.sep))  # noqa: PTH206  (no path)


@lru_cache(maxsize=1024)
def _words_of_folders(folder: str) -> str:
    return "".join(f"1{_words(part)}{_END}{part}{_END}" for part in folder.split(os.sep))  # noqa: PTH206  (no path)


def _words(name: str) -> str:
    """Return what sorts as the texts and numbers of a name in turn do, in small letters."""
    words = _NUMBER.split(name.casefold())
    if len(words) > 1:
        words[1::2] = map(_number, words[1::2])
    return "".join(words)


def _number(digits: str) -> str:
    """Return what sorts as a number does: the longer ones last."""
    value = digits.lstrip("0") if digits.isascii() else str(int(digits)).lstrip("0")
    return f"{_NUMBERED}{chr(len(value) + 1)}{value}"


def _closed(folder: Path, error: OSError) -> UserError:
    return UserError(f"{folder}: the folder cannot be read ({error.strerror})")


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths[:_NAMED])) + (", ..." if len(paths) > _NAMED else "")
