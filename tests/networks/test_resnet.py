import pytest
import torch
from methods.parts import count, spread, without_norms
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.modules.init import normal
from instar.modules.norms import InstanceNorm
from instar.modules.resample import BlurDown, BlurUp
from instar.networks.resnet import REACH, ResnetGenerator

NCE = ("pixels", "down1", "down2", "block1", "block5")


@pytest.mark.parametrize("antialias", [False, True])
def test_parameters_of_every_layer(antialias: bool) -> None:
    with torch.device("meta"):
        net = ResnetGenerator(antialias=antialias)
    parts = {name: count(layer) for name, layer in net.encoder.named_children()}
    assert (parts["stem"], parts["down1"], parts["down2"]) == (9_472, 73_856, 295_168)
    assert {parts[f"block{i}"] for i in range(1, 10)} == {1_180_160}
    assert [n for layer in net.decoder if (n := count(layer))] == [295_040, 73_792, 9_411]
    assert count(net) == 11_378_179


def by_table(net: ResnetGenerator, x: Tensor, blocks: int, antialias: bool) -> Tensor:
    """The network as the sheet of the paper lists it, line by line, with the weights of `net` in order."""
    weights = iter(list(net.parameters()))

    def conv(x: Tensor, stride: int = 1, zeros: int = 0, reflect: int = 0) -> Tensor:
        x = nnf.pad(x, (reflect,) * 4, mode="reflect") if reflect else x
        return nnf.conv2d(x, next(weights), next(weights), stride, zeros)

    x = nnf.instance_norm(conv(x, reflect=3)).relu()
    for _ in range(2):
        x = nnf.instance_norm(conv(x, stride=1 if antialias else 2, zeros=1)).relu()
        x = BlurDown()(x) if antialias else x  # after the activation
    for _ in range(blocks):
        inside = nnf.instance_norm(conv(x, reflect=1)).relu()
        x = x + nnf.instance_norm(conv(inside, reflect=1))
    for _ in range(2):
        if antialias:
            x = conv(BlurUp()(x), zeros=1)
        else:
            x = nnf.conv_transpose2d(x, next(weights), next(weights), stride=2, padding=1, output_padding=1)
        x = nnf.instance_norm(x).relu()
    return conv(x, reflect=3).tanh()


@pytest.mark.parametrize("antialias", [False, True])
def test_equals_the_table(antialias: bool) -> None:
    torch.manual_seed(0)
    net = normal(ResnetGenerator(3, 4, 2, antialias=antialias), 0.2).double()
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn_like(p))  # biases too
    x = torch.rand(2, 3, 20, 16, dtype=torch.float64) * 2 - 1
    torch.testing.assert_close(net(x), by_table(net, x, 2, antialias))


@pytest.mark.parametrize(("blocks", "parameters"), [(6, 7_837_699), (9, 11_378_179)])
def test_parameters(blocks: int, parameters: int) -> None:
    with torch.device("meta"):
        assert count(ResnetGenerator(blocks=blocks)) == parameters


@pytest.mark.parametrize("antialias", [False, True])
def test_declared_channels_are_those_seen(antialias: bool) -> None:
    net = ResnetGenerator(1, 4, 2, antialias=antialias)
    out, seen = net.trace(torch.rand(1, 1, 16, 20), list(net.channels))
    assert {name: f.shape[1] for name, f in seen.items()} == net.channels
    assert out.shape == (1, 1, 16, 20)


def test_receptive_fields_of_the_compared_layers() -> None:
    """CUT's 1, 9, 15, 35 and 99 px hold for the anti-aliased network."""
    net = without_norms(ResnetGenerator(1, 1, 5, antialias=True), InstanceNorm)
    assert isinstance(net, ResnetGenerator)

    class Features(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            return list(self.net.encode(x, NCE).values())

    assert spread(Features(), torch.rand(1, 1, 160, 160) + 0.5) == [1, 9, 15, 35, 99]


@pytest.mark.parametrize("antialias", [False, True])
def test_trace_and_encode_agree_with_forward(antialias: bool) -> None:
    """In-place activations must not overwrite what was met on the way."""
    torch.manual_seed(0)
    net = normal(ResnetGenerator(3, 4, 2, antialias=antialias), 0.3)
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    layers = list(net.channels)
    out, seen = net.trace(x, layers)
    torch.testing.assert_close(out, net(x))
    found = net.encode(x, layers)
    walked = x
    for name, layer in net.encoder.named_children():
        walked = layer(walked)
        torch.testing.assert_close(seen[name], found[name])
        torch.testing.assert_close(seen[name], walked.clone())


def test_encode_goes_no_further_than_asked() -> None:
    net = ResnetGenerator(3, 4, 3)
    met: list[str] = []
    for name, layer in net.encoder.named_children():
        layer.register_forward_pre_hook(lambda *_, name=name: met.append(name))
    net.encode(torch.rand(1, 3, 16, 16), ("down1", "block1"))
    assert met[-1] == "block1"


def test_unknown_layer() -> None:
    with pytest.raises(ValueError, match=r"no encoder layer named \['block9'\]; there is: pixels, stem"):
        ResnetGenerator(3, 4, 1).encode(torch.rand(1, 3, 16, 16), ("block9",))


@pytest.mark.parametrize("antialias", [False, True])
def test_sides_are_rounded_up_to_multiples_of_4(antialias: bool) -> None:
    net = ResnetGenerator(3, 4, 1, antialias=antialias)
    assert net.size_divisor == 4
    assert net(torch.rand(1, 3, 14, 17)).shape == (1, 3, 16, 20)


@pytest.mark.parametrize("antialias", [False, True])
def test_range_and_independence_of_batch_mates(antialias: bool) -> None:
    torch.manual_seed(0)
    net = normal(ResnetGenerator(3, 8, 2, antialias=antialias), 0.05)
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    out = net(x)
    assert out.abs().max() < 1
    torch.testing.assert_close(out, torch.cat([net(x[:1]), net(x[1:])]), atol=1e-5, rtol=0)


def test_residual_block_adds_without_an_activation() -> None:
    """With all weights 0 a block hands on its input, negative numbers too."""
    net = ResnetGenerator(3, 4, 1)
    for p in net.encoder.block1.parameters():
        nn.init.zeros_(p)
    x = torch.randn(1, 16, 8, 8)
    assert torch.equal(net.encoder.block1(x), x)


def test_with_a_skip_a_silent_network_copies() -> None:
    """Up to the reach of the tanh, beyond which a pixel could hardly be moved."""
    G = ResnetGenerator(width=4, blocks=1, skip=True)
    with torch.no_grad():
        for p in G.parameters():
            p.zero_()
    x = torch.linspace(-1, 1, 3 * 16 * 16).reshape(1, 3, 16, 16)
    torch.testing.assert_close(G(x), x.clamp(-REACH, REACH))
    torch.testing.assert_close(G.trace(x, ["down1"])[0], G(x))
    x.requires_grad_()
    (slope,) = torch.autograd.grad(G(x.clone()).sum(), G.decoder[-1].bias)
    assert slope.abs().min() > 0.1
