import pytest
import torch

from instar.networks.whole import WholeDiscriminator


@pytest.mark.parametrize("side", [32, 64, 128])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes(side: int, channels: int) -> None:
    score = WholeDiscriminator(channels, width=4, side=side)(torch.rand(3, channels, side, side))
    assert score.shape == (3,)


def test_the_discriminator_sees_all_of_an_image() -> None:
    net, x = WholeDiscriminator(width=4).double(), torch.rand(1, 3, 64, 64, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(net(x).sum(), x)
    assert (slope.abs().sum(1) > 0).all()
