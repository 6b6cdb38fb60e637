import os
from pathlib import Path

import pytest

from instar.core.errors import UserError
from instar.core.heic import is_installed
from instar.core.reading import UnreadableImage, read
from instar.inference.jobs import Job, Naming, collect, image_files


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("10.png", "2.png", "sub/2.png", "notes.txt"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return Path("photos")


def test_a_job_for_each_variant(photos: Path) -> None:
    found = collect(["photos"], Path("out"), [Naming("_x"), Naming("_y", ".png")])
    assert [job for job in found if job.source == "photos/2.png"] == [
        Job("photos/2.png", "2_x.png", 0, key="2"),
        Job("photos/2.png", "2_y.png", 1, key="2"),
    ]
    assert [job for job in found if not job.output] == [Job("photos/notes.txt", "")]
    assert len(found) == 7


def test_names() -> None:
    assert Naming().of("sub/cat.jpg") == "sub/cat.jpg"
    assert Naming("_strip", ".png").of("sub/cat.jpg") == "sub/cat_strip.png"


def test_messages_name_settings(photos: Path) -> None:
    with pytest.raises(UserError, match=r"^out=photos: the input photos/2\.png would be overwritten"):
        collect(["photos/2.png"], Path("photos"))
    with pytest.raises(UserError, match=r"would both become 2\.png; .* or run twice with two out$"):
        collect(["photos/2.png", "photos/sub/2.png"], Path("out"))


def test_image_files_are_listed_once_and_may_have_one_name(photos: Path) -> None:
    files = image_files(["photos/sub/2.png", "photos", str(photos.absolute())])
    assert [job.source for job in files] == ["photos/sub/2.png", "photos/2.png", "photos/10.png"]
    with pytest.raises(UserError, match=r"photos/\*\.tif: no images there"):
        image_files(["photos/*.tif"])


def test_pipes_are_lost_and_folders_of_the_system_ignored(photos: Path) -> None:
    os.mkfifo(photos / "x.png")
    (photos / "@eaDir").mkdir()
    (photos / "loop").symlink_to(photos.absolute())
    told: list[str] = []
    jobs = collect(["photos"], Path("out"), tell=told.append)
    found = {job.source: job.lost for job in jobs if not job.output}
    assert found == {"photos/notes.txt": "", "photos/x.png": "no regular file"}
    assert told == [
        "left out: 1 hidden or made by the system: photos/@eaDir",
        "left out: 1 linked folders that are read already: photos/loop",
    ]
    for inputs in (["photos/x.png"], ["photos/x*"]):
        with pytest.raises(UserError, match=r"no images there \(photos/x.png: no regular file\)"):
            collect(inputs, Path("out"))


@pytest.mark.skipif(is_installed(), reason="HEIC is read")
def test_heic_alone(photos: Path) -> None:
    (photos / "a.heic").touch()
    with pytest.raises(UserError, match=r"\(1 other file\); HEIC needs pip install"):
        collect(["photos/*.heic"], Path("out"))
    Path("photos/a.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(UnreadableImage, match="HEIC needs pip install"):
        read(photos / "a.heic")


def test_patterns_find_nothing_in_folders_of_the_system(photos: Path) -> None:
    (photos / "@eaDir").mkdir()
    (photos / "@eaDir/7.png").touch()
    assert [job.output for job in collect(["photos/*/*.png"], Path("out"))] == ["2.png"]
