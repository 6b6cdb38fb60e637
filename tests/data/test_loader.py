import os
import threading
import time
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from instar.core.batch import Batch, Labelled, ManyDomains, Paired, Part, Unlabelled, Unpaired
from instar.core.errors import UserError
from instar.data.loader import TrainLoader
from instar.data.store import ImageStore


def store(count: int, side: int = 20, dtype: type = np.uint8, seed: int = 0, cached: int = 1) -> ImageStore:
    rng = np.random.default_rng(seed)
    arrays = [rng.integers(0, np.iinfo(dtype).max, (side, side + i % 3, 3), dtype=dtype) for i in range(count)]
    return ImageStore([f"{seed}/{i}" for i in range(count)], [], [], cached, arrays.__getitem__)


def loader(a: ImageStore, b: ImageStore, **settings: object) -> TrainLoader:
    known = {"kind": Unpaired, "size": 16, "flip": True, "batch_size": 4, "seed": 5}
    return TrainLoader(stores={"a": a, "b": b}, **(known | settings))  # type: ignore[arg-type]


def same(x, y) -> bool:
    return torch.equal(x.a, y.a) and torch.equal(x.b, y.b) and x.names == y.names and type(x) is type(y)


@pytest.mark.parametrize("kind", [Unpaired, Paired])
def test_a_batch_is_a_pure_function_of_seed_and_step(kind: type[Batch]) -> None:
    a, b = store(10), store(10 if kind is Paired else 7, seed=1)
    first, second = loader(a, b, kind=kind), loader(a, b, kind=kind)
    wanted = [first.batch(step) for step in range(12)]
    for step in (11, 3, 3, 0, 7):
        assert same(second.batch(step), wanted[step])
    assert not same(wanted[0], loader(a, b, kind=kind, seed=6).batch(0))
    assert isinstance(wanted[0], kind)
    assert wanted[0].a.shape == (4, 3, 16, 16)
    assert wanted[0].a.is_contiguous()
    assert len(wanted[0].names) == 8


@pytest.mark.parametrize("kind", [Unpaired, Paired])
@pytest.mark.parametrize("world", [2, 4])
def test_ranks_together_see_the_global_batch(kind: type[Batch], world: int) -> None:
    a, b = store(10), store(10, seed=1)
    whole = loader(a, b, kind=kind)
    ranks = [replace(whole, rank=rank, world=world) for rank in range(world)]
    for step in range(5):
        parts = [rank.batch(step) for rank in ranks]
        assert torch.equal(torch.cat([part.a for part in parts]), whole.batch(step).a)
        assert torch.equal(torch.cat([part.b for part in parts]), whole.batch(step).b)
        share = 4 // world
        assert sum((part.names[:share] for part in parts), ()) == whole.batch(step).names[:4]


@dataclass(frozen=True)
class Three(Batch):
    a: Tensor
    b: Tensor
    c: Tensor
    names: tuple[str, ...] = ()

    needs = "pairs of a and c, and a folder"
    parts = {"a": Part(0, 0, 0), "b": Part(1, 0, 1), "c": Part(0, 1, 2)}


def by_hand(stores: dict[str, ImageStore], parts: dict[str, Part], seed: int, step: int) -> dict[str, np.ndarray]:
    """The batch as the documents say it: numbers of generators for each order, and for the crops."""
    size, batch, found = 16, 4, {}
    draws = np.random.default_rng([seed, 2, step]).random((9, batch, 3))
    for domain, part in parts.items():
        store, images = stores[domain], []
        for place in range(batch):
            turn, number = divmod(step * batch + place, len(store))
            order = np.random.default_rng([seed, [0, 1, 3, 4][part.order], turn]).permutation(len(store))
            image = store[int(order[number])]
            down, right, mirror = draws[part.crop, place]
            top, left = (int(x * (side - size + 1)) for x, side in zip((down, right), image.shape, strict=False))
            crop = image[top : top + size, left : left + size]
            images.append((crop[:, ::-1] if mirror < 0.5 else crop).transpose(2, 0, 1) / np.float32(127.5) - 1)
        found[domain] = np.stack(images)
    return found


@pytest.mark.parametrize("kind", [Unpaired, Paired, Labelled, Unlabelled, Three])
def test_the_numbers_by_hand(kind: type[Batch]) -> None:
    """Runs of old checkpoints go on with the same batches: these numbers must never change."""
    row = {"a": store(10), "b": store(10 if kind is Paired else 7, seed=1), "c": store(10, seed=2)}
    stores = {domain: row["a" if kind is Unlabelled else domain] for domain in kind.parts}
    data = TrainLoader(kind=kind, stores=stores, size=16, flip=True, batch_size=4, seed=5)
    for step in (0, 1, 2, 9, 10**6):
        made = by_hand(stores, kind.parts, 5, step)
        images = data.batch(step).images
        assert list(images) == list(kind.parts)
        for domain, image in images.items():
            np.testing.assert_array_equal(image.numpy(), made[domain])


