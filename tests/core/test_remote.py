"""Images in stores: what is there, in which order, and what is said where something is wrong."""

import pickle
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import instar
from instar.core.errors import UserError
from instar.core.reading import read
from instar.core.remote import is_address, listed

fsspec = pytest.importorskip("fsspec")
Runs = Callable[..., Path]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("10.png", "9.png", "b/2.png", "b/1 #%.jpg", ".hidden/x.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 40, 3), dtype=np.uint8)).save(path)
    (tmp_path / "photos/words.txt").write_text("none")
    return tmp_path / "photos"


@pytest.fixture
def store(photos: Path) -> Iterator[Any]:
    """A store within this process."""
    found = fsspec.filesystem("memory")
    found.put(str(photos), "/photos", recursive=True)
    yield found
    found.rm("/photos", recursive=True)


def test_what_is_an_address() -> None:
    assert all(map(is_address, ("s3://b/x", "memory://x", "https://host/", "gs://b")))
    assert not any(map(is_address, ("photos", "C:\\photos", "C:/photos", "/photos", "./s3:/b")))


def test_files_are_read_as_those_of_a_disk(store: Any, photos: Path) -> None:
    found = {one.inside: one for one in listed("memory://photos")}
    assert set(found) == {"10.png", "9.png", "b/2.png", "b/1 #%.jpg", ".hidden/x.png", "words.txt"}
    for inside in ("9.png", "b/1 #%.jpg"):
        assert str(found[inside]) == f"memory:///photos/{inside}"
        assert np.array_equal(np.asarray(read(found[inside])), np.asarray(read(photos / inside)))
        assert pickle.loads(pickle.dumps(found[inside])) == found[inside]
    assert [one.inside for one in listed("memory://photos/b/2.png")] == ["2.png"]
    assert {one.inside for one in listed("memory://photos/*.png")} == {"9.png", "10.png"}


def test_a_file_that_is_written_anew_is_another_one(store: Any) -> None:
    (before,) = listed("memory://photos/9.png")
    content = before.read_bytes()
    time.sleep(0.01)
    with store.open("/photos/9.png", "wb") as file:
        file.write(content[:-1] + b"x")
    (after,) = listed("memory://photos/9.png")
    assert before.written() != after.written()
    assert before.where() != after.where()
    assert after.read_bytes() == content[:-1] + b"x"


def test_a_store_is_translated_as_a_folder(store: Any, photos: Path, run_directory: Runs, tmp_path: Path) -> None:
    (photos / ".hidden/x.png").unlink()
    store.pipe("/photos/film.mp4", b"none")
    run = run_directory("cut")
    plain = instar.translate(run, photos, tmp_path / "plain", device="cpu")
    found = instar.translate(run, "memory://photos", tmp_path / "out", device="cpu")
    assert (found.translated, plain.translated, len(found.failed), found.ignored) == (4, 4, 1, 1)
    assert "film.mp4" in found.failed[0].file
    names = [path.relative_to(tmp_path / "out") for path in sorted((tmp_path / "out").rglob("*.[pj]*g"))]
    assert len(names) == 4
    assert all((tmp_path / "out" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes() for name in names)


def test_what_is_wrong_is_one_line(
    store: Any, run_directory: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, out = run_directory("cut"), tmp_path / "out"
    with pytest.raises(UserError, match=r"^memory://nothing: no images there; what is read: "):
        instar.translate(run, "memory://nothing", out)
    with pytest.raises(UserError, match=r"^nosuch://x: such addresses need a library \(Protocol not known: nosuch"):
        instar.translate(run, "nosuch://x", out)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(UserError, match=r"^memory://photos: such addresses need a library \("):
        instar.translate(run, "memory://photos", out)
    assert not out.exists()


def test_a_file_that_went_is_a_failure_of_its_own(store: Any, run_directory: Runs, tmp_path: Path) -> None:
    found = listed("memory://photos/10.png")
    store.rm("/photos/10.png")
    with pytest.raises(UserError, match=r"^memory:///photos/10\.png: "):
        read(found[0])
