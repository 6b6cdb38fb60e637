"""Images that are no files of their own: members of a tar, cells of a table. They are read as files are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, TypeAlias

from typing_extensions import Self

from instar.core.errors import UserError


@dataclass(frozen=True)
class Member(ABC):
    """A file within a file. It has what code asks of a path: its name, and a way to open it; nothing is extracted.

    Attributes:
        container: the file that holds it.
        inside: what it is called there, with `/` between folders.
    """

    container: Path
    inside: str

    @abstractmethod
    def open(self, mode: str = "rb") -> IO[bytes]:
        """Return its content, to be read from the beginning.

        Raises:
            OSError: the container cannot be read, or ends within it.
        """

    @abstractmethod
    def where(self) -> str:
        """Return where in its container it lies, which changes if it is another one."""

    def __str__(self) -> str:
        return f"{self.container}/{self.inside}"

    @property
    def name(self) -> str:
        """Last part of what it is called."""
        return PurePosixPath(self.inside).name

    @property
    def stem(self) -> str:
        """Its name without the suffix."""
        return PurePosixPath(self.inside).stem

    @property
    def suffix(self) -> str:
        """The suffix of its name."""
        return PurePosixPath(self.inside).suffix

    @property
    def parent(self) -> Path:
        """Where messages send the user: the container."""
        return self.container

    def written(self) -> tuple[int, int]:
        """Return what changes when its container is written anew. One that is gone is a `UserError`."""
        return written(self.container)

    def resolve(self) -> Self:
        """Return the same member of the container's real path."""
        return replace(self, container=self.container.resolve())

    def read_bytes(self) -> bytes:
        """Return its whole content. Raises as `open`."""
        with self.open() as file:
            return file.read()


File: TypeAlias = Path | Member
"""Where an image is: a file of its own, or one within another."""


def size_of(file: File) -> int:
    """Return the bytes of a file. Raises OSError."""
    return len(file.read_bytes()) if isinstance(file, Member) else file.stat().st_size


def written(path: Path) -> tuple[int, int]:
    """Return what changes when a file is written anew. One that is gone is a `UserError`."""
    try:
        found = path.stat()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    return found.st_size, found.st_mtime_ns
