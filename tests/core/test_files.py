import os
import sys
from pathlib import Path

import pytest

from instar.core.files import folder_at_once, lock, open_own, own_folder, read_own, remove, sync, write_atomically


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_write_leaves_the_original(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full shows itself when the bytes are flushed, before the name changes hands."""
    path = tmp_path / "config.yaml"
    write_atomically(path, b"good")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"half")
    assert path.read_bytes() == b"good"


def test_content_is_on_the_disk_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append("sync"), fsync(fd)))
    monkeypatch.setattr(Path, "replace", lambda self, to: (events.append("rename"), replace(self, to))[1])
    write_atomically(tmp_path / "file", b"x")
    assert events == ["sync", "rename"]


def test_sync_flushes_files_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.fstat(descriptor).st_ino))
    (tmp_path / "file").write_bytes(b"x")
    sync(tmp_path / "file")
    sync(tmp_path)
    assert flushed == [(tmp_path / "file").stat().st_ino, tmp_path.stat().st_ino]


def target(folder: Path) -> Path:
    (folder / "outside").mkdir()
    (folder / "outside" / "theirs").write_bytes(b"theirs")
    return folder / "outside"


def test_a_link_is_replaced_and_its_target_left(tmp_path: Path) -> None:
    theirs, mine = target(tmp_path) / "theirs", tmp_path / "mine"
    mine.symlink_to(theirs)
    write_atomically(mine, b"mine")
    assert (mine.is_symlink(), mine.read_bytes(), theirs.read_bytes()) == (False, b"mine", b"theirs")


def test_nothing_is_appended_through_links(tmp_path: Path) -> None:
    theirs = target(tmp_path) / "theirs"
    (tmp_path / "link").symlink_to(theirs)
    with pytest.raises(OSError, match="link to another place"):
        open_own(tmp_path / "link", "ab")
    (tmp_path / "dangling").symlink_to(tmp_path / "outside" / "new")
    with pytest.raises(OSError, match="link to another place"):
        open_own(tmp_path / "dangling", "ab")
    os.link(theirs, tmp_path / "hard")
    with open_own(tmp_path / "hard", "ab") as file:
        file.write(b" and mine")
    assert (tmp_path / "hard").read_bytes() == b"theirs and mine"
    assert [path.read_bytes() for path in (tmp_path / "outside").iterdir()] == [b"theirs"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
@pytest.mark.parametrize("mode", ["ab", "r+b", "rb"])
def test_what_is_no_file_does_not_hang(tmp_path: Path, mode: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=r"no regular file|No such device"):
        read_own(tmp_path / "pipe") if mode == "rb" else open_own(tmp_path / "pipe", mode)


def test_folders_that_are_links(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(target(tmp_path))
    with pytest.raises(OSError, match="link to another place"):
        own_folder(tmp_path / "link")
    own_folder(tmp_path / "folder")
    own_folder(tmp_path / "folder")
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "outside")
    remove(tmp_path / "folder")
    remove(tmp_path / "link")
    assert [path.name for path in tmp_path.rglob("*")] == ["outside", "theirs"]


@pytest.mark.skipif(sys.platform == "win32", reason="no modes")
@pytest.mark.parametrize("umask", [0o022, 0o007, 0o077])
def test_modes_are_those_of_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "one", b"")
        open_own(tmp_path / "two", "ab").close()
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666 & ~umask}


def test_names_as_long_as_names_can_be(tmp_path: Path) -> None:
    write_atomically(tmp_path / ("字" * 85), b"x")
    assert [len(path.name.encode()) for path in tmp_path.iterdir()] == [255]


def test_a_lock_has_one_owner(tmp_path: Path) -> None:
    with open_own(tmp_path / "lock", "r+b") as one, open_own(tmp_path / "lock", "r+b") as two:
        assert [lock(one), lock(two), lock(one)] == [True, False, True]
        one.close()
        assert lock(two)


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_is_there_at_once(there: bool, tmp_path: Path) -> None:
    folder = tmp_path / "above" / "folder"
    if there:
        folder.mkdir(parents=True)
    with folder_at_once(folder) as part:
        (part / "one").write_text("1")
        assert not folder.exists() or not list(folder.iterdir())
    assert [path.name for path in folder.iterdir()] == ["one"]
    assert list(folder.parent.iterdir()) == [folder]


def test_a_folder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fill() -> None:
        with folder_at_once(tmp_path / "folder") as part:
            (part / "one").write_text("1")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_never_put_over_one_that_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "folder"

    def fill() -> None:
        with folder_at_once(folder) as part:
            (part / "one").write_text("1")
            folder.mkdir()
            (folder / "theirs").write_text("theirs")

    with pytest.raises(OSError, match="not empty"):
        fill()
    assert [path.name for path in folder.iterdir()] == ["theirs"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with folder_at_once(tmp_path / "link") as part:
        (part / "one").write_text("1")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "one").exists()
