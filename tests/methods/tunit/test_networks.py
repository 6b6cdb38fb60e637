"""TUNIT's networks; their sizes in full are in tests/methods/test_tunit.py."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as nnf

from instar.methods.tunit.networks import (
    Block,
    Discriminator,
    DiscriminatorBlock,
    FilterResponseNorm,
    Generator,
    GuidingNetwork,
)
from methods.parts import count


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_parameters_of_layers() -> None:
    with torch.device("meta"):
        G, D = Generator(), Discriminator()
        stem, *downs = [m for m in G.content.modules() if isinstance(m, nn.Conv2d)][:4]
        blocks = [m for m in G.content if isinstance(m, Block)]
    assert [count(net) for net in (stem, *downs)] == [9_472, 131_200, 524_544, 2_097_664]
    assert [count(net) for net in (*blocks, *G.blocks)] == [4_719_616] * 4
    assert [count(net) for net in G.ups] == [3_277_056, 819_328, 204_864]
    assert count(G.out) == 9_411
    assert [count(net) for net in G.mlp if isinstance(net, nn.Linear)] == [33_024, 65_792, 1_282_944]
    last = [m for m in D.body if isinstance(m, nn.Conv2d)][-1]
    assert (count(last), count(D.heads)) == (16_778_240, 10_250)


@pytest.mark.parametrize(("side", "width", "deep"), [(64, 64, 256), (128, 64, 512), (256, 32, 512)])
def test_the_content_is_16_x_16(side: int, width: int, deep: int) -> None:
    with torch.device("meta"):
        G = Generator(width=width, side=side)
        assert G.content(torch.empty(1, 3, side, side)).shape == (1, deep, 16, 16)
        assert G(torch.empty(1, 3, side, side), torch.empty(1, 128)).shape == (1, 3, side, side)
    assert G.size_divisor == side // 16


def test_guiding_network() -> None:
    C = GuidingNetwork(3, 4, 6).eval()
    x = torch.randn(3, 3, 32, 32)
    features, style = C.encode(x)
    assert (features.shape, style.shape) == ((3, 32), (3, 6))
    assert torch.equal(C(x), style)
    torch.testing.assert_close(C(x[:1]), style[:1])
    assert C.head.bias.abs().sum() == 0
    for side in (24, 28, 33):  # not only powers of 2
        assert C(torch.randn(2, 3, side, side + 2)).shape == (2, 6)


def test_first_weights_of_the_guiding_network() -> None:
    C = GuidingNetwork(3, 64)
    convs = [m for m in C.body if isinstance(m, nn.Conv2d)]
    assert len(convs) == 8
    for conv in convs:
        assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * conv.out_channels)), rel=0.05)
    assert C.head.weight.std().item() == pytest.approx(0.01, rel=0.05)


def test_first_weights_of_generator_and_discriminator() -> None:
    for net in (Generator(width=8, side=32), Discriminator(width=8, side=32)):
        for m in net.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)) and m.weight.numel() > 2000:
                assert m.weight.std().item() == pytest.approx(math.sqrt(2 / m.weight[0].numel()), rel=0.1)
            if isinstance(m, (nn.Conv2d, nn.Linear)) and m.bias is not None:
                assert m.bias.abs().sum() == 0


def test_a_block_without_scale_and_shift_changes_nothing() -> None:
    block, x = Block(4), torch.randn(2, 4, 8, 8)
    assert torch.equal(block(x, torch.zeros(2, 16)), x)
    assert not torch.equal(block(x), x)


def test_a_block_adds_a_tenth() -> None:
    block, x = Block(4).double(), torch.randn(2, 4, 8, 8, dtype=torch.float64)
    nn.init.zeros_(block.second[-1].weight)
    numbers = torch.zeros(2, 16, dtype=torch.float64)
    numbers[:, 8:12] = 3  # the shift of the second norm
    torch.testing.assert_close(block(x, numbers), x + 0.3)


def test_shifts_come_before_scales() -> None:
    G = Generator(width=2, side=32, style=3).double()
    start = 2 * 4 * 4  # after the two blocks' numbers come those of the only layer that doubles the sides
    assert G.adain_sizes == [16, 16, 4]
    assert start == sum(G.adain_sizes[:2])
    nn.init.zeros_(G.mlp[-1].weight)
    seen = []
    G.out.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    with torch.no_grad():
        G.mlp[-1].bias[start : start + 2] = torch.tensor([1.0, 2.0], dtype=torch.float64)
        G(torch.randn(1, 3, 32, 32, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.float64))
    torch.testing.assert_close(seen[0].mean((0, 2, 3)), torch.tensor([1.0, 2.0], dtype=torch.float64))
    assert seen[0].var() == pytest.approx(0.25, rel=1e-3)  # constant maps of 1 and 2


def test_filter_response_norm_starts_as_relu_of_x_over_its_size() -> None:
    norm, x = FilterResponseNorm(4), torch.randn(2, 4, 5, 5) * 3
    size = (x.square().mean((2, 3), keepdim=True) + 1e-6).sqrt()
    torch.testing.assert_close(norm(x), (x / size).relu())
    nn.init.constant_(norm.floor, 0.7)
    assert norm(x).min().item() == pytest.approx(0.7)
    assert norm(x.bfloat16()).dtype == torch.float32


def test_discriminator_block_equals_pooling_after_the_shortcut() -> None:
    """As in the authors' code: the shortcut's convolution, then the mean of four."""
    block, x = DiscriminatorBlock(3, 5, halve=True), torch.randn(2, 3, 8, 8)
    inside = block.second(nnf.avg_pool2d(block.first(x), 2))
    torch.testing.assert_close(block(x), (nnf.avg_pool2d(block.shortcut(x), 2) + inside) / math.sqrt(2))
    same = DiscriminatorBlock(3, 3, halve=False)
    assert isinstance(same.shortcut, nn.Identity)
    torch.testing.assert_close(same(x), (x + same.second(same.first(x))) / math.sqrt(2))


def test_a_domain_trains_its_own_head_alone() -> None:
    D = Discriminator(3, 4, 32, 5)
    D(torch.randn(3, 3, 32, 32), torch.full((3,), 2)).sum().backward()
    for p in (D.heads.weight, D.heads.bias):
        assert p.grad is not None
        assert p.grad.flatten(1).abs().sum(1).nonzero()[:, 0].tolist() == [2] if p.dim() > 1 else True
    assert D.heads.bias.grad.nonzero()[:, 0].tolist() == [2]


def test_heads_are_picked_by_row() -> None:
    D = Discriminator(3, 4, 32, 5)
    x = torch.randn(3, 3, 32, 32)
    everything = D.heads(D.body(x))[:, :, 0, 0]
    torch.testing.assert_close(D(x, torch.tensor([4, 0, 2])), everything[[0, 1, 2], [4, 0, 2]])
