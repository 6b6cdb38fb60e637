import os
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from instar.core.errors import UserError
from instar.core.listing import Why, holds_images, left_out_notes, list_images, listed, sub_folders


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def within(folder: Path, paths: Iterator[Path] | list[Path]) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def left(folder: Path) -> dict[str, Why]:
    return {one.path.relative_to(folder).as_posix(): one.why for one in listed(folder).left_out}


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Folders named "closed" are another user's: tests may run as one whom no mode keeps out."""
    scan = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    return None


def test_list_images(tmp_path: Path) -> None:
    touch(tmp_path, "10.jpg", "2.JPG", "x.txt", ".hidden.png", "sub/1.png", "__MACOSX/1.png", ".git/1.png")
    assert within(tmp_path, list_images(tmp_path, recursive=False)) == ["2.JPG", "10.jpg"]
    assert within(tmp_path, list_images(tmp_path, recursive=True)) == ["2.JPG", "10.jpg", "sub/1.png"]


def test_a_folders_own_files_come_before_those_of_its_sub_folders(tmp_path: Path) -> None:
    touch(tmp_path, "b/1.png", "b.png", "a10/1.png", "a2/z/1.png", "a2/2.png", "c.png")
    assert within(tmp_path, listed(tmp_path).images) == [
        "b.png",
        "c.png",
        "a2/2.png",
        "a2/z/1.png",
        "a10/1.png",
        "b/1.png",
    ]


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "avif", "jp2", "JPEG", "tiff", "pgm"])
def test_what_counts_as_an_image(suffix: str, tmp_path: Path) -> None:
    touch(tmp_path, f"a.{suffix}")
    assert len(listed(tmp_path).images) == 1


@pytest.mark.parametrize(
    "name", ["@eaDir", "#recycle", "$RECYCLE.BIN", "__MACOSX", ".Trash-1000", "System Volume Information", "lost+found"]
)
def test_folders_of_the_system_are_left_out_and_named(name: str, tmp_path: Path) -> None:
    touch(tmp_path, "1.png", f"{name}/1.png/SYNOPHOTO_THUMB_M.jpg", "Thumbs.db", ".DS_Store", "._1.png")
    assert within(tmp_path, listed(tmp_path).images) == ["1.png"]
    assert left(tmp_path) == {name: Why.SYSTEM, "._1.png": Why.SYSTEM}
    assert sub_folders(tmp_path) == []


def test_named_pipes_and_sockets_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "1.png")
    os.mkfifo(tmp_path / "x.png")
    (tmp_path / "y.png").symlink_to(tmp_path / "x.png")
    assert within(tmp_path, listed(tmp_path).images) == ["1.png"]
    assert left(tmp_path) == {"x.png": Why.SPECIAL, "y.png": Why.SPECIAL}
    assert all(one.fault for one in listed(tmp_path).left_out)


def test_links_are_followed(tmp_path: Path) -> None:
    outside = touch(tmp_path / "outside", "2.png", "deep/3.png")
    root = touch(tmp_path / "root", "1.png")
    (root / "more").symlink_to(outside)
    (root / "0.png").symlink_to(outside / "2.png")
    assert within(root, listed(root).images) == ["0.png", "1.png", "more/2.png", "more/deep/3.png"]
    assert left(root) == {}
    only = tmp_path / "only"
    only.mkdir()
    (only / "link").symlink_to(outside)
    assert holds_images(only)


def test_each_folder_is_read_once_and_not_through_a_link(tmp_path: Path) -> None:
    outside = touch(tmp_path / "outside", "2.png")
    root = touch(tmp_path / "root", "z/1.png")
    for name, target in {"a": root / "z", "b": outside, "c": outside, "up": tmp_path, "here": root}.items():
        (root / name).symlink_to(target)
    (outside / "back").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    assert within(root, listed(root).images) == ["b/2.png", "z/1.png"]
    found = left(root)
    assert found.pop("self") is Why.OTHER
    assert found == dict.fromkeys(["a", "c", "up", "here", "b/back"], Why.TWICE)
    assert within(root, sub_folders(root)) == ["a", "b", "c", "z"]


def test_many_links_cost_no_more_than_their_folders(tmp_path: Path) -> None:
    folders = [touch(tmp_path / str(i), "1.png") for i in range(40)]
    for here, following in pairwise(folders):
        (here / "a").symlink_to(following)
        (here / "b").symlink_to(following)
    assert len(listed(folders[0]).images) == 40


def test_a_link_that_leads_nowhere_is_an_image_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "1.png").symlink_to(tmp_path / "gone.png")
    assert within(tmp_path, listed(tmp_path).images) == ["1.png"]


@pytest.mark.usefixtures("closed")
def test_folders_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    touch(tmp_path, "1.png", "closed/2.png")
    assert left(tmp_path) == {"closed": Why.CLOSED}
    assert listed(tmp_path).left_out[0].fault
    with pytest.raises(UserError, match=r"closed: the folder cannot be read \(Permission denied\)"):
        listed(tmp_path / "closed")


def test_a_folder_to_skip(tmp_path: Path) -> None:
    touch(tmp_path, "1.png", "out/1.png", "out/notes.txt")
    (tmp_path / "link").symlink_to(tmp_path / "out")
    assert within(tmp_path, listed(tmp_path, skip=tmp_path / "link").images) == ["1.png"]
    assert left(tmp_path)["out/notes.txt"] is Why.OTHER


def test_notes_count_and_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("instar.core.listing.is_installed", lambda: False)
    touch(tmp_path, "a.png", *(f"{i}.heic" for i in range(4)), "x.txt", "@eaDir/1.png")
    assert left_out_notes(listed(tmp_path).left_out) == [
        "left out: 4 .heic files; HEIC needs pip install '.[heic]'; or convert it to JPEG or PNG: "
        f"{tmp_path}/0.heic, {tmp_path}/1.heic, {tmp_path}/2.heic, ...",
        f"left out: 1 .txt file, no images by the suffix: {tmp_path}/x.txt",
        f"left out: 1 hidden or made by the system: {tmp_path}/@eaDir",
    ]
    assert left_out_notes([]) == []


def test_names_differ_by_their_spelling_in_unicode_only(tmp_path: Path) -> None:
    """The images are found under the name that the file system has."""
    name = unicodedata.normalize("NFD", "é.png")
    touch(tmp_path, name)
    assert listed(tmp_path).images[0].name == name
