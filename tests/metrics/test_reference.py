import json
import os

import numpy as np
import pytest
import torch
from torch import nn

from instar.data import cache
from instar.metrics.extractors import Extractor
from instar.metrics.reference import Reference, reference_features, reference_key

EXTRACTOR = Extractor(nn.Linear(2, 2), "linear", "none")


@pytest.fixture
def files(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"image")
    return [tmp_path / "a.png", tmp_path / "b.png"]


def test_key_knows_files_network_and_preparation(files, tmp_path):
    key = reference_key(files, EXTRACTOR, "64")
    assert reference_key(files, EXTRACTOR, "64") == key
    assert reference_key(files[::-1], EXTRACTOR, "64") != key
    assert reference_key(files[:1], EXTRACTOR, "64") != key
    assert reference_key(files, EXTRACTOR, "128") != key
    assert reference_key(files, Extractor(EXTRACTOR.network, "linear", "bicubic"), "64") != key
    assert reference_key(files, Extractor(nn.Linear(2, 2), "linear", "none"), "64") != key
    stat = files[0].stat()
    os.utime(files[0], ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**6))
    changed = reference_key(files, EXTRACTOR, "64")
    assert changed != key
    files[0].write_bytes(b"images")
    os.utime(files[0], ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert reference_key(files, EXTRACTOR, "64") not in (key, changed)


def of(value, count=3):
    return Reference(np.full((count, 8), value), list(range(count)))


def test_computed_once(own_cache):
    calls = []

    def compute():
        calls.append(1)
        return Reference(torch.arange(6.0).view(3, 2).double().numpy(), [0, 1, 3])

    first = reference_features(own_cache, "k", compute)
    second = reference_features(own_cache, "k", compute)
    assert len(calls) == 1
    np.testing.assert_array_equal(first.features, second.features)
    assert second.features.dtype == np.float32
    assert first.places == second.places == [0, 1, 3]
    reference_features(own_cache, "other", compute)
    assert len(calls) == 2
    assert sorted(path.name for path in own_cache.iterdir()) == ["features-k", "features-other"]


@pytest.mark.parametrize("damage", ["index.json", "arrays.safetensors", "shape"])
def test_a_damaged_cache_is_made_again(own_cache, damage):
    reference_features(own_cache, "k", lambda: of(1))
    folder = own_cache / "features-k"
    if damage == "shape":
        (folder / "index.json").write_text(json.dumps({"features": [4, 2], "places": [3]}))
    else:
        (folder / damage).write_bytes((folder / damage).read_bytes()[:-5])
    np.testing.assert_array_equal(reference_features(own_cache, "k", lambda: of(2)).features, 2)
    np.testing.assert_array_equal(reference_features(own_cache, "k", lambda: of(3)).features, 2)


def test_without_the_right_to_write_nothing_fails(tmp_path):
    (tmp_path / "file").write_text("no folder")
    np.testing.assert_array_equal(reference_features(tmp_path / "file", "k", lambda: of(1)).features, 1)


def test_the_caches_of_images_make_room_together_with_it(own_cache):
    reference_features(own_cache, "old", lambda: of(1, 1000))
    os.utime(own_cache / "features-old", ns=(0, 0))
    reference_features(own_cache, "new", lambda: of(1, 10))
    cache._trim(1000)
    assert [path.name for path in own_cache.iterdir()] == ["features-new"]
