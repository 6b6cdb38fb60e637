import os
from pathlib import Path

import pytest

from instar.data import contents
from instar.data.files import Files

COUNT = 8


@pytest.fixture(autouse=True)
def of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "REMEMBERED", 5)
    monkeypatch.setattr(contents, "_TICK", -(10**10))  # files of this very moment count as old


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Name the files that are read."""
    calls: list[str] = []
    real = contents._read
    monkeypatch.setattr(contents, "_read", lambda path: calls.append(path.name) or real(path))
    return calls


def files(folder: Path) -> Files:
    return Files(folder, sorted(os.listdir(folder)))  # noqa: PTH208


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "images"
    place.mkdir()
    for i in range(COUNT):
        (place / f"{i}").write_bytes(bytes([i]) * (i + 1) * 9000)
    return place


def digests(folder: Path) -> list[str]:
    return [contents.digest(folder / name) for name in files(folder).inside]


@pytest.mark.skipif(os.name == "nt", reason="nothing is remembered there")
def test_files_are_read_again_once_they_have_changed(folder: Path, read: list[str], own_cache: Path) -> None:
    wanted = digests(folder)
    read.clear()
    assert list(contents.of(files(folder))) == wanted
    assert sorted(read) == [str(i) for i in range(COUNT)]
    read.clear()
    assert list(contents.of(files(folder))) == wanted
    assert read == []
    times = (folder / "3").stat()
    (folder / "3").write_bytes(b"x" * times.st_size)
    os.utime(folder / "3", ns=(times.st_atime_ns, times.st_mtime_ns))  # as tools do that restore times
    (folder / "2").unlink()
    (folder / "9").write_bytes(b"new")
    (folder / "5").unlink()
    (folder / "5").mkdir()
    found = list(contents.of(files(folder)))
    assert sorted(read) == ["3", "5", "9"]
    assert found == digests(folder)
    assert found[files(folder).inside.index("5")] == "unreadable"


def test_what_was_just_written_is_not_remembered(folder: Path, read: list[str], own_cache: Path, monkeypatch) -> None:
    monkeypatch.setattr(contents, "_TICK", 10**12)
    for _ in range(2):
        read.clear()
        list(contents.of(files(folder)))
        assert len(read) == COUNT


@pytest.mark.parametrize("damage", [b"", b"PK\3\4nothing", b"\0" * 500])
def test_a_damaged_memory_is_made_anew(folder: Path, read: list[str], own_cache: Path, damage: bytes) -> None:
    wanted = list(contents.of(files(folder)))
    (file,) = own_cache.glob("files-*.npz")
    file.write_bytes(damage)
    assert list(contents.of(files(folder))) == wanted
    read.clear()
    assert list(contents.of(files(folder))) == wanted
    assert os.name == "nt" or read == []


def test_a_memory_that_cannot_be_kept_is_done_without(
    folder: Path, own_cache: Path, tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("INSTAR_CACHE", str(tmp_path / "file/cache"))
    assert list(contents.of(files(folder))) == digests(folder)
