"""Images in stores that the library fsspec reaches, such as s3://bucket/photos or https://host/photos/."""

from __future__ import annotations

import glob
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from typing_extensions import Self

from instar.core.errors import UserError, first_line
from instar.core.member import Member

KEPT = 64
"""Files whose content is kept: the header of each is looked at before it is decoded, a window of files at a time."""
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


@dataclass(frozen=True)
class Remote(Member):
    """A file in a store. It is fetched where it is read, and nothing of it is written to a disk.

    Attributes:
        address: of the file.
        stamp: bytes and time of the last change, in nanoseconds, as the store listed them; 0 where it does not say.
    """

    address: str
    stamp: tuple[int, int]

    def open(self, mode: str = "rb") -> IO[bytes]:
        """Return its content."""
        return io.BytesIO(_content(self.address, self.stamp))

    def where(self) -> str:
        """Return what changes when the store gets another one."""
        return f"{self.address} {self.stamp}"

    def written(self) -> tuple[int, int]:
        """Return its stamp."""
        return self.stamp

    def resolve(self) -> Self:
        """Return it as it is: a store has no links."""
        return self

    def __str__(self) -> str:
        return self.address


def is_address(text: str) -> bool:
    """Tell whether a text is the address of something in a store, and no path."""
    return _ADDRESS.match(text) is not None


def listed(address: str) -> list[Remote]:
    """Return the files below an address, or those that a pattern means, or the one that it is.

    Raises:
        UserError: a library for such addresses is missing, nothing is there, or the store cannot be asked.
    """
    store, root = _store(address)
    try:
        if glob.has_magic(root):
            found = store.glob(root, detail=True)
            root = root[: re.search(r"[*?\[]", root).start()].rpartition("/")[0]  # type: ignore[union-attr]
        else:
            found = store.find(root, detail=True)
    except Exception as error:  # each store has kinds of its own
        raise UserError(f"{address}: the store cannot be asked ({first_line(error)})") from error
    files = [info for info in found.values() if info.get("type") == "file"]
    return list(_remotes(store, root.rstrip("/"), files))


def _remotes(store: Any, root: str, files: list[dict[str, Any]]) -> Iterator[Remote]:
    for info in files:
        name = str(info["name"])
        inside = name[len(root) :].lstrip("/") or name.rpartition("/")[2]
        stamp = int(info.get("size") or 0), _changed(info)
        yield Remote(Path(root), inside, store.unstrip_protocol(name), stamp)


def _changed(info: dict[str, Any]) -> int:
    """Return when a file was changed, in nanoseconds: each store has a word of its own for it."""
    for word in ("LastModified", "mtime", "last_modified", "updated", "created"):
        value = info.get(word)
        if isinstance(value, datetime):
            return int(value.timestamp()) * 10**9
        if isinstance(value, (int, float)):
            return int(value * 10**9)
    return 0


def _store(address: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415  (torch brings it)

        store, root = url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise UserError(f"{address}: such addresses need a library ({first_line(error)})") from error
    return store, root


@lru_cache(maxsize=KEPT)
def _content(address: str, stamp: tuple[int, int]) -> bytes:
    """Return what a file holds. Raises OSError."""
    store, path = _store(address)
    try:
        return bytes(store.cat_file(path))
    except OSError:
        raise
    except Exception as error:  # as in `listed`
        raise OSError(0, first_line(error)) from error
