"""Files of several pages go through a model that changes nothing, and come back with as many, and their times."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from identity import identity
from PIL import Image, ImageOps

from instar.core.errors import UserError
from instar.core.formats import own_format
from instar.core.raster import Raster
from instar.core.reading import UnreadableImage, page_count, probe, read
from instar.core.stack import Stack, read_all, save_all
from instar.inference.request import TranslationRequest
from instar.inference.translate_files import translate_files
from instar.inference.translator import Translator

TIMES = [100, 250, 80]


def frames(count: int = 3, mode: str = "RGB") -> list[Image.Image]:
    rng = np.random.default_rng(0)
    shape = (3, 4, 3) if mode == "RGB" else (3, 4)
    blocks = rng.integers(0, 2, (count, *shape), dtype=np.uint8) * 200  # few colours for a palette, no noise for WebP
    return [Image.fromarray(one.repeat(8, 0).repeat(8, 1)) for one in blocks]


def translated(model: Translator, out: Path, path: Path, **options: Any) -> dict[str, Any]:
    done = translate_files(model, TranslationRequest(inputs=(str(path),), out=out, **options))
    assert not done.failed, done.failed
    return json.loads(done.manifest.read_text())


@pytest.mark.parametrize("suffix", ["tif", "gif", "png", "webp"])
def test_pages_and_their_times_come_back(suffix: str, tmp_path: Path) -> None:
    first, *others = frames()
    timed = {} if suffix == "tif" else {"duration": TIMES, "loop": 2}
    lossless = {"lossless": True} if suffix == "webp" else {}
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=others, **timed, **lossless)
    assert page_count(tmp_path / f"a.{suffix}") == 3
    line = translated(identity(), tmp_path / "out", tmp_path / f"a.{suffix}", pages="all", batch=2)
    assert line["pages"] == 3
    assert "note" not in line
    before, after = read_all(tmp_path / f"a.{suffix}"), read_all(tmp_path / "out" / f"a.{suffix}")
    assert isinstance(before, Stack)
    assert isinstance(after, Stack)
    assert after.times == before.times
    assert len(after.times) == (0 if suffix == "tif" else 3)
    if suffix != "tif":
        assert after.times == tuple(TIMES)
        assert after.loop == before.loop
    for one, other in zip(before.pages, after.pages, strict=True):
        expected, found = (np.asarray(page.convert("RGB"), int) for page in (one, other))
        assert np.abs(found - expected).mean() <= (10 if suffix == "webp" else 0)
    assert all(np.any(np.asarray(a.convert("RGB")) != b.convert("RGB")) for a, b in pairwise(after.pages))


@pytest.mark.parametrize(("dtype", "bands"), [("uint16", 4), ("float32", 2), ("int16", 1), ("uint16", 1)])
def test_stacks_of_any_type_come_back(dtype: str, bands: int, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 30000, (5, 24, 32, bands)).astype(dtype)
    if dtype == "float32":
        pixels /= 30000
    save_all(Stack(tuple(Raster(page) for page in pixels)), tmp_path / "a.tif")
    assert len(tifffile.TiffFile(tmp_path / "a.tif").pages) == 5
    form = own_format(dtype, bands, bands)
    translated(identity(bands, (form, form)), tmp_path / "out", tmp_path / "a.tif", pages="all")
    found = read_all(tmp_path / "out" / "a.tif")
    assert isinstance(found, Stack)
    back = np.stack([one.pixels if isinstance(one, Raster) else np.asarray(one)[..., None] for one in found.pages])
    assert back.dtype == dtype
    np.testing.assert_allclose(back, pixels, rtol=0, atol=1e-7 if dtype == "float32" else 0)


def test_one_page_is_chosen_by_its_number(tmp_path: Path) -> None:
    first, *others = frames()
    first.save(tmp_path / "a.tif", save_all=True, append_images=others)
    for number, page in enumerate(frames(), 1):
        line = translated(identity(), tmp_path / str(number), tmp_path / "a.tif", pages=number)
        assert "note" not in line
        np.testing.assert_array_equal(np.asarray(read(tmp_path / str(number) / "a.tif")), np.asarray(page))
    line = translated(identity(), tmp_path / "first", tmp_path / "a.tif")
    assert line["note"] == "3 pages or frames, of which the first is read"
    done = translate_files(
        identity(), TranslationRequest(inputs=(str(tmp_path / "a.tif"),), out=tmp_path / "no", pages=4)
    )
    assert done.failed[0].reason == "it has no page 4"
    with pytest.raises(UnreadableImage, match="no page 9"):
        probe(tmp_path / "a.tif", 8)


def test_pages_of_different_sizes_are_refused_by_name(tmp_path: Path) -> None:
    first, other, _ = frames()
    first.save(tmp_path / "a.tif", save_all=True, append_images=[other.resize((8, 8))])
    done = translate_files(
        identity(), TranslationRequest(inputs=(str(tmp_path / "a.tif"),), out=tmp_path / "o", pages="all")
    )
    assert "different sizes, 8 x 8 and 32 x 24" in done.failed[0].reason


def test_a_file_of_one_page_is_no_stack(tmp_path: Path) -> None:
    frames()[0].save(tmp_path / "a.png")
    assert isinstance(read_all(tmp_path / "a.png"), Image.Image)
    assert "pages" not in translated(identity(), tmp_path / "out", tmp_path / "a.png", pages="all")


def test_what_is_no_choice_of_pages_is_refused(tmp_path: Path) -> None:
    for pages in (0, "last"):
        with pytest.raises(UserError, match="pages"):
            TranslationRequest(inputs=("x",), out=tmp_path, pages=pages)
    with pytest.raises(UserError, match="shows one page"):
        TranslationRequest(inputs=("x",), out=tmp_path, pages="all", heatmap=True)
    with pytest.raises(UserError, match="hold no pages"):
        save_all(Stack(tuple(frames())), tmp_path / "a.jpg")


@pytest.mark.parametrize("hides", [False, True])
@pytest.mark.parametrize("suffix", ["tif", "png", "webp", "gif"])
def test_pages_are_kept_outside_of_their_masks(
    suffix: str, hides: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = frames()
    lossless = {"lossless": True} if suffix == "webp" else {}
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=others, **lossless)
    inside = np.random.default_rng(1).integers(0, 2, (3, 24, 32)) > 0
    save_all(Stack(tuple(Raster(one[..., None].astype(np.uint8) * 255) for one in inside)), tmp_path / "masks/a.tif")
    model = identity()
    given: list[np.ndarray] = []

    def black(images: Any, **_: Any) -> list[Image.Image]:
        given.extend(np.asarray(image.convert("RGB")) for image in images)
        return [Image.new("RGB", image.size) for image in images]

    monkeypatch.setattr(model, "images", black)
    if hides:
        monkeypatch.setattr(model, "config", replace(model.config, data=replace(model.config.data, masks="_mask")))
    translated(model, tmp_path / "out", tmp_path / f"a.{suffix}", pages="all", keep_outside=tmp_path / "masks")
    before, after = read_all(tmp_path / f"a.{suffix}"), read_all(tmp_path / "out" / f"a.{suffix}")
    assert isinstance(before, Stack)
    assert isinstance(after, Stack)
    far = 40 if suffix == "webp" else 0  # its results are not lossless
    for one, other, seen, to_see in zip(before.pages, after.pages, inside, given, strict=True):
        expected, found = (np.asarray(page.convert("RGB"), int) for page in (one, other))
        assert np.abs(found - expected)[~seen].mean() <= far
        assert found[seen].mean() <= far
        assert np.array_equal(to_see[~seen], np.full_like(to_see, 128)[~seen] if hides else expected[~seen])


def test_a_page_takes_that_of_its_mask(tmp_path: Path) -> None:
    first, *others = frames(mode="L")
    first.save(tmp_path / "a.tif", save_all=True, append_images=others)
    masks = [np.full((24, 32, 1), value, np.uint8) for value in (0, 255, 0)]
    save_all(Stack(tuple(map(Raster, masks))), tmp_path / "masks/a.tif")
    turned = identity()
    turned.images = lambda images, **_: [ImageOps.invert(image) for image in images]  # type: ignore[method-assign,assignment]
    for number, page in enumerate(frames(mode="L"), 1):
        options = {"pages": number, "keep_outside": tmp_path / "masks", "grid": True}
        translated(turned, tmp_path / str(number), tmp_path / "a.tif", **options)
        expected = ImageOps.invert(page) if number == 2 else page
        assert np.array_equal(np.asarray(read(tmp_path / str(number) / "a.tif")), np.asarray(expected))
        shown = np.asarray(read(tmp_path / str(number) / "grid.png").convert("L"))[18:, :128]
        assert abs(float(shown[16:112].mean()) - np.asarray(page).mean()) < 12  # the page itself, not the first


def test_a_grid_shows_all_pages(tmp_path: Path) -> None:
    first, *others = frames(30)
    first.save(tmp_path / "a.tif", save_all=True, append_images=others)
    translated(identity(), tmp_path / "out", tmp_path / "a.tif", pages="all", grid=True)
    shown = np.asarray(read(tmp_path / "out/grid.png").convert("RGB"))
    assert shown.shape == (18 + 20 * 128, 2 * 128, 3)
    assert np.array_equal(shown[18:, :128], shown[18:, 128:])
    assert not np.array_equal(shown[18:146], shown[146:274])
