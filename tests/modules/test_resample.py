import pytest
import torch
from torch import Tensor
from torch.nn import functional as nnf

from instar.modules.resample import BlurDown, BlurUp

SIDES = [(8, 8), (7, 10), (5, 9), (2, 3)]


def filter_of(taps: list[float], scale: float, channels: int) -> Tensor:
    t = torch.tensor(taps, dtype=torch.float64)
    return (torch.outer(t, t) / scale).expand(channels, 1, -1, -1)


@pytest.mark.parametrize("sides", SIDES)
def test_down_is_the_authors_blur_pool(sides: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *sides, dtype=torch.float64)
    padded = nnf.pad(x, (1, 1, 1, 1), mode="reflect")
    expected = nnf.conv2d(padded, filter_of([1, 2, 1], 16, 3), stride=2, groups=3)
    torch.testing.assert_close(BlurDown()(x), expected)
    assert expected.shape[2:] == (-(-sides[0] // 2), -(-sides[1] // 2))


def test_down_with_replicate_padding() -> None:
    """UNIT's: a Gaussian of 3x3 over repeated edges, then every second pixel."""
    x = torch.randn(2, 3, 7, 8, dtype=torch.float64)
    padded = nnf.pad(x, (1, 1, 1, 1), mode="replicate")
    expected = nnf.conv2d(padded, filter_of([0.25, 0.5, 0.25], 1, 3), groups=3)[:, :, ::2, ::2]
    torch.testing.assert_close(BlurDown("replicate")(x), expected)


@pytest.mark.parametrize("sides", [*SIDES, (1, 1)])
def test_up_is_the_authors_blurred_upsampling(sides: tuple[int, int]) -> None:
    """Their Upsample: replicate padding, a transposed depthwise convolution with [1, 3, 3, 1], and a crop."""
    x = torch.randn(2, 3, *sides, dtype=torch.float64)
    padded = nnf.pad(x, (1, 1, 1, 1), mode="replicate")
    kernel = filter_of([1, 3, 3, 1], 64 / 4, 3)
    expected = nnf.conv_transpose2d(padded, kernel, stride=2, padding=2, groups=3)[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(BlurUp()(x), expected)
    assert expected.shape[2:] == (2 * sides[0], 2 * sides[1])


@pytest.mark.parametrize("layer", [BlurDown(), BlurUp()])
def test_a_constant_stays_the_same_constant(layer: torch.nn.Module) -> None:
    out = layer(torch.full((1, 2, 6, 9), 0.37))
    torch.testing.assert_close(out, torch.full_like(out, 0.37))


def test_the_filter_is_no_weight() -> None:
    """Nothing of it is trained or stored, and it follows the module to other types."""
    assert list(BlurDown().parameters()) == []
    assert BlurDown().state_dict() == {}
    assert BlurDown()(torch.ones(1, 1, 4, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16
