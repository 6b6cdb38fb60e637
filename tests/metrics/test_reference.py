import json
import os

import numpy as np
import pytest
import torch
from torch import nn

from instar.data import cache
from instar.metrics.extractors import Extractor
from instar.metrics.reference import reference_features, reference_key

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


def test_computed_once(own_cache):
    calls = []

    def compute():
        calls.append(1)
        return torch.arange(6.0).view(3, 2).double().numpy()

    first = reference_features(own_cache, "k", compute)
    second = reference_features(own_cache, "k", compute)
    assert len(calls) == 1
    np.testing.assert_array_equal(first, second)
    assert second.dtype == np.float32
    reference_features(own_cache, "other", compute)
    assert len(calls) == 2
    assert sorted(path.name for path in own_cache.iterdir()) == ["features-k", "features-other"]


@pytest.mark.parametrize("damage", ["index", "features", "shape"])
def test_a_damaged_cache_is_made_again(own_cache, damage):
    ones = np.ones((3, 2))
    reference_features(own_cache, "k", lambda: ones)
    folder = own_cache / "features-k"
    if damage == "shape":
        (folder / "index.json").write_text(json.dumps({"shape": [4, 2]}))
    else:
        (folder / {"index": "index.json", "features": "features.npy"}[damage]).write_bytes(b"\x93NUM")
    np.testing.assert_array_equal(reference_features(own_cache, "k", lambda: 2 * ones), 2 * ones)
    np.testing.assert_array_equal(reference_features(own_cache, "k", lambda: 3 * ones), 2 * ones)


def test_without_the_right_to_write_nothing_fails(tmp_path):
    (tmp_path / "file").write_text("no folder")
    np.testing.assert_array_equal(reference_features(tmp_path / "file", "k", lambda: np.ones((1, 1))), 1)


def test_the_caches_of_images_make_room_together_with_it(own_cache):
    reference_features(own_cache, "old", lambda: np.ones((1000, 8)))
    os.utime(own_cache / "features-old", ns=(0, 0))
    reference_features(own_cache, "new", lambda: np.ones((10, 8)))
    cache._trim(1000)
    assert [path.name for path in own_cache.iterdir()] == ["features-new"]
