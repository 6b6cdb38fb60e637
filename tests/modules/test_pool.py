from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from instar.modules.pool import ImagePool


def images(first: int, count: int = 1) -> Tensor:
    """Images that are their own number."""
    return torch.arange(first, first + count, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)


def test_size_0_passes_through() -> None:
    pool = ImagePool(0)
    given = images(0, 4).clone().requires_grad_()
    out = pool(given)
    assert torch.equal(out, given)
    assert not out.requires_grad
    assert len(pool.images) == 0


def test_fills_with_what_it_returns() -> None:
    pool = ImagePool(50)
    for i in range(50):
        assert torch.equal(pool(images(i)), images(i))
        assert len(pool.images) == i + 1
    assert torch.equal(pool.images, images(0, 50))


def test_full_pool_swaps_half_of_the_time() -> None:
    torch.manual_seed(0)
    pool = ImagePool(50)
    pool(images(0, 50))
    returned, new = [], list(range(50, 1050))
    for i in new:
        returned.append(int(pool(images(i))[0, 0, 0, 0]))
        assert len(pool.images) == 50
    swapped = [r for r, i in zip(returned, new, strict=True) if r != i]
    assert len(swapped) == pytest.approx(500, abs=50)
    # Nothing is lost or doubled: what went in has come out once or is still there.
    kept = pool.images[:, 0, 0, 0].int().tolist()
    assert sorted([*returned, *kept]) == list(range(1050))


def test_stores_detached_copies() -> None:
    pool = ImagePool(2)
    given = images(0).clone().requires_grad_()
    pool(given)
    assert not pool.images.requires_grad
    with torch.no_grad():
        given.fill_(9)
    assert torch.equal(pool.images, images(0))


def test_returned_images_do_not_change_later() -> None:
    torch.manual_seed(0)
    pool = ImagePool(1)
    pool(images(0))
    out = [pool(images(i)) for i in range(1, 9)]
    assert len({int(o[0, 0, 0, 0]) for o in out}) == 8


@pytest.mark.parametrize("stored", [0, 1, 3, 6])
def test_goes_on_from_a_file(tmp_path: Path, stored: int) -> None:
    """The buffer grows: empty, half full and full ones are saved and loaded into a fresh pool."""
    torch.manual_seed(0)
    pool = ImagePool(3)
    for i in range(stored):
        pool(images(i))
    save_file(pool.state_dict(), tmp_path / "pool.safetensors")
    fresh = ImagePool(3)
    fresh(images(77, 2))  # whatever it holds is replaced
    fresh.load_state_dict(load_file(tmp_path / "pool.safetensors"))
    found = []
    for one in (pool, fresh):
        torch.manual_seed(1)
        found.append(torch.cat([one(images(i)) for i in range(10, 20)]))
    assert torch.equal(*found)
    assert torch.equal(pool.images, fresh.images)


@pytest.mark.parametrize("before", [0, 3, 4, 9])
def test_a_journal_goes_back_to_the_bit(before: int) -> None:
    """Also over two of them: that of the later queries first."""
    torch.manual_seed(0)
    pool = ImagePool(4)
    for i in range(before):
        pool(torch.full((1, 3, 2, 2), float(i)))
    states, ways = [], []
    for i in range(2):
        states.append(pool.images.clone())
        ways.append(pool.begin_journal())
        pool(torch.full((3, 3, 2, 2), 100.0 + i))
    for state, way in zip(reversed(states), reversed(ways), strict=True):
        way()
        assert torch.equal(pool.images, state)
