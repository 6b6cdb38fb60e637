import threading
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from instar.core.batch import Paired, Unpaired
from instar.core.errors import UserError
from instar.data.loader import TrainLoader
from instar.data.store import ImageStore


def store(count: int, side: int = 20, dtype: type = np.uint8, seed: int = 0) -> ImageStore:
    rng = np.random.default_rng(seed)
    arrays = [rng.integers(0, np.iinfo(dtype).max, (side, side + i % 3, 3), dtype=dtype) for i in range(count)]
    return ImageStore([f"{seed}/{i}" for i in range(count)], [], [], 0, arrays.__getitem__)


def loader(a: ImageStore, b: ImageStore, **settings: object) -> TrainLoader:
    known = {"paired": False, "size": 16, "flip": True, "batch_size": 4, "seed": 5}
    return TrainLoader(store_a=a, store_b=b, **(known | settings))  # type: ignore[arg-type]


def same(x, y) -> bool:
    return torch.equal(x.a, y.a) and torch.equal(x.b, y.b) and x.names == y.names and type(x) is type(y)


@pytest.mark.parametrize("paired", [False, True])
def test_a_batch_is_a_pure_function_of_seed_and_step(paired: bool) -> None:
    a, b = store(10), store(10 if paired else 7, seed=1)
    first, second = loader(a, b, paired=paired), loader(a, b, paired=paired)
    wanted = [first.batch(step) for step in range(12)]
    for step in (11, 3, 3, 0, 7):
        assert same(second.batch(step), wanted[step])
    assert not same(wanted[0], loader(a, b, paired=paired, seed=6).batch(0))
    assert isinstance(wanted[0], Paired if paired else Unpaired)
    assert wanted[0].a.shape == (4, 3, 16, 16)
    assert wanted[0].a.is_contiguous()
    assert len(wanted[0].names) == 8


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("world", [2, 4])
def test_ranks_together_see_the_global_batch(paired: bool, world: int) -> None:
    a, b = store(10), store(10, seed=1)
    whole = loader(a, b, paired=paired)
    ranks = [replace(whole, rank=rank, world=world) for rank in range(world)]
    for step in range(5):
        parts = [rank.batch(step) for rank in ranks]
        assert torch.equal(torch.cat([part.a for part in parts]), whole.batch(step).a)
        assert torch.equal(torch.cat([part.b for part in parts]), whole.batch(step).b)
        share = 4 // world
        assert sum((part.names[:share] for part in parts), ()) == whole.batch(step).names[:4]


def test_every_image_is_seen_equally_often() -> None:
    data = loader(store(12), store(6, seed=1), batch_size=3)
    assert data.epoch_length == 4
    for epoch in range(3):
        steps = range(4 * epoch, 4 * epoch + 4)
        seen = [Counter(n for s in steps for n in data.batch(s).names[side]) for side in (slice(3), slice(3, 6))]
        assert set(seen[0].values()) == {1}
        assert len(seen[0]) == 12
        assert set(seen[1].values()) == {2}
        assert len(seen[1]) == 6
    orders = {data.batch(step).names for step in range(0, 40, 4)}
    assert len(orders) == 10


def test_rounds_go_on_over_ends_of_epochs() -> None:
    data = loader(store(7), store(5, seed=1), batch_size=3)
    names = [name for step in range(35) for name in data.batch(step).names]
    assert data.epoch_length == 3
    assert set(Counter(name for name in names if name.startswith("0/")).values()) == {15}
    assert set(Counter(name for name in names if name.startswith("1/")).values()) == {21}


def test_pairs_are_cropped_and_flipped_alike() -> None:
    a = store(9)
    data = loader(a, a, paired=True)
    batches = [data.batch(step) for step in range(100)]
    assert all(torch.equal(batch.a, batch.b) for batch in batches)
    unpaired = loader(a, a)
    assert not any(torch.equal(*(getattr(unpaired.batch(step), side) for side in "ab")) for step in range(20))


def test_crops_lie_inside_and_half_are_mirrored() -> None:
    ramp = np.zeros((20, 22, 3), np.uint8)
    ramp[..., 0] = np.arange(20)[:, None]
    ramp[..., 1] = np.arange(22)
    one = ImageStore(["ramp"] * 4, [], [], 0, lambda _: ramp)
    values = torch.cat([((loader(one, one).batch(s).a + 1) * 127.5).round() for s in range(200)])
    tops, first, second = values[:, 0, 0, 0], values[:, 1, 0, 0], values[:, 1, 0, 1]
    assert sorted(set(tops.tolist())) == [0, 1, 2, 3, 4]
    mirrored = second < first
    assert 0.4 < mirrored.float().mean() < 0.6
    assert sorted(set(first[~mirrored].tolist())) == list(range(7))
    assert not any((loader(one, one, flip=False).batch(s).a.diff(dim=3)[:, 1] < 0).any() for s in range(20))


def test_range_of_both_types() -> None:
    narrow = np.array([0, 255, 128], np.uint8)[:, None, None].repeat(16, 1).repeat(16, 2).transpose(1, 2, 0)
    wide = narrow.astype(np.uint16) * 257
    a = ImageStore(["x"] * 4, [], [], 0, lambda _: narrow)
    b = ImageStore(["y"] * 4, [], [], 0, lambda _: wide)
    batch = loader(a, b).batch(0)
    assert batch.a[0, :, 0, 0].tolist() == pytest.approx([-1, 1, 128 / 127.5 - 1], abs=1e-6)
    assert torch.allclose(batch.a, batch.b, atol=1e-6)


def test_too_few_images() -> None:
    with pytest.raises(UserError, match="zebra has 3 training images, fewer than --batch 4"):
        loader(store(4), store(3), domains=("horse", "zebra"))
    with pytest.raises(ValueError, match="too small for crops of 64"):
        loader(store(4), store(4), size=64).batch(0)
    with pytest.raises(ValueError, match="3 ranks"):
        loader(store(4), store(4), world=3)


def test_stream_gives_the_batches_and_closes_its_thread() -> None:
    data = loader(store(10), store(7, seed=1))
    before = threading.active_count()
    with data.stream(3) as stream:
        for step in range(3, 15):
            assert same(next(stream), data.batch(step))
        assert threading.active_count() == before + 1
        assert stream.waited >= 0
    assert threading.active_count() == before
    assert list(stream) == []


def test_a_forgotten_stream_ends_its_thread() -> None:
    before = threading.active_count()
    stream = loader(store(10), store(7)).stream(0)
    next(stream)
    del stream
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert threading.active_count() == before


def test_waiting_is_counted() -> None:
    def slow(_: int) -> np.ndarray:
        time.sleep(0.01)
        return np.zeros((16, 16, 3), np.uint8)

    images = ImageStore(["x"] * 4, [], [], 0, slow)
    with loader(images, images).stream(0) as stream:
        next(stream)
        assert stream.waited > 0.02


def test_an_error_in_the_thread_reaches_the_consumer() -> None:
    def broken(i: int) -> np.ndarray:
        raise OSError("disk gone")

    images = ImageStore(["x"] * 4, [], [], 0, broken)
    before = threading.active_count()
    stream = loader(images, images).stream(0)
    with pytest.raises(OSError, match="disk gone"):
        next(stream)
    assert threading.active_count() == before
