"""Large TIFFs are read and written by windows, with the result of reading them whole."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from identity import identity
from PIL import Image

import instar
from instar.core import reading
from instar.core.errors import UserError
from instar.core.events import Event, Noted, Worked
from instar.core.formats import own_format
from instar.core.images import save
from instar.core.raster import Raster
from instar.core.rasters import as_raster
from instar.core.reading import read
from instar.core.stack import Stack, save_all
from instar.core.windows import TiffWindows
from instar.inference import contact_sheet, window_jobs
from instar.inference.request import TranslationRequest
from instar.inference.tiles.sizes import TILES
from instar.inference.translate_files import TranslationResult, translate_files
from instar.inference.translator import Translator

Runs = Callable[..., Path]
rng = np.random.default_rng(0)
SIZE = (150, 210)


def tiff(path: Path, dtype: str = "uint8", bands: int = 3, **how: Any) -> Path:
    values = rng.uniform(0, 1, (*SIZE, bands))
    pixels = (values if dtype.startswith("float") else values * np.iinfo(dtype).max).astype(dtype)
    how = {"photometric": "rgb" if bands == 3 else "minisblack", "tile": (64, 64), "metadata": None, **how}
    if bands not in (1, 3):
        how["planarconfig"] = "contig"
    tifffile.imwrite(path, pixels if bands > 1 else pixels[..., 0], **how)
    return path


def translated(model: Translator, out: Path, *files: Path, **options: Any) -> TranslationResult:
    return translate_files(model, TranslationRequest(inputs=tuple(map(str, files)), out=out, **options))


@pytest.fixture
def windows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files can be read in no other way."""
    monkeypatch.setattr(reading, "_opened", lambda *_: pytest.fail("read as a whole"))


