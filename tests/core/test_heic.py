"""HEIC with and without its extra. The picture is 64 x 48, red on the left and blue on the right."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from PIL import Image

import instar
from instar.core import heic, listing, reading
from instar.core.heic import is_installed, writable
from instar.core.listing import listed
from instar.core.reading import UnreadableImage, probe, read

PICTURE = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAA"
    "ACJpbG9jAAAAAERAAAEAAQAAAAABoQABAAAAAAAAAG4AAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRt"
    "AAAAAAABAAAA/WlwcnAAAADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMA"
    "AAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5j"
    "bHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBp"
    "eGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAAHZtZGF0AAAAaigBrwT4cWTTt/+Jd///85Dey/tNRPfIP3VKkv9u"
    "t3//0QgPaSrlkb2WtfnKUg80sPsfgI3le1R48/s4gU9gtuGTi/aGqBLjFlzhwq3DbL3DZAYAQYh1IY3wqHA/RaSFR/JVQgIlX8wg"
    "leA="
)
needs_decoder = pytest.mark.skipif(not is_installed(), reason="needs the extra heic")


@pytest.fixture
def without_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (heic, listing, reading):
        monkeypatch.setattr(module, "is_installed", lambda: False)
    monkeypatch.setattr(reading, "formats", lambda: ())


@pytest.mark.usefixtures("without_decoder")
def test_without_the_extra_they_are_counted_and_named(tmp_path: Path) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(PICTURE)
    found = listed(tmp_path)
    assert found.images == []
    assert [one.path for one in found.left_out] == [path]
    with pytest.raises(UnreadableImage, match=r"pip install '\.\[heic\]'; or convert it to JPEG"):
        read(path)


@needs_decoder
@pytest.mark.parametrize("name", ["a.heic", "a.HEIF", "a.jpg"])
def test_pixels(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(PICTURE)
    image = read(tmp_path / name)
    assert (image.size, image.mode) == ((64, 48), "RGB")
    for place, colour in (((8, 24), (200, 30, 40)), ((56, 24), (20, 60, 220))):
        assert image.getpixel(place) == pytest.approx(colour, abs=12)
    assert probe(tmp_path / name)[:2] == (64, 48)
    assert [path.name for path in listed(tmp_path).images] == [name]


@needs_decoder
def test_broken_ones_are_named(tmp_path: Path) -> None:
    for count in (20, 100, len(PICTURE) - 40):
        (tmp_path / "a.heic").write_bytes(PICTURE[:count])
        with pytest.raises(UnreadableImage, match=r"a\.heic: "):
            read(tmp_path / "a.heic")


@needs_decoder
def test_results_are_pngs(tmp_path: Path, run_directory) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.heic").write_bytes(PICTURE)
    done = instar.translate(run_directory(), tmp_path / "in", tmp_path / "out")
    assert done.translated == 1
    with Image.open(tmp_path / "out" / "a.png") as image:
        assert image.size == (64, 48)


def test_names_of_results() -> None:
    assert writable("some/a.HEIC") == "some/a.png"
    assert writable("some/a.jpg") == "some/a.jpg"
    assert writable("") == ""
