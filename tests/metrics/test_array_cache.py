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
    assert gone[1:] == (-1, -1, -1, "")


def test_arrays_that_were_changed_are_computed_again(own_cache):
    cached(own_cache, "x", lambda: {"a": np.ones(100)})
    file = own_cache / "x" / "arrays.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[:-80] + bytes(80))
    again = cached(own_cache, "x", lambda: {"a": np.full(100, 7.0)})
    assert again["a"].tolist() == [7.0] * 100
    assert cached(own_cache, "x", lambda: {})["a"].tolist() == [7.0] * 100


def test_a_file_written_anew_with_equal_size_and_time_has_another_stamp(tmp_path):
    file = tmp_path / "a.bmp"
    file.write_bytes(bytes(100_000))
    before, (first,) = file.stat(), file_stamps([file])
    for place in (10, 50_000, 99_990, 30_000):  # the last is in no sample: only the time of change tells
        file.write_bytes(bytes(place) + b"x" + bytes(99_999 - place))
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        (second,) = file_stamps([file])
        assert (second[1], second[2]) == (first[1], first[2])
        assert second != first
        assert (second[4] == first[4]) == (place == 30_000)