def test_generators_of_all_orders_and_of_the_crops_are_different() -> None:
    class Many(Batch):
        parts = {f"d{i}": Part(order=i, crop=i) for i in range(5)}

        @classmethod
        def collate(cls, images, names, labels):
            return names

    same = store(30)
    names = TrainLoader(
        kind=Many, stores=dict.fromkeys(Many.parts, same), size=16, flip=True, batch_size=30, seed=5
    ).batch(0)
    orders = {tuple(found) for found in names.values()}
    crops = np.random.default_rng([5, 2, 0]).permutation(30)
    assert len(orders) == 5
    assert tuple(f"0/{i}" for i in crops) not in orders


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 2, 3, 6]), st.integers(0, 2**33), st.integers(0, 10**7)
)
def test_batches_of_any_sizes(count_a: int, count_b: int, batch: int, seed: int, step: int) -> None:
    """A function of seed and step; the ranks' parts are the whole; neighbours in a round are different images."""
    a, b = store(max(count_a, batch)), store(max(count_b, batch), seed=1)
    whole = loader(a, b, batch_size=batch, seed=seed)
    found = whole.batch(step)
    assert same(found, loader(a, b, batch_size=batch, seed=seed).batch(step))
    assert -1 <= found.a.min() <= found.a.max() <= 1
    for world in (one for one in (1, 2, 3) if batch % one == 0):
        parts = [replace(whole, rank=rank, world=world).batch(step) for rank in range(world)]
        assert torch.equal(torch.cat([part.b for part in parts]), found.b)
    first = step * batch // len(a)
    if first == (step * batch + batch - 1) // len(a):
        assert len(set(found.names[:batch])) == batch


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
    data = loader(a, a, kind=Paired)
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
    with pytest.raises(UserError, match="zebra has 3 training images, fewer than batch=4"):
        loader(store(4), store(3), names={"a": "horse", "b": "zebra"})
    with pytest.raises(ValueError, match="too small for crops of 64"):
        loader(store(4), store(4), size=64).batch(0)
    with pytest.raises(ValueError, match="3 ranks"):
        loader(store(4), store(4), world=3)


@pytest.mark.parametrize(
    ("cached", "cores", "world", "threads"),
    [(1, 6, 1, 1), (0, 6, 1, 6), (0, 6, 2, 3), (0, 64, 1, 8), (0, 1, 2, 1), (0, None, 1, 1)],
)
def test_stream_gives_the_batches_and_closes_its_threads(
    monkeypatch: pytest.MonkeyPatch, cached: int, cores: int | None, world: int, threads: int
) -> None:
    """In order, however long each takes; several threads only where images are decoded each time."""
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    data = loader(store(10), store(7, seed=1, cached=cached), world=world)
    assert data.threads == threads
    before = threading.active_count()
    wanted = [data.batch(step) for step in range(3, 33)]
    one, slow = data.stores["a"].image, iter(np.random.default_rng(0).random(10**4))

    def image(i: int) -> np.ndarray:
        time.sleep(next(slow) / 1000)
        return one(i)

    uneven = replace(data, stores={**data.stores, "a": replace(data.stores["a"], image=image)})
    with uneven.stream(3) as stream:
        for batch in wanted:
            assert same(next(stream), batch)
        assert before < threading.active_count() <= before + threads
        assert stream.waited >= 0
    assert threading.active_count() == before
    assert list(stream) == []


def test_each_image_of_a_batch_is_decoded_once() -> None:
    asked: list[int] = []
    data = loader(store(10), store(7, seed=1), batch_size=3)
    one = data.stores["a"].image

    def image(i: int) -> np.ndarray:
        asked.append(i)
        return one(i)

    replace(data, stores={**data.stores, "a": replace(data.stores["a"], image=image)}).batch(0)
    assert len(asked) == 3


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


def mixed(counts: tuple[int, ...], **settings: object) -> TrainLoader:
    kind = ManyDomains.of(len(counts))
    stores = {
        domain: store(count, seed=number) for number, (domain, count) in enumerate(zip(kind.parts, counts, strict=True))
    }
    known = {"kind": kind, "size": 16, "flip": True, "batch_size": 6, "seed": 5}
    return TrainLoader(stores=stores, **(known | settings))  # type: ignore[arg-type]


def fields_of(batch: ManyDomains) -> list[Tensor]:
    return [batch.x, batch.y, batch.x_ref, batch.x_ref2, batch.y_ref]


