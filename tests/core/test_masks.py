from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from instar.core.images import to_array
from instar.core.masks import LEAST, as_mask, hide, largest_of, limited, white
from instar.core.raster import Raster
from instar.core.windows import open_parts


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_white_is_the_upper_half_of_a_type(kind: str) -> None:
    top = np.iinfo(kind).max
    mask = np.array([[0, 1, top // 2, top // 2 + 1, top]], kind)[:, :, None]
    assert white(mask).tolist() == [[False, False, False, True, True]]


def test_white_of_floats() -> None:
    assert white(np.array([[-1, 0, 0.5, 1]], np.float32)[:, :, None]).tolist() == [[False, False, True, True]]


def test_hidden_pixels_alone_are_nothing() -> None:
    image = np.array([[[0.0, 0.5, 0.0, -1.0]], [[0.0, 0.0, 0.5, 1.0]]], np.float32)
    hide(image, np.array([[True, True, False, False]]))
    assert image.tolist() == [[[LEAST, 0.5, 0, 0]], [[LEAST, 0.0, 0, 0]]]


def test_translations_are_hidden_where_their_inputs_are_whatever_their_channels() -> None:
    like = torch.tensor([[[[0.0, 0.25, 0.0]], [[0.0, 0.0, 0.5]]]])
    out = torch.tensor([[[[0.7, 0.0, -0.3]]]], requires_grad=True)
    found = limited(out, like)
    assert found.tolist() == [[[[0.0, pytest.approx(LEAST), pytest.approx(-0.3)]]]]
    found.sum().backward()
    assert out.grad is not None
    assert out.grad.tolist() == [[[[0.0, 1.0, 1.0]]]]


def test_what_is_hidden_stays_so_through_a_cycle_of_bf16() -> None:
    like = torch.rand(2, 3, 8, 8) + 0.1
    like[:, :, :4] = 0
    there = limited(torch.zeros(2, 3, 8, 8, dtype=torch.bfloat16), like)
    back = limited(torch.ones(2, 3, 8, 8), there)
    assert there.dtype == torch.bfloat16
    assert torch.equal(back == 0, like == 0)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16", "int32"])
@pytest.mark.parametrize("top", [1, 255])
def test_white_may_be_1_or_255(kind: str, top: int) -> None:
    values = (np.arange(12).reshape(3, 4) % 3 == 0).astype(kind) * top
    found = to_array(as_mask(Raster(values[..., None])), 1)
    assert np.array_equal(white(found), values > 0)
    part = to_array(as_mask(Raster(values[..., None][:1, 1:3]), top), 1)  # a part that is black throughout
    assert not white(part).any()


def test_other_masks_are_as_they_are() -> None:
    gray = Image.fromarray(np.array([[0, 1, 200]], np.uint8))
    palette, bits = gray.convert("P"), gray.convert("1")
    floats, deep = Raster(np.ones((2, 2, 1), np.float32)), Raster(np.full((2, 2, 1), 30000, np.uint16))
    for mask in (gray, palette, bits, floats, deep, Image.new("L", (3, 3)), Image.new("RGB", (3, 3))):
        assert as_mask(mask) is mask
    assert as_mask(gray.crop((0, 0, 2, 1)), 200).getpixel((1, 0)) == 1  # of a mask of 200, 1 is black


def test_the_largest_value_is_looked_for_in_all_strips(tmp_path: Path) -> None:
    values = np.zeros((600, 40), np.uint8)
    values[599, 39] = 1
    tifffile.imwrite(tmp_path / "m.tif", values, tile=(64, 64), compression="zlib")
    np.save(tmp_path / "m.npy", values)
    for name in ("m.tif", "m.npy"):
        parts = open_parts(tmp_path / name)
        assert parts is not None
        with parts:
            assert largest_of(parts) == 1
