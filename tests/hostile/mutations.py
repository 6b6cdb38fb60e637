"""What becomes of files that others wrote: cut, flipped, emptied, replaced by what is no file, taken from elsewhere."""

from __future__ import annotations

import os
import random
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

from instar.core.files import remove

Mutation = Callable[[Path, random.Random, Path], None]
"""Changes a file or folder; the last path is a folder of somebody else."""


def removed(path: Path, chance: random.Random, other: Path) -> None:
    remove(path)


def emptied(path: Path, chance: random.Random, other: Path) -> None:
    _file(path).write_bytes(b"")


def cut(path: Path, chance: random.Random, other: Path) -> None:
    content = _content(path)
    _file(path).write_bytes(content[: chance.randrange(max(1, len(content)))])


def a_bit_flipped(path: Path, chance: random.Random, other: Path) -> None:
    content = bytearray(_content(path))
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    _file(path).write_bytes(content)


def bytes_replaced(path: Path, chance: random.Random, other: Path) -> None:
    content = bytearray(_content(path))
    start = chance.randrange(len(content))
    content[start : start + 64] = chance.randbytes(64)
    _file(path).write_bytes(content)


def doubled(path: Path, chance: random.Random, other: Path) -> None:
    content = _content(path)
    _file(path).write_bytes(content + content)


def noise(path: Path, chance: random.Random, other: Path) -> None:
    _file(path).write_bytes(chance.randbytes(2000))


def a_folder(path: Path, chance: random.Random, other: Path) -> None:
    remove(path)
    path.mkdir()


def a_pipe(path: Path, chance: random.Random, other: Path) -> None:
    remove(path)
    os.mkfifo(path)


def a_socket(path: Path, chance: random.Random, other: Path) -> None:
    remove(path)
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(path.parent)  # its path has at most 107 bytes
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)


def a_link_to_a_file(path: Path, chance: random.Random, other: Path) -> None:
    remove(path)
    path.symlink_to(other / "theirs.txt")


def a_link_to_a_folder(path: Path, chance: random.Random, other: Path) -> None:
    remove(path)
    path.symlink_to(other)


def a_dangling_link(path: Path, chance: random.Random, other: Path) -> None:
    remove(path)
    path.symlink_to(other / "new.txt")


def a_link_to_itself(path: Path, chance: random.Random, other: Path) -> None:
    remove(path)
    path.symlink_to(path.name)


def an_endless_device(path: Path, chance: random.Random, other: Path) -> None:
    remove(path)
    path.symlink_to("/dev/zero")


def closed(path: Path, chance: random.Random, other: Path) -> None:
    path.chmod(0)


def moved_away_and_linked(path: Path, chance: random.Random, other: Path) -> None:
    """As who has little room does; what is read is as before."""
    shutil.move(path, other / f"moved-{path.name}")
    path.symlink_to(other / f"moved-{path.name}")


MUTATIONS: dict[str, Mutation] = {
    one.__name__.replace("_", " "): one
    for one in (
        *(removed, emptied, cut, a_bit_flipped, bytes_replaced, doubled, noise, a_folder, a_pipe, a_socket),
        *(a_link_to_a_file, a_link_to_a_folder, a_dangling_link, a_link_to_itself, an_endless_device, closed),
        moved_away_and_linked,
    )
}


def _file(path: Path) -> Path:
    """Return a path at which a file may be written."""
    if path.is_dir():
        remove(path)
    return path


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() and path.stat().st_size else b"of a folder, or empty\n"