def equal(one: ManyDomains, other: ManyDomains) -> bool:
    same_tensors = all(torch.equal(a, b) for a, b in zip(fields_of(one), fields_of(other), strict=True))
    return same_tensors and one.names == other.names


def test_batches_of_many_domains_are_functions_of_seed_and_step() -> None:
    first, second = mixed((10, 3, 7)), mixed((10, 3, 7))
    wanted = [first.batch(step) for step in range(9)]
    for step in (8, 3, 3, 0):
        assert equal(second.batch(step), wanted[step])
    assert not equal(mixed((10, 3, 7), seed=6).batch(0), wanted[0])
    with first.stream(4) as stream:  # a run that is resumed
        assert [equal(next(stream), batch) for batch in wanted[4:]] == [True] * 5


def test_a_batch_of_many_domains_says_what_its_images_are() -> None:
    """Names are `seed/number` of the stores, so that they say domain and image."""
    for step in range(5):
        batch = mixed((10, 3, 7)).batch(step)
        assert isinstance(batch, ManyDomains)
        x, ref, ref2 = (batch.names[start : start + 6] for start in (0, 6, 12))
        assert [int(name.split("/")[0]) for name in x] == batch.y.tolist()
        assert [int(name.split("/")[0]) for name in ref] == batch.y_ref.tolist()
        assert [int(name.split("/")[0]) for name in ref2] == batch.y_ref.tolist()
        assert all(one != other for one, other in zip(ref, ref2, strict=True))
        assert Counter(batch.y.tolist()) == Counter(batch.y_ref.tolist()) == {0: 2, 1: 2, 2: 2}
        assert {domain: len(images) for domain, images in batch.images.items()} == {"a": 2, "b": 2, "c": 2}


def test_crops_of_many_domains_are_cut_as_the_documents_say() -> None:
    data = mixed((4, 4))
    for step in (0, 5):
        batch = data.batch(step)
        draws = np.random.default_rng([5, 2, step]).random((3, 6, 3))
        for column, images in enumerate((batch.x, batch.x_ref, batch.x_ref2)):
            for row, name in enumerate(batch.names[column * 6 : column * 6 + 6]):
                number, image = map(int, name.split("/"))
                whole = store(4, seed=number)[image]
                down, right, mirror = draws[column, row]
                top, left = (int(x * (side - 15)) for x, side in zip((down, right), whole.shape, strict=False))
                crop = whole[top : top + 16, left : left + 16]
                crop = (crop[:, ::-1] if mirror < 0.5 else crop).transpose(2, 0, 1) / np.float32(127.5) - 1
                np.testing.assert_array_equal(images[row].numpy(), crop)


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_and_parts_see_the_batch_of_many_domains(world: int) -> None:
    whole = mixed((10, 3))
    ranks = [replace(whole, rank=rank, world=world) for rank in range(world)]
    for step in range(3):
        batch = whole.batch(step)
        for parts in ([rank.batch(step) for rank in ranks], batch.split(world)):
            for field in ("x", "y", "x_ref", "x_ref2", "y_ref"):
                assert torch.equal(torch.cat([getattr(part, field) for part in parts]), getattr(batch, field))
            share = 6 // world
            assert sum((part.names[share : 2 * share] for part in parts), ()) == batch.names[6:12]


def test_folders_with_few_images_are_drawn_from_as_often_as_others() -> None:
    """No batch needs as many images as it has places; one image is too few for two references."""
    data = mixed((40, 2), batch_size=8)
    names = Counter(name for step in range(10) for name in data.batch(step).names[:8])
    assert {names["1/0"], names["1/1"]} == {20}
    assert data.epoch_length == 10
    with pytest.raises(UserError, match=r"^b has 1 training image: two references of one domain need two; add some"):
        mixed((40, 1))


def test_crops_of_many_domains_show_the_foreground() -> None:
    """Images are black but for their left third; nearly all crops of half the width then lie there."""

    def striped(count: int) -> ImageStore:
        arrays = [np.zeros((16, 48, 3), np.uint8) for _ in range(count)]
        for array in arrays:
            array[::2, :16] = 255
        return ImageStore([str(i) for i in range(count)], [], [], 1, arrays.__getitem__)

    stores = {"a": striped(4), "b": striped(4)}
    known = {"kind": ManyDomains.of(2), "stores": stores, "size": 16, "flip": False, "batch_size": 4, "seed": 5}
    shown = {share: TrainLoader(**known, foreground=share).batch(0) for share in (0.0, 0.5)}  # type: ignore[arg-type]
    bright = {share: (torch.cat([b.x, b.x_ref, b.x_ref2]) > 0).float().mean() for share, b in shown.items()}
    assert bright[0.5] > bright[0.0] + 0.1
