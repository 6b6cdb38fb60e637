"""Large sets, whose limit is lowered here: they must give what small ones give."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from instar.core.batch import Batch, Paired, Unpaired
from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.core.formats import DomainFormat
from instar.data import Data, many, store
from instar.data import decoding as decoding_module
from instar.data.decoding import Decoding
from instar.data.files import Files, Singles
from instar.data.many import Lost, Many
from instar.data.open import open_data

COUNT = 12


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sets count as large, and caches be made at once."""
    monkeypatch.setattr(store, "MANY", COUNT // 2)
    monkeypatch.setattr(many, "_TICK", 0.0)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Name the files that are decoded."""
    calls: list[Any] = []
    real = decoding_module.decode
    monkeypatch.setattr(decoding_module, "decode", lambda *a, **b: calls.append(a[0].path.name) or real(*a, **b))
    return calls


def written(make, names: int = COUNT) -> Path:
    """Write two domains."""
    return make(*(f"train{domain}/{i}.png" for domain in "AB" for i in range(names)), size=(30, 36))


def data(root: Path, kind: type[Batch] = Unpaired, **options: Any) -> Data:
    known = {"size": 24, "holdout": 0} | options
    return open_data(DataConfig(roots=(root,), **known), 3, kind, 3, seed=5)


def batches(found: Data, steps: int = 9) -> list[Batch]:
    return [found.train.batch(step) for step in range(steps)]


def same(one: list[Batch], two: list[Batch]) -> bool:
    def equal(x: Any, y: Any) -> bool:
        return x.names == y.names and all(torch.equal(x.images[d], y.images[d]) for d in x.images)

    return all(equal(x, y) for x, y in zip(one, two, strict=True))


@pytest.mark.parametrize("kind", [Unpaired, Paired])
@pytest.mark.parametrize("cache_gb", [8.0, 1e-7])
def test_batches_are_those_of_a_set_that_was_read_before(make, own_cache, kind, cache_gb, monkeypatch) -> None:
    root = written(make)
    wanted = batches(data(root, kind))
    monkeypatch.setattr(store, "MANY", COUNT // 2)
    monkeypatch.setattr(many, "_TICK", 0.0)
    first = data(root, kind, cache_gb=cache_gb)
    assert same(batches(first), wanted)  # before the cache is made, or while it is
    first.train.settle()
    assert all(one.cached_bytes == 0 for one in first.train.stores.values())  # as it was when it was opened
    assert same(batches(first), wanted)
    again = data(root, kind, cache_gb=cache_gb)
    assert all(bool(one.cached_bytes) == (cache_gb > 1) for one in again.train.stores.values())
    assert same(batches(again), wanted)


def test_a_mixed_depth_gives_the_same_numbers(make, own_cache, monkeypatch) -> None:
    root = written(make)
    wide = np.random.default_rng(0).integers(0, 2**16, (36, 30), dtype=np.uint16)
    for i in (3, 7):
        Image.fromarray(wide).save(root / f"trainA/{i}.png")
    wanted = batches(data(root))
    monkeypatch.setattr(store, "MANY", COUNT // 2)
    assert same(batches(data(root, cache_gb=1e-7)), wanted)


def test_the_first_step_decodes_little(make, own_cache, large, decoded, monkeypatch) -> None:
    root = written(make, 200)
    monkeypatch.setattr(many, "PROBED", 5)
    found = data(root, cache_gb=1e-7)
    assert len(decoded) == 10
    found.train.batch(0)
    assert len(decoded) == 16
    (said,) = (note for note in found.notes if "200 images are read while they are trained on" in note)
    assert "data.cache_gb=1e-07" in said


def test_a_second_start_decodes_nothing(make, own_cache, large, decoded) -> None:
    root = written(make)
    first = data(root)
    first.train.settle()
    decoded.clear()
    batches(data(root))
    assert decoded == []
    (root / "trainA/3.png").write_bytes((root / "trainA/4.png").read_bytes())
    data(root)
    assert decoded  # of another name


@pytest.mark.parametrize("kind", [Unpaired, Paired])
@pytest.mark.parametrize("cache_gb", [8.0, 1e-7])
def test_the_next_image_stands_in_for_a_broken_one(make, own_cache, large, kind, cache_gb, monkeypatch) -> None:
    monkeypatch.setattr(many, "PROBED", 1)
    root = written(make)
    for name in ("3.png", "4.png", f"{COUNT - 1}.png"):
        (root / "trainB" / name).write_bytes(b"nothing")
    found = data(root, kind, cache_gb=cache_gb, max_bad=0.5)
    before = batches(found)
    names = [Path(name).name for batch in before for name in batch.names]
    assert not {"3.png", "4.png"} & {Path(n).name for b in before for n in b.names if "trainB" in n}
    assert names.count("5.png") > names.count("6.png")
    lost = found.train.lost()
    assert sorted(path.name for path, _ in lost) == [f"{COUNT - 1}.png", "3.png", "4.png"]
    assert {reason for _, reason in lost} == {"not an image"}
    assert found.train.lost() == []
    # A run that goes on at any step knows nothing of what was met before, or all of it from the cache.
    assert same([data(root, kind, cache_gb=cache_gb, max_bad=0.5).train.batch(7)], before[7:8])
    found.train.settle()
    again = data(root, kind, cache_gb=cache_gb, max_bad=0.5)
    assert same(batches(again), before)


def test_too_many_broken_images_end_the_run_with_one_line(make, own_cache, large, monkeypatch) -> None:
    monkeypatch.setattr(many, "PROBED", 1)
    root = written(make)
    for i in (3, 4, 5):
        (root / f"trainA/{i}.png").write_bytes(b"nothing")
    found = data(root, cache_gb=1e-7, max_bad=0.2)
    with pytest.raises(UserError, match=r"3 of 12 images cannot be read, more than data.max_bad=0.2 allows.*not an im"):
        batches(found)


def test_a_set_that_is_broken_throughout_is_refused_at_once(make, own_cache, large) -> None:
    root = written(make)
    for path in (root / "trainA").iterdir():
        path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="12 of 12 images cannot be read"):
        data(root, max_bad=1.0)


def test_pixels_that_were_changed_are_decoded_from_their_file(make, own_cache, large, decoded) -> None:
    root = written(make)
    first = data(root)
    wanted = batches(first)
    first.train.settle()
    for file in own_cache.glob("*/pixels.bin"):
        pixels = bytearray(file.read_bytes())
        pixels[5] ^= 1
        file.write_bytes(pixels)
    decoded.clear()
    assert same(batches(data(root)), wanted)
    assert set(decoded) == {"0.png"}


def test_other_processes_take_the_cache_that_the_first_makes(make, own_cache, large, monkeypatch) -> None:
    monkeypatch.setattr(many, "_POLL", 0.01)
    rows = Singles(Files(written(make) / "trainA", [f"{i}.png" for i in range(COUNT)]))
    how = Decoding(24, (DomainFormat(channels=3),))
    waiting = Many(rows, replace(how, fills_cache=False))
    assert list(own_cache.iterdir()) == []
    Many(rows, how).settle()
    waiting.settle()
    assert waiting.cached_bytes > 0
    assert np.array_equal(waiting.image(0, 3), Many(rows, how).image(0, 3))


def test_a_cache_that_nobody_asks_for_any_more_is_not_made(make, own_cache, large, monkeypatch) -> None:
    real = decoding_module.decode
    monkeypatch.setattr(decoding_module, "decode", lambda *a, **b: time.sleep(0.02) or real(*a, **b))
    found = Many(
        Singles(Files(written(make, 300) / "trainA", [f"{i}.png" for i in range(300)])),
        Decoding(24, (DomainFormat(channels=3),)),
    )
    thread = found._thread
    assert thread
    del found
    thread.join(20)
    assert not thread.is_alive()
    assert list(own_cache.iterdir()) == []


def test_after_the_last_row_comes_the_first() -> None:
    lost = Lost(4, 1.0)
    error = many.UnreadableImage(Path("x"), "why")
    for row in (3, 0):
        lost.add(row, error)
    assert [lost.next_to(row) for row in range(4)] == [1, 1, 2, 1]


def test_what_fits_packed_is_kept_so(tmp_path: Path, own_cache, large, decoded) -> None:
    (tmp_path / "trainA").mkdir()
    down, right = np.mgrid[0:40, 0:50]
    for i in range(COUNT):
        pixels = np.stack([down + i, right, down + right], 2).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"trainA/{i}.png")
    rows = Singles(Files(tmp_path / "trainA", [f"{i}.png" for i in range(COUNT)]))
    how = Decoding(40, (DomainFormat(channels=3),), cache_gb=COUNT * 40 * 50 * 3 * 0.6 / 1e9)
    first = Many(rows, how)
    wanted = [first.image(0, i).copy() for i in range(COUNT)]
    first.settle()
    decoded.clear()
    again = Many(rows, how)
    assert 0 < again.cached_bytes < how.cache_gb * 1e9
    assert not again.is_decoded
    assert all(np.array_equal(again.image(0, i), wanted[i]) for i in range(COUNT))
    assert decoded == []
    assert "they are packed without loss" in again.notes[0]
