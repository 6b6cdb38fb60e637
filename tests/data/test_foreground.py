from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from instar.core.batch import Batch, Paired, Unpaired
from instar.data.foreground import BLOCK, Foreground, Foregrounds
from instar.data.loader import TrainLoader
from instar.data.store import ImageStore

rng = np.random.default_rng(0)


def slide(height: int = 512, width: int = 512, dtype: type = np.uint8, noise: float = 2.0) -> NDArray[np.uint8]:
    """Light, with a dark textured quarter at the lower right."""
    values = 230 + rng.normal(0, noise, (height, width, 3))
    values[height // 2 :, width // 2 :] = 120 + rng.normal(0, 40, (height - height // 2, width - width // 2, 3))
    found: NDArray[np.uint8] = values.clip(0, 255).astype(dtype)
    return found


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_texture_is_told_from_the_empty_slide(noise: float) -> None:
    found = Foreground(slide(noise=noise))
    half = 256 // BLOCK
    expected = np.zeros((2 * half, 2 * half), bool)
    expected[half:, half:] = True
    assert (found.mask == expected).mean() > 0.99
    assert found.share(0, 0, 128) == 0
    assert found.share(320, 320, 128) > 0.99
    assert found.share(192, 320, 128) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("flat", [True, False])
def test_an_image_of_one_kind_is_all_foreground(flat: bool) -> None:
    image = np.full((100, 130, 3), 7, np.uint8) if flat else rng.integers(0, 256, (100, 130, 3), dtype=np.uint8)
    assert Foreground(image).mask.all()


def test_shares_are_means_of_the_mask() -> None:
    found = Foreground(slide(200, 333))
    for _ in range(50):
        top, left = int(rng.integers(0, 100)), int(rng.integers(0, 200))
        rows, columns = slice(top // BLOCK, -(-(top + 90) // BLOCK)), slice(left // BLOCK, -(-(left + 90) // BLOCK))
        assert found.share(top, left, 90) == pytest.approx(found.mask[rows, columns].mean())


def test_floats_and_images_smaller_than_a_block() -> None:
    image = slide().astype(np.float32) / 255
    image[0, 0] = np.nan
    assert Foreground(image).mask.sum() == pytest.approx((256 // BLOCK) ** 2, abs=3)
    assert Foreground(np.zeros((8, 9, 1), np.uint8)).share(0, 0, 8) == 1


def loader(count: int = 6, kind: type[Batch] = Unpaired, **settings: object) -> TrainLoader:
    stores = {}
    for domain in "ab":
        images = [slide() for _ in range(count)]
        stores[domain] = ImageStore([f"{domain}{i}" for i in range(count)], [], [], 1, images.__getitem__)
    known = {"kind": kind, "size": 64, "flip": True, "batch_size": 2, "seed": 5}
    return TrainLoader(stores=stores, **(known | settings))  # type: ignore[arg-type]


def shown(found: TrainLoader, steps: int = 40) -> float:
    """The share of crops of a with more texture than the empty slide has."""
    crops = torch.cat([found.batch(step).a for step in range(steps)])
    return float((crops.std((1, 2, 3)) > 0.1).double().mean())


def test_crops_show_the_foreground() -> None:
    assert shown(loader()) < 0.5
    assert shown(loader(foreground=0.5)) > 0.85


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    first = loader(foreground=0.3)
    wanted = [first.batch(step) for step in range(6)]
    second = replace(first, _foregrounds=Foregrounds())
    for step in (5, 2, 0):
        assert torch.equal(second.batch(step).a, wanted[step].a)
        assert second.batch(step).names == wanted[step].names


def test_ranks_see_parts_of_one_batch() -> None:
    whole = loader(foreground=0.3)
    parts = [replace(whole, rank=rank, world=2) for rank in range(2)]
    for step in range(4):
        assert torch.equal(torch.cat([part.batch(step).a for part in parts]), whole.batch(step).a)


def test_pairs_are_cut_at_the_same_place() -> None:
    images = [slide() for _ in range(4)]
    inverted = [255 - image for image in images]
    stores = {
        "a": ImageStore(list("0123"), [], [], 1, images.__getitem__),
        "b": ImageStore(list("0123"), [], [], 1, inverted.__getitem__),
    }
    found = TrainLoader(kind=Paired, stores=stores, size=64, flip=True, batch_size=2, seed=5, foreground=0.5)
    for step in range(6):
        batch = found.batch(step)
        assert torch.allclose(batch.a, -batch.b, atol=1e-6)
