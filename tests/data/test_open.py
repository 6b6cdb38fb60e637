from dataclasses import replace
from pathlib import Path

import pytest
import torch

from instar.core.batch import Paired, Unlabelled, Unpaired
from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.data import open_data


def test_unpaired_run(make) -> None:
    root = make(*(f"train{d}/{i}.png" for d in "AB" for i in range(5)), *(f"testA/{i}.png" for i in range(6)))
    make("testB/1.png", "testB/2.png")
    data = open_data(DataConfig(roots=(root,), size=24), 3, Unpaired, batch=2, seed=0)
    assert (data.found.names["a"], data.found.names["b"], data.train.epoch_length) == ("A", "B", 3)
    assert data.train.batch(0).a.shape == (2, 3, 24, 24)
    samples = data.samples(3)
    assert isinstance(samples, Unpaired)
    assert samples.a.shape == samples.b.shape == (3, 3, 24, 24)
    assert [Path(name).name for name in samples.names] == ["0.png", "2.png", "4.png", "1.png", "2.png", "1.png"]
    assert torch.equal(samples.a, data.samples(3).a)
    assert len(data.samples(99).a) == 6


def test_paired_run_keeps_pairs_in_samples(make) -> None:
    root = make(*(f"train/{i}.png" for i in range(4)), "test/1.png", "test/2.png", "test/3.png", size=(40, 20))
    (root / "test/2.png").write_bytes(b"")
    data = open_data(DataConfig(roots=(root,), size=24), 1, Paired, batch=4, seed=0)
    batch = data.train.batch(0)
    assert isinstance(batch, Paired)
    assert batch.a.shape == (4, 1, 24, 24)
    assert batch.names[0].replace("left", "right") == batch.names[4]
    samples = data.samples(3)
    assert isinstance(samples, Paired)
    assert [Path(name).name for name in samples.names] == [
        f"{i}.png ({s} half)" for s in ("left", "right") for i in (1, 3)
    ]


def test_samples_come_from_training_images_if_there_are_no_others(make) -> None:
    root = make("A/1.png", "B/1.png")
    data = open_data(DataConfig(roots=(root,), size=24), 3, Unpaired, batch=1, seed=0)
    assert data.found.test["a"] == []
    assert data.samples(4).a.shape == (1, 3, 24, 24)


def test_unreadable_files_are_reported(make) -> None:
    root = make(*(f"{d}/{i}.png" for d in "AB" for i in range(4)))
    (root / "B/2.png").write_bytes(b"")
    data = open_data(DataConfig(roots=(root,), size=24, max_bad=0.3), 3, Unpaired, batch=1, seed=0)
    assert data.bad == [(root / "B/2.png", "the file is empty")]
    assert "left out: 1" in data.notes[-1]
    with pytest.raises(UserError, match=r"data\.max_bad=0\.2"):
        open_data(DataConfig(roots=(root,), size=24, max_bad=0.2), 3, Unpaired, batch=1, seed=0)


def test_both_domains_share_the_cache_limit(make) -> None:
    root = make("A/1.png", "B/1.png")
    one = 27 * 32 * 3
    cfg = DataConfig(roots=(root,), size=24, cache_gb=1.5 * one / 1e9)
    data = open_data(cfg, 3, Unpaired, batch=1, seed=0)
    assert data.train.stores["a"].cached_bytes > 0
    assert data.train.stores["b"].cached_bytes == 0
    assert len([note for note in data.notes if "data.cache_gb" in note]) == 1


def test_smaller_domain_than_batch(make) -> None:
    root = make("A/1.png", "A/2.png", "B/1.png")
    with pytest.raises(UserError, match="B has 1 training images, fewer than batch=2"):
        open_data(DataConfig(roots=(root,), size=24), 3, Unpaired, batch=2, seed=0)


def test_one_folder_of_images(make) -> None:
    root = make(*(f"{d}/{i}.png" for d in ("cat", "dog/small") for i in range(10)), "loose.png")
    data = open_data(DataConfig(roots=(root,), size=24), 3, Unlabelled, batch=4, seed=0)
    assert (data.found.names["a"], data.found.names["b"], data.classes) == ("set", "set", ("cat", "dog"))
    assert len(data.train.stores["a"]) == 19
    assert data.train.stores["a"] is data.train.stores["b"]
    assert len(data.found.test["a"]) == 2
    assert "2 images, spread over all" in data.notes[0]
    assert data.train.epoch_length == 5
    batch = data.train.batch(3)
    assert isinstance(batch, Unlabelled)
    assert batch.a.shape == batch.b.shape == (4, 3, 24, 24)
    assert not torch.equal(batch.a, batch.b)
    assert len(batch.names) == 4
    expected = [{"cat": 0, "dog": 1}.get(Path(name).relative_to(root).parts[0], -1) for name in batch.names]
    assert batch.labels.tolist() == expected
    samples = data.samples(8)
    assert isinstance(samples, Unlabelled)
    assert torch.equal(samples.a, samples.b)


def test_views_show_the_same_image(make) -> None:
    root = make(*(f"{i}.png" for i in range(8)), size=(24, 24))
    cfg = DataConfig(roots=(root,), size=24, zoom=1.0, holdout=0)
    batch = open_data(cfg, 3, Unlabelled, batch=8, seed=0).train.batch(0)
    alike = [torch.equal(a, b) or torch.equal(a, b.flip(2)) for a, b in zip(batch.a, batch.b, strict=True)]
    assert all(alike)
    assert not torch.equal(batch.a, batch.b)  # mirrored each by itself
    assert batch.labels.tolist() == []
    plain = open_data(replace(cfg, flip=False), 3, Unlabelled, batch=8, seed=0).train.batch(0)
    assert torch.equal(plain.a, plain.b)


def test_a_share_of_the_labels(make) -> None:
    root = make(*(f"cat/{i}.png" for i in range(20)), *(f"dog/{i}.png" for i in range(5)))
    cfg = DataConfig(roots=(root,), size=24, labelled=0.1, holdout=0)
    train = open_data(cfg, 3, Unlabelled, batch=25, seed=0).train
    assert [int((train.labels["a"] == k).sum()) for k in (0, 1, -1)] == [2, 1, 22]
    with pytest.raises(UserError, match=r"data\.labelled=0\.1: this method"):
        open_data(cfg, 3, Unpaired, batch=1, seed=0)
