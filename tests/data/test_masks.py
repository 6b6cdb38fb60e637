"""Masks beside images, from files to training crops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from instar.core.batch import Batch, Paired, Unlabelled, Unpaired
from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.core.formats import DomainFormat
from instar.data import ImageRef, find, open_data
from instar.data.fingerprint import difference, fingerprint
from instar.data.labels import square


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def spots(seed: int, height: int = 36, width: int = 52) -> np.ndarray:
    """A mask of blocks of 4 x 4."""
    rng = np.random.default_rng(seed)
    return np.kron(rng.integers(0, 2, (height // 4, width // 4)), np.ones((4, 4))).astype(np.uint8) * 255


def colours(mask: np.ndarray) -> np.ndarray:
    """An image that shows its mask: bright within, dark outside."""
    return np.stack([np.where(mask, 230, 20)] * 3, axis=2).astype(np.uint8)


def of(root: Path, kind: type[Batch] = Unpaired, **options: Any) -> DataConfig:
    return DataConfig(roots=(root,), size=32, masks="_mask", zoom=36 / 32, **options)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for number in range(4):
        for domain in "AB":
            mask = spots(10 * number + ord(domain))
            write(tmp_path / f"set/train{domain}/{number}.png", colours(mask))
            write(tmp_path / f"set/train{domain}_mask/{number}.png", mask)
    return tmp_path / "set"


def agree(images: torch.Tensor) -> bool:
    """Whether images of `colours` are hidden exactly where they are dark."""
    return bool(((images > 0).all(1) | (images == 0).all(1)).all()) and bool((images == 0).any())


def test_white_may_be_1(data: Path) -> None:
    wanted = open_data(of(data), 3, Unpaired, batch=3, seed=0)
    for path in data.glob("*_mask/*.png"):
        write(path, (np.asarray(Image.open(path)) > 0).astype(np.uint8))
    found = open_data(of(data), 3, Unpaired, batch=3, seed=0)
    assert not any("without white" in str(note) for note in found.notes)
    assert torch.equal(found.train.batch(0).a, wanted.train.batch(0).a)
    assert torch.equal(found.samples(1).a, wanted.samples(1).a)


@pytest.mark.parametrize("cache_gb", [8.0, 0.0])
def test_masks_are_cropped_and_mirrored_as_their_images(data: Path, cache_gb: float) -> None:
    found = open_data(of(data, cache_gb=cache_gb), 3, Unpaired, batch=3, seed=0)
    assert found.found.names == {"a": "A", "b": "B"}
    assert bool(found.train.stores["a"].cached_bytes) == bool(cache_gb)
    for step in range(12):
        batch = found.train.batch(step)
        assert agree(batch.a)
        assert agree(batch.b)
    assert (found.samples(4).a == 0).all(1).any()


def test_what_is_seen_is_what_it_was(data: Path) -> None:
    plain = DataConfig(roots=(data,), size=32, zoom=36 / 32, source="A", target="B")
    seen = open_data(of(data), 3, Unpaired, batch=3, seed=0).train.batch(5).a
    whole = open_data(plain, 3, Unpaired, batch=3, seed=0).train.batch(5).a
    assert torch.equal(seen, whole.masked_fill(seen == 0, 0))


def test_masks_are_resized_without_mixing(data: Path) -> None:
    cfg = DataConfig(roots=(data,), size=24, masks="_mask", zoom=1)
    found = open_data(cfg, 3, Unpaired, batch=3, seed=0)
    (mask,) = found.train.masks["a"]
    assert set(np.unique(mask[0])) == {0, 255}
    assert mask[0].shape[:2] == found.train.stores["a"][0].shape[:2] == (24, 35)
    expected = Image.fromarray(spots(ord("A"))).resize((35, 24), Image.Resampling.NEAREST)
    assert np.array_equal(mask[0][:, :, 0], np.asarray(expected))


def test_pairs_are_seen_where_both_masks_are_white(data: Path) -> None:
    found = open_data(of(data), 3, Paired, batch=4, seed=0)
    batch = found.train.batch(0)
    assert torch.equal(batch.a == 0, batch.b == 0)
    assert ((batch.a > 0) | (batch.a == 0)).all()
    samples = found.samples(4)
    assert torch.equal(samples.a == 0, samples.b == 0)


def test_one_folder(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path / f"set/{number}.png", colours(spots(number)))
        write(tmp_path / f"set_mask/{number}.png", spots(number))
    batch = open_data(of(tmp_path / "set"), 3, Unlabelled, batch=3, seed=0).train.batch(0)
    assert agree(batch.a)
    assert agree(batch.b)


def test_values_in_the_middle_of_a_range_are_seen(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    for domain in "AB":
        for number in range(3):
            (tmp_path / f"set/train{domain}").mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(tmp_path / f"set/train{domain}/{number}.tif", np.zeros((36, 52), np.int16))
            write(tmp_path / f"set/train{domain}_mask/{number}.png", spots(number))
    cfg = of(tmp_path / "set", range_a=(-1000, 1000), range_b=(-1000, 1000), flip=False)
    found = open_data(cfg, 1, Unpaired, batch=3, seed=0)
    batch, masks = found.train.batch(0), [found.train.masks["a"][0][i] for i in range(3)]
    assert 0 < (batch.a != 0).float().mean() < 1
    assert batch.a.abs().max() < 1 / 255
    assert (batch.a != 0).float().mean() == pytest.approx(np.mean([m > 0 for m in masks]), abs=0.1)


@pytest.mark.parametrize("layout", ["beside", "given", "folders", "splits"])
def test_where_masks_are_found(tmp_path: Path, layout: str) -> None:
    names = {
        "beside": "train{domain}/{number}{end}.png",
        "given": "{domain}{end}/train/{number}.png",
        "folders": "{domain}{end}/{number}.png",
        "splits": "train/{domain}{end}/{number}.png",
    }
    for number in range(3):
        for domain in "AB":
            for end, pixels in (("", colours(spots(number))), ("_mask", spots(number))):
                name = names[layout].format(domain=domain, number=number, end=end)
                write(tmp_path / "set" / name, pixels)
    roots = tuple(tmp_path / "set" / d for d in "AB") if layout == "given" else (tmp_path / "set",)
    found = find(DataConfig(roots=roots, masks="_mask", holdout=0), Unpaired)
    assert set(found.names.values()) == {"A", "B"}
    for refs in found.train.values():
        assert len(refs) == 3
        for ref in refs:
            assert [mask.path.stem.removesuffix("_mask") for mask in ref.masks] == [ref.path.stem]
            assert ref.masks[0].path != ref.path


def test_masks_of_one_domain_alone(data: Path) -> None:
    for file in (data / "trainB_mask").iterdir():
        file.unlink()
    (data / "trainB_mask").rmdir()
    batch = open_data(of(data), 3, Unpaired, batch=3, seed=0).train.batch(0)
    assert agree(batch.a)
    assert (batch.b < 0).any()


def test_faults_are_one_line(data: Path, tmp_path: Path) -> None:
    (data / "trainA_mask/2.png").unlink()
    with pytest.raises(UserError, match=r"data.masks=_mask: 1 images of A have no mask, .*trainA/2.png first"):
        find(of(data), Unpaired)
    for number in range(2):
        write(tmp_path / f"bare/A/{number}.png", colours(spots(number)))
        write(tmp_path / f"bare/B/{number}.png", colours(spots(number)))
    with pytest.raises(UserError, match=r"data.masks=_mask: .*bare has no masks, neither a folder A_mask nor"):
        find(of(tmp_path / "bare"), Unpaired)
    with pytest.raises(UserError, match=r"data\.masks=a/b: give the end of a name"):
        DataConfig(masks="a/b")


def test_a_mask_of_another_size_or_without_white_is_named(data: Path) -> None:
    write(data / "trainA_mask/1.png", spots(1, 40, 40))
    write(data / "trainA_mask/2.png", np.full((36, 52), 100, np.uint8))
    found = open_data(of(data, max_bad=0.5), 3, Unpaired, batch=2, seed=0)
    assert [str(why) for _, why in found.bad] == ["a mask of 40 x 40, but 1.png is 52 x 36"]
    assert any("without white" in note.raw for note in found.notes)


def test_a_mask_is_part_of_the_data(data: Path) -> None:
    before = fingerprint(find(of(data), Unpaired))
    write(data / "trainA_mask/1.png", spots(77))
    assert difference(before, fingerprint(find(of(data), Unpaired))) == "A: 1 changed (1.png)"


def test_the_square_of_an_image_without_masks_is_untouched(data: Path) -> None:
    form = DomainFormat(channels=3)
    image, mask = (ImageRef(data / f"{folder}/1.png") for folder in ("trainA", "trainA_mask"))
    whole = square(image, form, 36)
    seen = square(ImageRef(image.path, masks=(mask,)), form, 36)
    assert torch.equal(seen, whole.masked_fill(seen == 0, 0))
    assert torch.equal(seen == 0, whole < 0)
