import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instar.data.packing import pack, unpack


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.sampled_from([1, 2, 3, 4]),
    st.sampled_from(["uint8", "uint16", "int16", "float32"]),
    st.integers(0, 2**32 - 1),
)
def test_nothing_is_lost(height: int, width: int, channels: int, kind: str, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels)).astype(kind)
    found = unpack(pack(pixels), pixels.shape, pixels.dtype)
    assert found.dtype == pixels.dtype
    assert np.array_equal(found, pixels)


def test_an_image_longer_than_webp_holds() -> None:
    pixels = np.arange(16384 * 3).astype(np.uint8).reshape(1, 16384, 3)
    assert np.array_equal(unpack(pack(pixels), pixels.shape, pixels.dtype), pixels)


@pytest.mark.parametrize("channels", [1, 3])
def test_other_bytes_are_an_error(channels: int) -> None:
    with pytest.raises((ValueError, OSError)):
        unpack(b"nothing of the kind", (4, 4, channels), np.dtype("uint8"))


def test_smooth_images_become_smaller() -> None:
    down, right = np.mgrid[0:64, 0:64]
    for channels in (1, 3):
        pixels = np.stack([down + right] * channels, 2).astype(np.uint8)
        assert len(pack(pixels)) < pixels.nbytes / 5
