"""Whatever the size of an image is, it comes back as it was."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from instar.core.errors import UserError
from instar.inference.padding import SMALLEST, content_share, cropped, enlarged, padded, resized, with_short_side

sides = st.integers(1, 70)
multiples = st.sampled_from([1, 2, 4, 8, 32])


@settings(deadline=None)
@given(sides, sides, multiples, st.integers(0, 2**31))
def test_padding_is_undone_by_cropping(height: int, width: int, multiple: int, seed: int) -> None:
    x = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed))
    planes = padded(x, multiple)
    for before, after in ((height, planes.shape[-2]), (width, planes.shape[-1])):
        assert after % multiple == 0
        assert max(before, SMALLEST) <= after < max(before, SMALLEST) + multiple
    assert torch.equal(cropped(planes, height, width), x)
    assert planes.min() == x.min()  # nothing is made up
    assert planes.max() == x.max()
    across, down = content_share(x, planes).tolist()
    assert (round(across * planes.shape[-1]), round(down * planes.shape[-2])) == (width, height)


def test_the_border_is_mirrored_or_repeated() -> None:
    row = torch.arange(20.0).expand(1, 1, 20, 20)
    assert padded(row, 8)[0, 0, 0, 20:].tolist() == [18, 17, 16, 15]
    assert padded(row[..., :3], 8)[0, 0, 0, 3:].tolist() == [2.0] * 13


@settings(deadline=None)
@given(sides, sides, sides, sides, st.floats(-1, 1))
def test_a_plain_image_stays_what_it_is_in_any_size(h: int, w: int, height: int, width: int, value: float) -> None:
    x = torch.full((1, 3, h, w), value)
    there = resized(x, height, width)
    assert there.shape == (1, 3, height, width)
    torch.testing.assert_close(resized(there, h, w), x, rtol=0, atol=1e-5)


@settings(deadline=None)
@given(sides, sides, sides, sides, st.integers(0, 2**31))
def test_resizing_never_leaves_the_range(h: int, w: int, height: int, width: int, seed: int) -> None:
    x = torch.rand(1, 3, h, w, generator=torch.Generator().manual_seed(seed)).round() * 2 - 1
    assert resized(x, height, width).abs().max() <= 1


@settings(deadline=None)
@given(st.integers(2, 6), st.integers(2, 6), st.integers(2, 4))
def test_a_smooth_image_survives_the_way_there_and_back(rows: int, columns: int, factor: int) -> None:
    """Enlarged and made small again: a ramp is the same but at its borders."""
    height, width = 8 * rows, 8 * columns
    x = torch.linspace(-0.9, 0.9, width).expand(1, 1, height, width)
    back = resized(resized(x, factor * height, factor * width), height, width)
    torch.testing.assert_close(back[..., 4:-4], x[..., 4:-4], rtol=0, atol=2e-3)


def test_the_same_size_is_the_same_tensor() -> None:
    x = torch.rand(1, 3, 5, 6, dtype=torch.float64)
    assert resized(x, 5, 6) is x


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(8, 600))
def test_a_short_side(height: int, width: int, short: int) -> None:
    h, w = with_short_side(height, width, short)
    assert min(h, w) == short
    assert max(h, w) == pytest.approx(short * max(height, width) / min(height, width), abs=0.5 + 1e-6)
    assert (h > w) <= (height > width)
    assert with_short_side(height, width, None) == (height, width)


def test_thin_strips_are_not_enlarged_without_end() -> None:
    assert enlarged(1, 1000, 16) == (16, 16000)
    assert enlarged(9000, 9000, None) == (9000, 9000)
    with pytest.raises(UserError, match="size=256: 65500 x 1 would become 16768000 x 256; leave out size"):
        enlarged(1, 65500, 256)
