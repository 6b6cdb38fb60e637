"""Paths as Python functions take them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from instar.core.errors import UserError, setting
from instar.core.files import folder_at_once

AnyPath = str | PathLike[str]
Paths = AnyPath | Sequence[AnyPath]
"""One, or several."""


def path_or_none(given: AnyPath | None) -> Path | None:
    """Return a path, or None for None."""
    return None if given is None else Path(given)


def several(given: Paths) -> tuple[Path, ...]:
    """Return one path or several as paths."""
    return tuple(map(Path, [given] if isinstance(given, (str, PathLike)) else given))


def new_folder(out: AnyPath) -> Path:
    """Return the folder for results, which may not hold anything yet; what is there already is a `UserError`."""
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{setting('out', folder)}: exists already; choose another folder")
    return folder


@contextmanager
def written_at_once(folder: Path) -> Iterator[Path]:
    """Give a folder to write into; what is in it is in `folder` at the end of the context. A kill leaves none of it."""
    with naming_out(folder), folder_at_once(folder) as part:
        yield part


@contextmanager
def naming_out(place: Path) -> Iterator[None]:
    """Within this context an error of the operating system is a `UserError` that says that `out` cannot be written."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{setting('out', place)}: cannot be written ({error.strerror})") from error
