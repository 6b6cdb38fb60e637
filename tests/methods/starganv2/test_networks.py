import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.methods.starganv2.networks import (
    AdaIN,
    AdaINBlock,
    Discriminator,
    Generator,
    MappingNetwork,
    ResidualBlock,
    StyleEncoder,
)

SIZES = {"widest": 8}


def random(net: nn.Module) -> nn.Module:
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())) * 0.3)
    return net.double()


@pytest.mark.parametrize(("normalise", "halve", "cout"), [(True, True, 6), (False, True, 4), (True, False, 4)])
def test_a_residual_block_by_its_equation(normalise: bool, halve: bool, cout: int) -> None:
    """Shortcut: convolution, then mean of four; the block does it the other way round."""
    block = random(ResidualBlock(4, cout, normalise=normalise, halve=halve))
    x = torch.randn(2, 4, 8, 8, dtype=torch.float64)

    def norm(y: Tensor, i: int) -> Tensor:
        if not normalise:
            return y
        return nnf.instance_norm(y, weight=block.norms[i].weight, bias=block.norms[i].bias)

    def pool(y: Tensor) -> Tensor:
        return nnf.avg_pool2d(y, 2) if halve else y

    inside = pool(block.first(nnf.leaky_relu(norm(x, 0), 0.2)))
    inside = block.second(nnf.leaky_relu(norm(inside, 1), 0.2))
    torch.testing.assert_close(block(x), (pool(block.shortcut(x)) + inside) / math.sqrt(2))


@pytest.mark.parametrize(("double", "cout"), [(True, 3), (False, 4)])
def test_a_block_with_adain_by_its_equation(double: bool, cout: int) -> None:
    block = random(AdaINBlock(4, cout, 5, double=double))
    x, s = torch.randn(2, 4, 4, 4, dtype=torch.float64), torch.randn(2, 5, dtype=torch.float64)

    def adain(y: Tensor, layer: AdaIN) -> Tensor:
        gamma, beta = layer.affine(s)[:, :, None, None].chunk(2, 1)
        return (1 + gamma) * nnf.instance_norm(y) + beta

    def up(y: Tensor) -> Tensor:
        return y.repeat_interleave(2, 2).repeat_interleave(2, 3) if double else y

    inside = block.first(up(nnf.leaky_relu(adain(x, block.norms[0]), 0.2)))
    inside = block.second(nnf.leaky_relu(adain(inside, block.norms[1]), 0.2))
    torch.testing.assert_close(block(x, s), (block.shortcut(up(x)) + inside) / math.sqrt(2))


def test_shapes_and_widths() -> None:
    G = Generator(3, 4, 64, widest=8, style=5)
    assert G.size_divisor == 4
    assert G(torch.zeros(2, 3, 40, 64), torch.zeros(2, 5)).shape == (2, 3, 40, 64)
    assert G.encode(torch.zeros(1, 3, 64, 64)).shape == (1, 8, 16, 16)
    wide = Generator(3, 32, 64, widest=8, style=5)
    assert wide.encode(torch.zeros(1, 3, 64, 64)).shape[1] == 32


@torch.no_grad()
def test_each_row_gets_the_head_of_its_domain() -> None:
    x, z, domain = torch.rand(4, 3, 32, 32), torch.randn(4, 6), torch.tensor([2, 0, 1, 2])
    E = StyleEncoder(3, 4, 32, style=5, domains=3, **SIZES)
    F = MappingNetwork(6, 5, 3, hidden=8)
    D = Discriminator(3, 4, 32, domains=3, **SIZES)
    for row, number in enumerate(domain):
        features = E.shared(x[row : row + 1]).flatten(1)
        torch.testing.assert_close(E(x, domain)[row], E.heads[number](features)[0])
        torch.testing.assert_close(F(z, domain)[row], F.heads[number](F.shared(z[row : row + 1]))[0])
        torch.testing.assert_close(D(x, domain)[row], D.heads(D.shared(x[row : row + 1]))[0, number, 0, 0])


@torch.no_grad()
def test_initial_weights_are_he_s() -> None:
    """Deviations of the root of 2 over a unit's inputs, and biases of 0: also of what makes AdaIN's parameters."""
    G = Generator(3, 64, 32, widest=256, style=64)
    for block in G.decode:
        assert float(block.first.weight.std()) == pytest.approx(math.sqrt(2 / block.first.weight[0].numel()), rel=0.05)
        assert float(block.norms[0].affine.weight.std()) == pytest.approx(math.sqrt(2 / 64), rel=0.1)
        assert float(block.norms[0].affine.bias.abs().max()) == 0
