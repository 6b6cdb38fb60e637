import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.methods.unsb.networks import TimedGenerator, TimedPatchGAN
from instar.modules.waves import waves
from methods.parts import count


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_parameters() -> None:
    """The authors', less a layer of each block that they never use; CUT's and what tells of noise and place."""
    with torch.device("meta"):
        assert count(TimedGenerator()) == 14_684_419 - 9 * (256 * 512 + 512) == 13_500_163
        assert count(TimedPatchGAN()) == 2_764_737 + 2 * 65_792 + 256 * 960 + 960 == 3_143_041
        assert count(TimedPatchGAN(12)) == 3_143_041 + 9 * 64 * 16
        assert count(TimedGenerator(antialias=False)) == count(TimedGenerator())


def lively(net: nn.Module) -> nn.Module:
    net.double()
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return net


def test_generator_by_hand() -> None:
    net = TimedGenerator(3, 4, 2)
    lively(net)
    x, z = torch.rand(2, 3, 16, 20, dtype=torch.float64) * 2 - 1, torch.randn(2, 16, dtype=torch.float64)
    number = torch.tensor([0, 3])
    unit = z / (z.pow(2).mean(1, keepdim=True) + 1e-8).sqrt()
    noise, time = unit, waves(number, 4).double()
    for layer in net.noise:
        noise = layer(noise)
    for layer in net.time:
        time = layer(time)
    h = net.encoder(x)
    for block in net.blocks.values():
        inside = nnf.instance_norm(nnf.conv2d(nnf.pad(h, [1] * 4, "reflect"), *conv(block.first)))
        told = block.of_noise(noise)
        inside = inside * (1 + told[:, :16, None, None]) + told[:, 16:, None, None]
        inside = (inside + block.of_time(time)[:, :, None, None]).relu()
        h = h + nnf.instance_norm(nnf.conv2d(nnf.pad(inside, [1] * 4, "reflect"), *conv(block.second)))
    torch.testing.assert_close(net(x, number, z), net.decoder(h).tanh())


def conv(layers: nn.Module) -> tuple[Tensor, Tensor]:
    return layers[1].weight, layers[1].bias  # type: ignore[index]


def test_features_are_those_on_the_way() -> None:
    net = TimedGenerator(3, 4, 2)
    x, z, number = torch.rand(1, 3, 16, 16), torch.randn(1, 16), torch.tensor([1])
    found = net.encode(x, number, z, ("pixels", "down1", "block1"))
    assert {name: f.shape[1] for name, f in found.items()} == {"pixels": 3, "down1": 8, "block1": 16}
    assert {name: net.channels[name] for name in found} == {"pixels": 3, "down1": 8, "block1": 16}
    torch.testing.assert_close(found["pixels"], nnf.pad(x, [3] * 4, "reflect"))


@pytest.mark.parametrize("make", [lambda: TimedGenerator(3, 4, 1), lambda: TimedPatchGAN(3, 4)], ids=["G", "D"])
def test_the_place_and_the_noise_are_seen(make) -> None:
    net = lively(make())
    x = torch.rand(1, 3, 32, 32, dtype=torch.float64)
    given = [torch.randn(1, 16, dtype=torch.float64)] if isinstance(net, TimedGenerator) else []
    first, second = (net(x, torch.tensor([number]), *given) for number in (0, 1))
    assert not torch.allclose(first, second)
    if given:
        assert not torch.allclose(first, net(x, torch.tensor([0]), -given[0]))
        torch.testing.assert_close(first, net(x, torch.tensor([0]), 3 * given[0]))  # its length says nothing


@pytest.mark.parametrize("antialias", [True, False])
def test_discriminator_sees_patches(antialias: bool) -> None:
    net = TimedPatchGAN(3, 2, antialias=antialias)
    out = net(torch.zeros(2, 3, 64, 64), torch.tensor([0, 1]))
    assert out.shape[:2] == (2, 1)
    assert out.shape[2] in (6, 5)


def test_a_skip_starts_as_a_copy() -> None:
    net, x = TimedGenerator(3, 4, 1, skip=True), torch.rand(1, 3, 16, 16) * 1.6 - 0.8
    nn.init.zeros_(net.decoder[-1].weight)  # type: ignore[arg-type]
    torch.testing.assert_close(net(x, torch.tensor([0]), torch.randn(1, 16)), x, atol=1e-5, rtol=0)