@pytest.mark.parametrize("statistics", ["exact", "approximate"])
@pytest.mark.parametrize("name", ["cyclegan", "pix2pix"])
def test_the_result_is_that_of_the_file_read_whole(
    name: str, statistics: Any, run_directory: Runs, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model = instar.load(run_directory(name), "cpu")
    file = tiff(tmp_path / "x.tif")
    whole = translated(model, tmp_path / "whole", file)
    request.getfixturevalue("windows_only")
    done = translated(model, tmp_path / "out", file, tile=64, tile_statistics=statistics)
    assert not done.failed, done.failed
    request.getfixturevalue("monkeypatch").undo()
    assert whole.translated == done.translated == 1
    one, other = (read(tmp_path / folder / "x.tif") for folder in ("out", "whole"))
    assert one.mode == other.mode == "RGB"
    assert np.abs(np.int16(one) - np.int16(other)).max() <= 1
    line = json.loads((tmp_path / "out/manifest.jsonl").read_text())
    expected = {"status": "ok", "width": 210, "height": 150, "mode": "RGB"}
    assert expected.items() <= line.items()
    with tifffile.TiffFile(tmp_path / "out/x.tif") as made:
        assert made.pages[0].is_tiled


@pytest.mark.parametrize(
    ("dtype", "bands"),
    [("uint8", 1), ("uint8", 3), ("uint16", 1), ("uint16", 3), ("uint16", 4), ("int16", 1), ("float32", 2)],
)
@pytest.mark.usefixtures("windows_only")
def test_what_goes_through_comes_back_bit_for_bit(
    dtype: str, bands: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = dtype == "uint8" or (dtype, bands) == ("uint16", 1)
    form = None if plain else own_format(dtype, bands, bands)
    model = identity(bands) if form is None else identity(bands, (form, form))
    file = tiff(tmp_path / "x.tif", dtype, bands, compression="zlib")
    done = translated(model, tmp_path / "out", file, tile=64)
    assert not done.failed, done.failed
    monkeypatch.undo()
    one, other = read(file), read(tmp_path / "out/x.tif")
    assert one.mode == other.mode
    near = 2**-23 if dtype == "float32" else 0  # networks compute in floats from -1 to 1
    assert np.allclose(as_raster(one).pixels, as_raster(other).pixels, rtol=0, atol=near)


def test_tags_are_kept_if_that_is_asked_for(tmp_path: Path) -> None:
    form = own_format("uint16", 4, 4)
    scale = (33550, "d", 3, (0.5, 0.5, 0.0), True)
    file = tiff(tmp_path / "x.tif", "uint16", 4, extratags=[scale], resolution=(300, 300), resolutionunit="inch")
    model = identity(4, (form, form))
    for policy in ("keep", "strip"):
        done = translated(model, tmp_path / policy, file, tile=64, metadata=policy)
        assert not done.failed, done.failed
        found, whole = read(tmp_path / policy / "x.tif").info, read(file).info
        for key in ("dpi", "instar.tags"):
            assert found.get(key) == (whole[key] if policy == "keep" else None)


def test_events_and_stops(run_directory: Runs, tmp_path: Path) -> None:
    model = instar.load(run_directory("cyclegan"), "cpu")
    file, heard, stop = tiff(tmp_path / "x.tif"), list[Event](), threading.Event()

    def listen(event: Event) -> None:
        heard.append(event)
        if isinstance(event, Worked) and event.what == TILES and event.done == 3:
            stop.set()

    request = TranslationRequest(inputs=(str(file),), out=tmp_path / "out", tile=64)
    done = translate_files(model, request, on_event=listen, stop=stop)
    assert done.stopped
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["manifest.jsonl"]
    notes = [str(event.text) for event in heard if isinstance(event, Noted)]
    assert any(note.startswith("212 x 152 px") or "in tiles of 64 px" in note for note in notes)


def test_broken_and_other_files_beside(run_directory: Runs, tmp_path: Path) -> None:
    model = instar.load(run_directory("cyclegan"), "cpu")
    good, broken = tiff(tmp_path / "a.tif"), tiff(tmp_path / "b.tif", compression="zlib")
    content = bytearray(broken.read_bytes())
    content[600:4000] = bytes(3400)
    broken.write_bytes(content)
    read(good).save(tmp_path / "c.png")
    done = translated(model, tmp_path / "out", good, broken, tmp_path / "c.png", tile=64)
    assert done.translated == 2
    ((name, reason),) = done.failed
    assert name == str(broken)
    assert "broken at row" in str(reason)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.tif", "c.png", "manifest.jsonl"]


def test_what_cannot_be_read_whole_is_refused_with_that_advice(
    run_directory: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_jobs, "LARGE_FILE", 1000)
    monkeypatch.setattr(reading.DECODING, "total", lambda: 1000)
    model = instar.load(run_directory("cyclegan"), "cpu")
    file = tiff(tmp_path / "x.tif")
    ((_, reason),) = translated(model, tmp_path / "out", file).failed
    assert "to be read" in str(reason)
    assert str(reason).endswith("; set tile=auto")
    assert not translated(model, tmp_path / "out", file, tile=64).failed


def test_settings_that_need_the_whole_read_it_and_that_is_said(run_directory: Runs, tmp_path: Path) -> None:
    model = instar.load(run_directory("cyclegan"), "cpu")
    file = tiff(tmp_path / "x.tif")
    done = translated(model, tmp_path / "out", file, tile=64, size=100)
    assert not done.failed
    said = f"{file} (210 x 150 px) is read as a whole, for size=100: about 0.0 GB of memory"
    assert said in [str(note) for note in done.notes]
    assert not any("as a whole" in str(note) for note in translated(model, tmp_path / "b", file, tile=64).notes)
    with tifffile.TiffFile(tmp_path / "out/x.tif") as made:
        assert not made.pages[0].is_tiled
    assert not isinstance(read(tmp_path / "out/x.tif"), Raster)


def stacked(path: Path, *pages: np.ndarray, **how: Any) -> Path:
    with tifffile.TiffWriter(path) as writer:
        for pixels in pages:
            photometric = "rgb" if pixels.ndim == 3 and pixels.shape[2] == 3 else "minisblack"
            writer.write(pixels, photometric=photometric, tile=(64, 64), metadata=None, **how)
    return path


@pytest.mark.parametrize(("dtype", "bands"), [("uint8", 3), ("uint16", 1), ("float32", 2)])
@pytest.mark.usefixtures("windows_only")
def test_all_pages_go_through_by_windows(
    dtype: str, bands: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = None if (dtype, bands) in (("uint8", 3), ("uint16", 1)) else own_format(dtype, bands, bands)
    model = identity(bands) if form is None else identity(bands, (form, form))
    values = rng.uniform(0, 1, (3, *SIZE, bands))
    pixels = (values if dtype == "float32" else values * np.iinfo(dtype).max).astype(dtype)
    how = {"planarconfig": "contig"} if bands == 2 else {}
    pages = [page if bands > 1 else page[..., 0] for page in pixels]
    file = stacked(tmp_path / "x.tif", *pages, resolution=(300, 300), resolutionunit="inch", **how)
    done = translated(model, tmp_path / "out", file, tile=64, pages="all", metadata="keep")
    assert not done.failed, done.failed
    assert json.loads((tmp_path / "out/manifest.jsonl").read_text())["pages"] == 3
    monkeypatch.undo()
    for number, page in enumerate(pixels):
        found = read(tmp_path / "out/x.tif", number)
        assert round(float(found.info["dpi"][0])) == 300
        near = 2**-23 if dtype == "float32" else 0
        assert np.allclose(as_raster(found).pixels, page, rtol=0, atol=near)
    with tifffile.TiffFile(tmp_path / "out/x.tif") as made:
        assert len(made.pages) == 3


def test_named_channels_of_all_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    form = own_format("uint16", 2, 2)
    pixels = rng.integers(0, 65536, (3, 2, *SIZE)).astype(np.uint16)
    metadata = {"axes": "TCYX", "Channel": {"Name": ["DNA", "actin"]}, "PhysicalSizeX": 0.5}
    tifffile.imwrite(tmp_path / "x.ome.tif", pixels, photometric="minisblack", tile=(64, 64), metadata=metadata)
    model, file = identity(2, (form, form)), tmp_path / "x.ome.tif"
    done = translated(model, tmp_path / "whole", file, pages="all", metadata="keep")
    assert not done.failed, done.failed
    monkeypatch.setattr(reading, "_opened", lambda *_: pytest.fail("read as a whole"))
    done = translated(model, tmp_path / "out", file, tile=64, pages="all", metadata="keep")
    assert not done.failed, done.failed
    monkeypatch.undo()
    for number in range(3):
        one, other = (read(tmp_path / folder / "x.ome.tif", number) for folder in ("whole", "out"))
        assert np.array_equal(as_raster(one).pixels, as_raster(other).pixels)
        assert one.info["instar.channels"] == other.info["instar.channels"]


def test_pages_of_several_sizes_are_refused_as_without_windows(tmp_path: Path) -> None:
    file = stacked(tmp_path / "x.tif", *(np.zeros((side, 150, 3), np.uint8) for side in (150, 200)))
    ((_, reason),) = translated(identity(3), tmp_path / "out", file, tile=64, pages="all").failed
    assert "its pages have different sizes" in str(reason)


@pytest.mark.parametrize("kind", ["tif", "png", "npy"])
@pytest.mark.parametrize("learned", [False, True])
def test_what_is_outside_of_a_mask_stays_and_label_maps_go_along(
    kind: str, learned: bool, run_directory: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = instar.load(run_directory("cyclegan"), "cpu")
    if learned:  # such a model is shown nothing outside
        monkeypatch.setattr(model, "config", replace(model.config, data=replace(model.config.data, masks="_mask")))
    file = tiff(tmp_path / "x.tif")
    weights = np.zeros(SIZE, np.uint8)
    weights[20:120, 30:100], weights[120:, :] = 255, 100
    mask = Raster(weights[..., None]) if kind == "npy" else Image.fromarray(weights)
    save(mask, tmp_path / f"masks/x.{kind}")
    save(Image.fromarray(rng.integers(0, 9, SIZE).astype(np.uint8)), tmp_path / "maps/x.png")
    beside = {"keep_outside": tmp_path / "masks", "labels": tmp_path / "maps"}
    whole = translated(model, tmp_path / "whole", file, **beside)
    parts = TiffWindows.window
    asked: list[tuple[int, ...]] = []
    monkeypatch.setattr(TiffWindows, "window", lambda of, *box: asked.append(box) or parts(of, *box))
    done = translated(model, tmp_path / "out", file, tile=64, **beside)
    assert not whole.failed + done.failed, done.failed
    assert asked
    one, other, given = (np.int16(read(path)) for path in (tmp_path / "out/x.tif", tmp_path / "whole/x.tif", file))
    assert np.abs(one - other).max() <= 1
    assert np.array_equal(one[weights == 0], given[weights == 0])
    assert not np.array_equal(one[weights == 255], given[weights == 255])
    assert (tmp_path / "out_labels/x.png").read_bytes() == (tmp_path / "maps/x.png").read_bytes()


@pytest.mark.parametrize("kind", ["tif", "png", "npy"])
@pytest.mark.parametrize("count", [1, 3])
def test_pages_have_masks_of_their_own_or_one_for_all(
    kind: str, count: int, run_directory: Runs, tmp_path: Path
) -> None:
    model = instar.load(run_directory("cyclegan"), "cpu")
    pages = rng.integers(0, 256, (3, *SIZE, 3)).astype(np.uint8)
    file = stacked(tmp_path / "x.tif", *pages)
    inside = rng.integers(0, 2, (count, *SIZE)) > 0
    masks = tuple(Image.fromarray(one.astype(np.uint8) * 255) for one in inside)
    save_all(Stack(masks), tmp_path / f"masks/x.{kind}")
    save_all(Stack(masks), tmp_path / "maps/x.tif")
    beside = {"keep_outside": tmp_path / "masks", "labels": tmp_path / "maps", "pages": "all"}
    whole = translated(model, tmp_path / "whole", file, **beside)
    assert not whole.failed, whole.failed
    done = translated(model, tmp_path / "out", file, tile=64, grid=True, **beside)
    assert not done.failed, done.failed
    for number, given in enumerate(pages):
        one, other = (np.int16(read(tmp_path / folder / "x.tif", number)) for folder in ("out", "whole"))
        assert np.abs(one - other).max() <= 1
        seen = inside[number if count > 1 else 0]
        assert np.array_equal(one[~seen], given[~seen])
        assert not np.array_equal(one[seen], given[seen])
    assert (tmp_path / "out_labels/x.tif").read_bytes() == (tmp_path / "maps/x.tif").read_bytes()
    assert np.asarray(read(done.grid)).shape[0] == 18 + 3 * 128


@pytest.mark.parametrize("tile", [None, 64])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_masks_of_0_and_1(dtype: str, tile: int | None, run_directory: Runs, tmp_path: Path) -> None:
    """As segmenters write them."""
    model, file = instar.load(run_directory("cyclegan"), "cpu"), tiff(tmp_path / "x.tif")
    inside = np.zeros(SIZE, np.uint8)
    inside[100:, 150:] = 1  # not all strips and tiles have it
    save(Image.fromarray(inside * 255), tmp_path / "a/x.tif")
    save(Raster(inside[..., None].astype(dtype)), tmp_path / "b/x.tif")
    for folder in "ab":
        done = translated(model, tmp_path / f"out-{folder}", file, tile=tile, keep_outside=tmp_path / folder)
        assert not done.failed, done.failed
    one, other = (np.asarray(read(tmp_path / f"out-{folder}/x.tif")) for folder in "ab")
    assert np.array_equal(one, other)


def test_masks_of_another_number_of_pages_are_refused_by_name(tmp_path: Path) -> None:
    file = stacked(tmp_path / "x.tif", *np.zeros((3, *SIZE, 3), np.uint8))
    save_all(Stack((Raster(np.zeros((*SIZE, 1), np.uint8)),) * 2), tmp_path / "masks/x.tif")
    for setting in ("keep_outside", "labels"):
        for tile in (None, 64):
            options = {"tile": tile, "pages": "all", setting: tmp_path / "masks"}
            ((_, reason),) = translated(identity(3), tmp_path / "out", file, **options).failed
            assert str(reason).endswith("x.tif has 2 pages, its image 3: give it as many, or one for all of them")


def test_a_model_of_two_types_cannot_keep_its_inputs(tmp_path: Path) -> None:
    save(Raster(np.full((*SIZE, 1), 255, np.uint8)), tmp_path / "masks/x.tif")
    model = identity(1, (own_format("int16", 1, 1), own_format("float32", 1, 1)))
    with pytest.raises(UserError, match=r"keep_outside: inputs of this model are 1 x int16, its results 1 x float32"):
        translated(model, tmp_path / "out", tiff(tmp_path / "x.tif"), keep_outside=tmp_path / "masks")
    assert not (tmp_path / "out").exists()


def test_masks_and_label_maps_of_another_size_and_without_a_file(tmp_path: Path) -> None:
    file, other = tiff(tmp_path / "x.tif"), tiff(tmp_path / "y.tif")
    for folder in ("masks", "maps"):
        save(Raster(np.zeros((15, 21, 1), np.uint8)), tmp_path / folder / "x.tif")
    for setting, folder in (("keep_outside", "masks"), ("labels", "maps")):
        done = translated(identity(3), tmp_path / setting, file, other, tile=64, **{setting: tmp_path / folder})
        (_, size), (_, missing) = done.failed
        assert str(size).endswith("x.tif is 21 x 15, its image 210 x 150")
        assert "holds no image y" in str(missing)
        assert not list((tmp_path / setting).glob("*.tif"))


def test_a_grid_of_large_results_is_made_by_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tiff(tmp_path / "x.tif")
    monkeypatch.setattr(contact_sheet, "LARGE_FILE", 1000)
    monkeypatch.setattr(contact_sheet, "read", lambda *_: pytest.fail("read as a whole"))
    done = translated(identity(3), tmp_path / "out", file, tile=64, grid=True)
    assert done.grid
    shown = np.asarray(read(done.grid).convert("RGB"))
    assert shown.shape == (18 + 128, 2 * 128, 3)
    assert np.array_equal(shown[18:, :128], shown[18:, 128:])
    assert np.ptp(shown[60:90, 20:100]) > 50


def test_styles_and_pages(run_directory: Runs, tmp_path: Path) -> None:
    model = instar.load(run_directory("munit"), "cpu")
    file = tmp_path / "x.tif"
    with tifffile.TiffWriter(file) as writer:
        for _ in range(2):
            pixels = rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
            writer.write(pixels, photometric="rgb", tile=(64, 64), metadata=None)
    for folder, options in (("whole", {}), ("out", {"tile": 64})):
        done = translated(model, tmp_path / folder, file, samples=2, pages=2, **options)
        assert done.translated == 2
    for number in range(2):
        one, other = (read(tmp_path / folder / f"x_seed0-{number}.tif") for folder in ("whole", "out"))
        assert np.abs(np.int16(one) - np.int16(other)).max() <= 1
    done = translated(model, tmp_path / "first", file, tile=64)
    assert "2 pages or frames" in (tmp_path / "first/manifest.jsonl").read_text()
