"""Files of digits that were cut, flipped, or say of themselves what is not so."""

from __future__ import annotations

import gzip
import io
import random
import shutil
import struct
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from data.test_digits import write_mnist, write_npz

from hostile.figures import Found
from hostile.forks import Forks, Limits
from hostile.mutations import MUTATIONS
from hostile.runs import state, unequal
from hostile.sampling import chance, times

Campaign = Callable[[str], AbstractContextManager[Found]]
FEW = ("--preset", "tiny", "--steps", 1, "--device", "cpu", "--seed", 3)


def large(path: Path, drawn: random.Random) -> None:
    """Say that there are more images than memory holds."""
    many = drawn.choice([2**31 - 1, 2**20, 10])
    if path.suffix == ".npz":
        header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({many}, 2800, 2800, 3), }}".ljust(117) + "\n"
        array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name in ("x_train", "y_train", "x_test", "y_test"):
                file.writestr(f"{name}.npy", array)
        return
    content = b"\0\0\x08\x03" + struct.pack(">III", many, 28, 28) + bytes(100)
    more = gzip.compress(bytes(2**25)) * drawn.choice([0, 200])  # 6 GB in some kilobytes
    path.write_bytes(gzip.compress(content) + more)


def pickled(path: Path, drawn: random.Random) -> None:
    """Hold objects of Python, which run code when they are read."""
    file = io.BytesIO()
    np.savez(file, x_train=np.array([{"a": 1}], dtype=object), y_train=np.array([0]))
    path.write_bytes(file.getvalue())


@pytest.fixture(scope="module")
def original(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MNIST, a set of colour digits, and a run on them."""
    folder = tmp_path_factory.mktemp("digits")
    write_mnist(folder / "mnist")
    write_npz(folder / "colour.npz", shape=(28, 28, 3))
    done = forks(train(folder), INSTAR_CACHE=str(folder / "cache"))
    assert done.code == 0, done.said
    return folder


def train(folder: Path) -> list[object]:
    return ["train", "unit-adaptation", folder / "mnist", folder / "colour.npz", "-o", folder / "run", *FEW]


def test_files_of_digits(forks: Forks, original: Path, tmp_path: Path, campaign: Campaign) -> None:
    """A command says one line, or does what it does with the whole files."""
    names = ["colour.npz", *sorted(f"mnist/{path.name}" for path in (original / "mnist").iterdir())]
    expected = state(original / "run")
    ways = [*MUTATIONS, "large", "pickled"]
    with campaign("files of digits") as found:
        for number in times(8):
            drawn = chance(found.title, number)
            home, other = tmp_path / "home", tmp_path / "other"
            for folder in (home, other):
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
            (other / "theirs.txt").write_text("theirs")
            shutil.copytree(original / "mnist", home / "mnist")
            shutil.copy(original / "colour.npz", home / "colour.npz")
            name, way = drawn.choice(names), drawn.choice(ways)
            path = home / name
            if way in MUTATIONS:
                MUTATIONS[way](path, drawn, other)
            else:
                {"large": large, "pickled": pickled}[way](path, drawn)
            found.case(way)
            case, limits = f"{name} {way}", Limits(seconds=60, plain_rights=True, memory=3 * 2**30)
            for arguments in (["check", home / "mnist", home / "colour.npz"], train(home)):
                end = forks(arguments, limits, INSTAR_CACHE=str(home / "cache"))
                fault = end.fault()
                if fault:
                    found.add(fault[0], f"{case}, {arguments[0]}: {fault[1]}")
                elif end.code in (2, 3) and not end.err.rstrip().splitlines()[-1].startswith("instar: "):
                    found.add("crashes", f"{case}, {arguments[0]}: no line: {end.err[-300:]!r}")
            # Bits of pixels may be any: only what leaves the content as it is must give the same weights.
            if end.code == 0 and way == "moved away and linked" and unequal(state(home / "run"), expected):
                found.add("unequal", case)
