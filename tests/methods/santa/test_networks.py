import pytest
import torch
from torch import Tensor
from torch.nn import functional as nnf

from instar.methods.santa.networks import STYLE, PathGenerator
from methods.parts import count


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_parameters() -> None:
    """Those of CycleGAN's generator, and the scales and shifts of twelve norms of the decoder."""
    with torch.device("meta"):
        net = PathGenerator()
        norms = 10 * (STYLE + 1) * 512 + (STYLE + 1) * 256 + (STYLE + 1) * 128
        assert count(net) == 11_378_179 + norms + 2 * STYLE == 11_427_731
        assert count(PathGenerator(antialias=True)) - count(net) == 0
        assert (len(list(net.encoder)), len(net.blocks)) == (6 + 4, 5)


def by_table(net: PathGenerator, latent: Tensor, d: float) -> list[Tensor]:
    """The decoder as the authors' code lists it, layer by layer."""
    style = (net.ends[0] + d * (net.ends[1] - net.ends[0]))[None]
    weights = {name: p for name, p in net.named_parameters() if not name.startswith("encoder")}

    def normed(x: Tensor, name: str) -> Tensor:
        h = nnf.linear(style, weights[f"{name}.affine.weight"], weights[f"{name}.affine.bias"])
        gamma, beta = h[:, : x.shape[1], None, None], h[:, x.shape[1] :, None, None]
        return (1 + gamma) * nnf.instance_norm(x) + beta

    def conv(x: Tensor, name: str, pad: int) -> Tensor:
        return nnf.conv2d(nnf.pad(x, [pad] * 4, mode="reflect"), weights[f"{name}.weight"], weights[f"{name}.bias"])

    x, kept = latent, []
    for i in range(len(net.blocks)):
        inside = normed(conv(x, f"blocks.{i}.first.1", 1), f"blocks.{i}.norm1").relu()
        x = x + normed(conv(inside, f"blocks.{i}.second.1", 1), f"blocks.{i}.norm2")
        kept.append(x)
    found = [kept[0], kept[-2]]
    for i in range(2):
        twice = nnf.interpolate(x, scale_factor=2, mode="bilinear")
        wide = nnf.conv2d(twice, weights[f"ups.{i}.up.1.weight"], weights[f"ups.{i}.up.1.bias"], padding=1)
        found.append(wide)
        x = normed(wide, f"ups.{i}.norm").relu()
    return [*found, conv(x, "last.1", 3)]


@pytest.mark.parametrize("d", [0.0, 0.3, 1.0])
def test_decoder_by_hand(d: float) -> None:
    net = PathGenerator(3, 4, 9, antialias=True).double()
    x = torch.rand(1, 3, 16, 20, dtype=torch.float64) * 2 - 1
    latent = net.encoder(x)
    place = torch.tensor([d], dtype=torch.float64)
    expected = by_table(net, latent, d)
    for found, one in zip(net.trace(latent, place), expected, strict=True):
        torch.testing.assert_close(found, one)
    torch.testing.assert_close(net.decode(latent, place, x), expected[-1].tanh())


def test_images_have_places_of_their_own() -> None:
    net, x = PathGenerator(3, 4, 4).double(), torch.rand(2, 3, 16, 16, dtype=torch.float64)
    latent, place = net.encoder(x), torch.tensor([0.2, 0.9], dtype=torch.float64)
    for i in range(2):
        alone = net.decode(latent[i : i + 1], place[i : i + 1], x[i : i + 1])
        torch.testing.assert_close(net.decode(latent, place, x)[i : i + 1], alone)
    torch.testing.assert_close(net(x), net.decode(latent, torch.ones(2, dtype=torch.float64), x))


def test_a_skip_starts_as_a_copy() -> None:
    net, x = PathGenerator(3, 4, 4, skip=True), torch.rand(1, 3, 16, 16) * 1.6 - 0.8
    with torch.no_grad():
        net.last[1].weight.zero_()
        net.last[1].bias.zero_()
    torch.testing.assert_close(net(x), x, atol=1e-5, rtol=0)


@pytest.mark.parametrize("blocks", [0, 1, 2, 3])
def test_few_blocks(blocks: int) -> None:
    net = PathGenerator(3, 4, blocks)
    assert net(torch.zeros(1, 3, 16, 16)).shape == (1, 3, 16, 16)
    found = net.trace(net.encoder(torch.zeros(1, 3, 16, 16)), torch.zeros(1))
    assert len(found) == 3 + min(len(net.blocks), 2 if len(net.blocks) > 2 else 1)
