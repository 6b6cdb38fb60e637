import numpy as np
import pytest
import torch

from instar.core.masks import LEAST, hide, limited, white


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
