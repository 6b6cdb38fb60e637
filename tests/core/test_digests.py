import shutil
import subprocess
from pathlib import Path

import pytest

from instar.core.digests import SUMS, DamagedError, check_sum, listed, write_sums


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in {"one": b"first", "two": b"second" * 10**6, "ünïcode": b""}.items():
        (tmp_path / name).write_bytes(content)
    write_sums(tmp_path)
    return tmp_path


def test_files_as_they_were_written(folder: Path) -> None:
    assert listed(folder) == ["one", "two", "ünïcode"]
    for name in listed(folder):
        check_sum(folder / name)


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum here")
def test_the_system_reads_them(folder: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize("bit", [0, 7, 47_999_993])
def test_one_bit(folder: Path, bit: int) -> None:
    content = bytearray((folder / "two").read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    (folder / "two").write_bytes(content)
    with pytest.raises(DamagedError, match=r"two: damaged or changed"):
        check_sum(folder / "two")
    check_sum(folder / "one")


def test_files_that_are_not_there_and_files_that_are_new(folder: Path) -> None:
    (folder / "one").unlink()
    with pytest.raises(DamagedError, match="one: is missing"):
        check_sum(folder / "one")
    (folder / "three").write_bytes(b"")
    with pytest.raises(DamagedError, match="three: not in SHA256SUMS"):
        check_sum(folder / "three")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"abc  one\n", b"0" * 64 + b"  ../one\n"])
def test_a_damaged_list(folder: Path, content: bytes) -> None:
    (folder / SUMS).write_bytes(content)
    with pytest.raises(DamagedError, match=SUMS):
        check_sum(folder / "one")


def test_a_folder_of_an_earlier_version_has_none(tmp_path: Path) -> None:
    check_sum(tmp_path / "whatever")
    assert listed(tmp_path) == []
