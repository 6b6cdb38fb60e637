"""Values of files to numbers of networks and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instar.core.formats import DomainFormat, own_format, whole_range
from instar.core.settings import from_dict, to_dict


def form(dtype: str, low: float, high: float) -> DomainFormat:
    return DomainFormat(channels=1, bands=1, dtype=dtype, low=low, high=high)


def back(values: np.ndarray, of: DomainFormat) -> np.ndarray:
    return of.unscaled((of.scaled(values).astype(np.float64) + 1) / 2)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
@pytest.mark.parametrize("inverted", [False, True])
def test_every_value_of_8_and_16_bits_comes_back(dtype: str, inverted: bool) -> None:
    ends = np.iinfo(dtype)
    everything = np.arange(ends.min, ends.max + 1).astype(dtype)
    whole = own_format(dtype, 1, 1, inverted=inverted)
    found = whole.scaled(everything)
    assert found.dtype == np.float32
    assert (found.min(), found.max()) == (-1, 1)
    assert (np.diff(found) < 0).all() == inverted
    np.testing.assert_array_equal(back(everything, whole), everything)
    assert back(everything, whole).dtype == dtype


@given(low=st.integers(-(2**31), 2**31 - 2**24), data=st.data())
def test_32_bit_integers_come_back_within_a_range_of_24_bits(low: int, data: st.DataObject) -> None:
    high = data.draw(st.integers(low + 1, low + 2**23))
    values = np.array(data.draw(st.lists(st.integers(low, high), min_size=1)), np.int32)
    np.testing.assert_array_equal(back(values, form("int32", low, high)), values)


@given(ends=st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)).filter(lambda pair: abs(pair[0] - pair[1]) > 1e-3))
def test_floats_come_back_to_the_24th_bit_of_the_range(ends: tuple[float, float]) -> None:
    values = np.linspace(*ends, 1000).astype(np.float64)
    apart = np.abs(back(values, form("float64", *ends)) - values)
    assert apart.max() <= abs(ends[1] - ends[0]) * 2**-24 + 1e-9


def test_values_outside_are_clipped_and_what_is_no_number_is_the_low_end() -> None:
    values = np.array([-3000, -1000, 500, 2000, 9000, np.nan, np.inf, -np.inf], np.float32)
    assert form("float32", -1000, 2000).scaled(values).tolist() == [-1, -1, 0, 1, 1, -1, 1, -1]
    assert form("float32", 2000, -1000).scaled(values[:5]).tolist() == [1, 1, 0, -1, -1]


def test_images_of_another_depth_are_measured_by_their_own_type_where_types_are_whole() -> None:
    deep, shallow = np.array([0, 257, 65535], np.uint16), np.array([0, 1, 255], np.uint8)
    whole = own_format("uint16", 1, 1)
    np.testing.assert_allclose(whole.scaled(deep), whole.scaled(shallow), atol=1e-6)
    np.testing.assert_array_equal(whole.typed(shallow), deep)
    # A range that was given is one of values.
    assert form("uint16", 0, 4095).scaled(shallow)[2] == pytest.approx(255 / 4095 * 2 - 1, abs=1e-6)
    assert form("uint16", 0, 4095).typed(shallow).tolist() == [0, 1, 255]


def test_values_are_brought_into_a_type_by_rounding_and_clipping() -> None:
    assert form("int16", 0, 10).typed(np.array([-1e9, -0.6, 3.4, 1e9])).tolist() == [-32768, -1, 3, 32767]
    assert form("uint8", 0, 10).unscaled(np.array([0.0, 0.26, 1.0])).tolist() == [0, 3, 10]


EACH = DomainFormat(channels=3, bands=3, dtype="float32", low=-40, high=1000, band_ranges=((0, 1), (0, 1000), (0, -40)))


def test_bands_with_ranges_of_their_own_are_scaled_and_come_back_each_by_its_own() -> None:
    values = np.random.default_rng(0).random((5, 7, 3)).astype(np.float32) * np.float32([1, 1000, -40])
    found = EACH.scaled(values)
    for band, (low, high) in enumerate(EACH.band_ranges):
        alone = form("float32", low, high)
        np.testing.assert_array_equal(found[..., band], alone.scaled(values[..., band]))
        unit = (found[..., band].astype(np.float64) + 1) / 2
        whole = EACH.unscaled((found.astype(np.float64) + 1) / 2)
        np.testing.assert_array_equal(whole[..., band], alone.unscaled(unit))
    np.testing.assert_allclose(back(values, EACH), values, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(EACH.of_first(1).scaled(values[..., :1]), found[..., :1])


def test_shares_outside_are_counted_band_by_band() -> None:
    values = np.array([[[0.5, 2000, 1], [2, 500, -20]], [[0, 0, 0], [1, 1000, -41]]], np.float32)
    assert EACH.outside(values) == (0.25, 0.25, 0.5)
    assert form("float32", 0, 1000).outside(values) == (3 / 12,)
    assert not EACH.whole_type


def test_a_format_is_written_as_before_where_bands_have_one_range() -> None:
    one = form("int16", -1000, 2000)
    assert to_dict(one) == {"channels": 1, "bands": 1, "dtype": "int16", "low": -1000, "high": 2000}
    for kept in (one, EACH):
        assert from_dict(DomainFormat, to_dict(kept), "config.yaml") == kept


def test_ranges_of_types() -> None:
    assert whole_range("uint16") == (0, 65535)
    assert whole_range("int8", inverted=True) == (127, -128)
    assert whole_range("float32") == (0, 1)
    assert own_format("uint8", 3, 3).whole_type
    assert not own_format("int16", 3, 3).whole_type
    assert not form("uint8", 0, 254).whole_type
    assert DomainFormat(channels=3).plain
