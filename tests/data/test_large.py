"""Crops of large images are read from their files, and are those of the images read whole."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray

from instar.core import reading
from instar.core.batch import Paired, Unpaired
from instar.core.config import DataConfig
from instar.core.formats import DomainFormat, own_format
from instar.data import large, store
from instar.data.large import LargeImage, large_images, middle
from instar.data.open import Data, open_data
from instar.data.refs import ImageRef

rng = np.random.default_rng(0)


def pixels(height: int = 120, width: int = 200, dtype: type = np.uint8) -> NDArray[np.uint8]:
    return rng.integers(0, 256, (height, width, 3)).astype(dtype)


def tiff(path: Path, values: NDArray[np.uint8]) -> Path:
    tifffile.imwrite(path, values, photometric="rgb", tile=(32, 32), metadata=None)
    return path


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "LARGE", 10_000)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Large TIFFs and arrays beside small ones in both domains."""
    for domain in "AB":
        folder = tmp_path / f"data/train{domain}"
        folder.mkdir(parents=True)
        for i in range(3):
            tiff(folder / f"{i}.tif", pixels())
        tiff(folder / "3.tif", pixels(50, 60))
        tiff(folder / "4.tif", pixels(20, 60))
    return tmp_path / "data"


def opened(root: Path, kind: type = Unpaired, **settings: object) -> Data:
    cfg = DataConfig(roots=(root,), size=24, holdout=0, **({"native": True} | settings))  # type: ignore[arg-type]
    return open_data(cfg, 3, kind, 2, 5)


@pytest.mark.parametrize("kind", [Unpaired, Paired])
def test_batches_are_those_of_images_that_are_read_whole(
    kind: type, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = opened(root, kind)
    stores = data.train.stores
    assert [one.large for one in stores.values()] == [3, 3]
    assert isinstance(stores["a"][4], LargeImage)
    assert any("3 large images: crops are read from the files" in str(note) for note in data.notes)
    monkeypatch.setattr(reading, "_opened", lambda *_: pytest.fail("read as a whole"))
    batches = [data.train.batch(step) for step in range(8)]
    monkeypatch.undo()
    for batch in batches:
        for name, crop in zip(batch.names, [*batch.a, *batch.b], strict=True):
            path = Path(name)
            whole = tifffile.imread(path)
            if min(whole.shape[:2]) >= 24:
                found = ((crop + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
                assert is_part(found, whole), path
    assert {tuple(batch.a.shape) for batch in batches} == {(2, 3, 24, 24)}


@pytest.mark.parametrize("white", [255, 1])
@pytest.mark.parametrize("kind", [Unpaired, Paired])
def test_masks_are_read_by_windows_too(kind: type, white: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "data"
    for domain in "AB":
        for end in ("", "_mask"):
            (root / f"train{domain}{end}").mkdir(parents=True)
        for i in range(4):
            tiff(root / f"train{domain}/{i}.tif", pixels())
            mask = np.kron(rng.integers(0, 2, (12, 20)), np.ones((10, 10))).astype(np.uint8) * white
            tifffile.imwrite(root / f"train{domain}_mask/{i}.tif", mask, tile=(32, 32), metadata=None)
    whole = opened(root, kind, masks="_mask", native=True)
    monkeypatch.setattr(large, "LARGE", 2**24)
    wanted = [opened(root, kind, masks="_mask").train.batch(step) for step in range(8)]
    monkeypatch.setattr(reading, "_opened", lambda *_: pytest.fail("read as a whole"))
    assert [[store.large for store in masks] for masks in whole.train.masks.values()] == [
        [4] * len(masks) for masks in whole.train.masks.values()
    ]
    for step, other in enumerate(wanted):
        found = whole.train.batch(step)
        assert found.names == other.names
        assert torch.equal(found.a, other.a)
        assert torch.equal(found.b, other.b)
        hidden = (found.a == 0).all(1)
        assert hidden.any()
        assert not hidden.all()
    (shown,) = whole.samples(1).images["a"]
    assert 0 < float((shown == 0).all(0).float().mean()) < 1


def is_part(crop: NDArray[np.uint8], whole: NDArray[np.uint8]) -> bool:
    windows = np.lib.stride_tricks.sliding_window_view(whole, crop.shape)[:, :, 0]
    return any(np.equal(windows, one).all((2, 3, 4)).any() for one in (crop, crop[:, ::-1]))


def test_any_batch_can_be_computed_alone(root: Path) -> None:
    first, second = opened(root).train, opened(root).train
    wanted = [first.batch(step) for step in range(6)]
    for step in (5, 0, 3):
        found = second.batch(step)
        assert torch.equal(found.a, wanted[step].a)
        assert found.names == wanted[step].names


def test_small_sets_keep_the_cache(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "LARGE", 2**24)
    data = opened(root)
    assert all(one.large == 0 and one.cached_bytes for one in data.train.stores.values())
    assert data.train.stores["a"][0].shape == (120, 200, 3)
    assert data.train.stores["a"][4].shape == (24, 72, 3)  # enlarged to the crop


def test_without_native_all_is_as_before(root: Path) -> None:
    data = opened(root, native=False)
    assert all(one.large == 0 for one in data.train.stores.values())
    assert min(data.train.stores["a"][0].shape[:2]) == round(24 * DataConfig().zoom)


def test_numpy_files_are_mapped(tmp_path: Path) -> None:
    values = rng.integers(-1000, 2000, (120, 200, 2)).astype(np.int16)
    np.save(tmp_path / "x.npy", values)
    form = own_format("int16", 2, 2)
    (image,) = large_images((ImageRef(tmp_path / "x.npy"),), [form]) or ()
    assert image.shape == (120, 200, 2)
    assert np.array_equal(image[30:60, 100:190], values[30:60, 100:190])
    np.save(tmp_path / "y.npy", values.astype(np.int64))
    assert large_images((ImageRef(tmp_path / "y.npy"),), [form]) is None


def test_pairs_of_unequal_sizes_are_read_whole(tmp_path: Path) -> None:
    one, other = tiff(tmp_path / "a.tif", pixels()), tiff(tmp_path / "b.tif", pixels(121))
    plain = [DomainFormat(channels=3)] * 2
    assert large_images((ImageRef(one), ImageRef(other)), plain) is None
    assert large_images((ImageRef(one), ImageRef(one)), plain) is not None
    assert large_images((ImageRef(one, half="left"),), plain[:1]) is None


def test_samples_are_the_middle_at_the_same_scale(root: Path) -> None:
    ref = ImageRef(root / "trainA/0.tif")
    whole = tifffile.imread(ref.path)
    found = middle(ref, DomainFormat(channels=3), 24)
    assert np.array_equal(((found + 1) * 127.5).round().byte().permute(1, 2, 0).numpy(), whole[48:72, 88:112])
    assert middle(ImageRef(root / "trainA/4.tif"), DomainFormat(channels=3), 24).shape == (3, 24, 24)
    assert opened(root).samples(2).a.shape[1:] == (3, 24, 24)


def test_what_breaks_later_is_named(root: Path) -> None:
    path = root / "trainA/0.tif"
    (image,) = large_images((ImageRef(path),), [DomainFormat(channels=3)]) or ()
    path.write_bytes(b"II*\0")
    with pytest.raises(reading.UnreadableImage, match=r"0\.tif: it was changed since the training began"):
        image[0:5, 0:5]


def test_what_is_looked_at_of_a_large_image(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_LOOKED_AT", 40)
    assert opened(root).train.stores["a"].looked_at(4).shape == (40, 40, 3)
