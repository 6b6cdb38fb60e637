"""Tar shards as WebDataset writes them: members of one name but for the suffix are a sample.

Nothing is extracted: of each member the index keeps where its bytes lie, and they are read from there. Links, devices
and names that lead elsewhere are left out, whatever they point to.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Any

from instar.core.errors import UserError
from instar.core.listing import LeftOut, Why, is_visible, natural, suffixed_as_image
from instar.core.member import File, Member, written
from instar.core.memory import memory
from instar.core.packed.row import IMAGE, Row, Rows
from instar.core.plain import read_json

SUFFIX = ".tar"
_TEXT = 2**16
"""Most bytes of a member with a class or with JSON."""


@dataclass(frozen=True)
class TarMember(Member):
    """A file in a tar that is not compressed."""

    offset: int
    size: int

    def open(self, mode: str = "rb") -> IO[bytes]:
        """Return its bytes in memory."""
        if self.size > memory() // 4:
            raise OSError(f"{self.size / 1e9:.1f} GB, more than a quarter of the memory")
        with self.container.open("rb") as file:
            file.seek(self.offset)
            content = file.read(self.size)
        if len(content) < self.size:
            raise OSError(f"{self.container.name} ends within it")
        return BytesIO(content)

    def where(self) -> str:
        """Return offset and size."""
        return f"{self.offset}+{self.size}"


def shards(folder: Path) -> list[Path]:
    """Return the shards in a folder, "2.tar" before "10.tar"."""
    found = [path for path in folder.iterdir() if path.suffix.lower() == SUFFIX and is_visible(path.name)]
    return sorted((path for path in found if path.is_file()), key=natural)


def rows_in(shard: Path) -> Rows:
    """Return the samples of a shard.

    `0001.jpg` is the image of the sample 0001, `0001.cls` its class, `0001.json` may have `split`, `domain` and
    `label`. Of `0001.a.jpg` and `0001.b.jpg` the columns are called a and b.

    Raises:
        UserError: it is no tar, a compressed one, or what a member says of a sample cannot be read.
    """
    members, left_out = _members(shard, written(shard))
    samples: dict[str, dict[str, TarMember]] = {}
    about: dict[str, dict[str, Any]] = {}
    left_out = list(left_out)
    for member in members:
        key, kind = _parted(member.inside)
        if suffixed_as_image(member.name):
            samples.setdefault(key, {})[PurePosixPath(kind).stem if "." in kind else IMAGE] = member
        elif kind.lower() in ("cls", "json"):
            about.setdefault(key, {}).update(_said(member, kind.lower()))
        else:
            left_out.append(LeftOut(Path(str(member)), Why.OTHER))
    rows = [_row(shard, key, images, about.get(key, {})) for key, images in samples.items()]
    return Rows(list(dict.fromkeys(column for row in rows for column in row.images)), rows, left_out)


def _row(shard: Path, key: str, images: dict[str, TarMember], about: dict[str, Any]) -> Row:
    words = {name: str(about[name]) for name in ("split", "domain", "label") if about.get(name) is not None}
    files: dict[str, File] = {**images}
    return Row(
        files, key, f"{shard}/{key}", words.get("split", ""), words.get("domain", ""), words.get("label") or None
    )


def _parted(inside: str) -> tuple[str, str]:
    """Return the key of a member's sample, up to the first dot of its last part, and what follows."""
    folder, _, name = inside.rpartition("/")
    stem, _, kind = name.partition(".")
    return (f"{folder}/{stem}" if folder else stem), kind


def _said(member: TarMember, kind: str) -> dict[str, Any]:
    if member.size > _TEXT:
        raise UserError(f"{member}: {member.size} bytes, too many for what is said of an image")
    try:
        text = member.read_bytes().decode()
        found = {"label": text.strip()} if kind == "cls" else read_json(text)
    except (OSError, ValueError) as error:
        raise UserError(f"{member}: cannot be read ({error})") from error
    return found if isinstance(found, dict) else {}


@lru_cache(maxsize=256)
def _members(shard: Path, _: tuple[int, int]) -> tuple[list[TarMember], list[LeftOut]]:
    """Return the files in a shard by the last of each name, as unpacking would leave them, and what is left out."""
    found: dict[str, TarMember] = {}
    left_out = []
    for info in _headers(shard):
        name = info.name.removeprefix("./")
        parts = PurePosixPath(name).parts
        place = Path(f"{shard}/{name}")
        if info.isdir():
            continue
        if not all(map(is_visible, parts)) and ".." not in parts:
            left_out += [LeftOut(place, Why.SYSTEM)] if suffixed_as_image(name) else []
        elif PurePosixPath(name).is_absolute() or ".." in parts or "\0" in name or "\\" in name:
            left_out.append(LeftOut(place, Why.ASTRAY))
        elif not info.isreg() or info.issparse():
            left_out.append(LeftOut(place, Why.SPECIAL))
        else:
            found.pop(name, None)
            found[name] = TarMember(shard, name, info.offset_data, info.size)
    return list(found.values()), left_out


def _headers(shard: Path) -> Iterator[tarfile.TarInfo]:
    try:
        with tarfile.open(shard, "r:") as file:
            yield from file
    except tarfile.TarError as error:
        why = "it is compressed, unpack it by gunzip or zstd -d" if _is_compressed(shard) else str(error)
        raise UserError(f"{shard}: no tar file that can be read: {why}") from error
    except OSError as error:
        raise UserError(f"{shard}: cannot be read ({error.strerror or error})") from error


def _is_compressed(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(6)
    return head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"))
