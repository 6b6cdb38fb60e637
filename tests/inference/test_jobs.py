from pathlib import Path

import pytest

from instar.core.errors import UserError
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
        Job("photos/2.png", "2_x.png", 0),
        Job("photos/2.png", "2_y.png", 1),
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
    assert files == ["photos/sub/2.png", "photos/2.png", "photos/10.png"]
    with pytest.raises(UserError, match=r"photos/\*\.tif: no images there"):
        image_files(["photos/*.tif"])
