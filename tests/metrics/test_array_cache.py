import os

import numpy as np

from instar.metrics.array_cache import cached, file_stamps


def test_arrays_of_any_shape_and_type(own_cache):
    arrays = {"count": np.array(3, np.int64), "weights": np.arange(6, dtype=np.float32).reshape(2, 3).T}
    first = cached(own_cache, "x", lambda: arrays)
    second = cached(own_cache, "x", lambda: {})
    assert first is arrays
    assert second.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (second[name].shape, second[name].dtype) == (array.shape, array.dtype)
        np.testing.assert_array_equal(second[name], array)
    assert [path.name for path in own_cache.iterdir()] == ["x"]


def test_use_makes_it_young(own_cache):
    cached(own_cache, "x", lambda: {"a": np.ones(1)})
    os.utime(own_cache / "x", ns=(0, 0))
    cached(own_cache, "x", lambda: {})
    assert (own_cache / "x").stat().st_mtime_ns > 0


def test_a_file_that_is_gone_has_a_stamp(tmp_path):
    (tmp_path / "a").write_bytes(b"xyz")
    there, gone = file_stamps([tmp_path / "a", tmp_path / "b"])
    assert there[:2] == (str((tmp_path / "a").resolve()), 3)
    assert gone[1:] == (-1, -1)
