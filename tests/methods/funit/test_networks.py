import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.methods.funit.networks import Discriminator, DiscriminatorBlock, Generator
from methods.parts import count


def test_parameter_counts() -> None:
    """Those of the authors' networks: 128 px, 119 classes."""
    with torch.device("meta"):
        net = Generator()
        assert (count(net.content), count(net.style), count(net.mlp)) == (12_202_112, 2_779_328, 1_135_104)
        assert count(net.blocks) + count(net.out) == 13_749_891
        assert count(net) == 29_866_435
        assert count(Discriminator()) == 54_252_599


def test_shapes_at_the_papers_size() -> None:
    with torch.device("meta"):
        net, x = Generator(), torch.empty(2, 3, 128, 128)
        assert net.content(x).shape == (2, 512, 16, 16)
        assert net.style(x).shape == (2, 64)
        assert net(x, torch.empty(2, 64)).shape == x.shape
        maps, features = Discriminator()(x, torch.empty(2, dtype=torch.int64))
        assert (maps.shape, features.shape) == ((2, 8, 8), (2, 1024))


def by_hand(block: DiscriminatorBlock, x: Tensor) -> Tensor:
    def conv(x: Tensor, layer: nn.Module) -> Tensor:
        padded = nnf.pad(nnf.leaky_relu(x, 0.2), [1] * 4, mode="reflect")
        return nnf.conv2d(padded, layer[1].weight, layer[1].bias)  # type: ignore[index]

    return block.shortcut(x) + conv(conv(x, block.first), block.second)  # type: ignore[no-any-return]


@pytest.mark.parametrize("cout", [3, 5])
def test_discriminator_block_by_hand(cout: int) -> None:
    torch.manual_seed(0)
    block, x = DiscriminatorBlock(3, cout), torch.randn(2, 3, 6, 7)
    torch.testing.assert_close(block(x), by_hand(block, x))


def test_each_class_has_a_map_of_its_own() -> None:
    torch.manual_seed(0)
    net, x = Discriminator(3, 2, 3), torch.randn(2, 3, 32, 32)
    maps, features = net(x, torch.tensor([2, 0]))
    whole = net.heads(nnf.leaky_relu(net.body(x), 0.2))
    assert torch.equal(maps, torch.stack([whole[0, 2], whole[1, 0]]))
    torch.testing.assert_close(features, net.body(x).mean((2, 3)))
    maps.sum().backward()
    assert net.heads.weight.grad is not None
    assert [bool(row.any()) for row in net.heads.weight.grad] == [True, False, True]
