import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as nnf
from torch.nn.utils.parametrize import is_parametrized

from instar.methods.ugatit.adalin import LIN, AdaLIN
from instar.methods.ugatit.networks import CAM, Discriminator, Generator
from instar.modules.init import normal
from methods.parts import count, spread

G_PARTS = {"encoder": 5_096_640, "cam": 131_840, "blocks": 4_720_640, "up": 369_216, "out": 9_408}


@pytest.mark.parametrize(
    ("side", "read", "all_of_it"),
    [(256, 268_500_992, 278_959_808), (128, 67_174_400, 77_633_216), (512, 1_073_807_360, 1_084_266_176)],
)
def test_parameters_of_the_full_generator(side: int, read: int, all_of_it: int) -> None:
    with torch.device("meta"):
        net = Generator(side=side)
    parts = {name: count(part) for name, part in net.named_children()}
    assert parts == {**G_PARTS, "read": read, "gamma": 65_536, "beta": 65_536}
    assert count(net) == all_of_it


def test_parameters_of_the_light_generator() -> None:
    """Full and light differ in the first matrix after the map alone."""
    with torch.device("meta"):
        net, full = Generator(), Generator(side=256)
    assert count(net) == 10_589_888
    assert count(full) - count(net) == 268_369_920
    others, all_others = (
        {name: p.shape for name, p in one.named_parameters() if name != "read.0.weight"} for one in (net, full)
    )
    assert others == all_others
    assert net.read[0].weight.numel() == 65_536
    assert full.read[0].weight.shape == (256, 1_048_576)


def test_parameters_of_a_discriminator() -> None:
    """The local one; the tests of the method count both."""
    assert count(Discriminator(downs=3)) == 3_290_560


@pytest.mark.parametrize(("downs", "sees"), [(1, 16), (2, 34), (3, 70), (4, 142), (5, 286)])
def test_patches_of_the_discriminators(downs: int, sees: int) -> None:
    class Patches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Discriminator(1, 1, downs)

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x).patches

    side = 2 ** (downs + 5)  # far from the edges, whose reflection would be seen twice
    assert spread(Patches(), torch.rand(1, 1, min(side, 640), min(side, 640)) + 0.5) == [sees]


@pytest.mark.parametrize(
    ("downs", "side", "patches"),
    [(5, 256, 6), (3, 256, 30), (5, 96, 1), (5, 128, 2), (3, 32, 2), (3, 64, 6), (3, 96, 10), (3, 128, 14), (4, 48, 1)],
)
def test_shapes_of_the_discriminators(downs: int, side: int, patches: int) -> None:
    net = Discriminator(1, 1, downs)
    maps: list[torch.Size] = []
    net.cam.register_forward_hook(lambda _, __, out: maps.append(out[0].shape))
    judged = net(torch.rand(2, 1, side, side))
    assert judged.patches.shape == (2, 1, patches, patches)
    assert judged.cam.shape == (2, 2)
    assert maps[0][-2:] == (patches + 1, patches + 1)


@pytest.mark.parametrize("downs", [1, 3, 5])
def test_smallest_image_of_a_discriminator(downs: int) -> None:
    net, smallest = Discriminator(1, 1, downs), Discriminator.smallest(downs)
    assert net(torch.rand(1, 1, smallest, smallest)).patches.shape[2:] == (1, 1)
    with pytest.raises(RuntimeError, match=r"[Pp]adding"):
        net(torch.rand(1, 1, smallest - 1, smallest - 1))


def conv(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, pad: int) -> Tensor:
    return nnf.conv2d(nnf.pad(x, (pad,) * 4, mode="reflect"), weight, bias, stride)


def attended(x: Tensor, cam: CAM, shared: bool) -> tuple[Tensor, Tensor]:
    """The sheet's row: two pools, two classifiers, two weighted maps side by side, 1x1 convolution."""
    one, two = cam.average, cam.average if shared else cam.maximum
    gap = nnf.linear(nnf.adaptive_avg_pool2d(x, 1).flatten(1), one.weight, one.bias)
    gmp = nnf.linear(nnf.adaptive_max_pool2d(x, 1).flatten(1), two.weight, two.bias)
    extra = one.bias if shared else 0
    both = [x * (fc.weight + extra)[0, :, None, None] for fc in (one, two)]
    return nnf.conv2d(torch.cat(both, 1), cam.mix.weight, cam.mix.bias), torch.cat([gap, gmp], 1)


def normed(x: Tensor, rho: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    def normed(axes: tuple[int, ...]) -> Tensor:
        return (x - x.mean(axes, keepdim=True)) / (x.var(axes, keepdim=True) + 1e-5).sqrt()

    inside = rho[:, None, None] * normed((2, 3)) + (1 - rho[:, None, None]) * normed((1, 2, 3))
    return gamma[..., None, None] * inside + beta[..., None, None]


def by_table(net: Generator, x: Tensor, blocks: int, shared: bool) -> tuple[Tensor, Tensor, Tensor]:
    """The generator as the sheet lists it, with the weights of `net` in order: image, logits, heat."""
    encoder = iter(list(net.encoder.parameters()))
    for stride, pad in ((1, 3), (2, 1), (2, 1)):
        x = nnf.instance_norm(conv(x, next(encoder), None, stride, pad)).relu()
    for _ in range(blocks):
        inside = nnf.instance_norm(conv(x, next(encoder), None, 1, 1)).relu()
        x = x + nnf.instance_norm(conv(inside, next(encoder), None, 1, 1))
    x, logits = attended(x, net.cam, shared)
    x = x.relu()
    heat = x.sum(1)
    read = x.flatten(1) if net.side else x.mean((2, 3))
    first, second = net.read.parameters()
    read = ((read @ first.T).relu() @ second.T).relu()
    gamma, beta = read @ net.gamma.weight.T, read @ net.beta.weight.T
    for block in net.blocks:
        inside = normed(conv(x, block.conv1.weight, None, 1, 1), block.norm1.rho, gamma, beta).relu()
        x = x + normed(conv(inside, block.conv2.weight, None, 1, 1), block.norm2.rho, gamma, beta)
    up = iter(list(net.up.parameters()))
    for _ in range(2):
        x = conv(nnf.interpolate(x, scale_factor=2, mode="nearest"), next(up), None, 1, 1)
        rho, *learned = next(up), next(up), next(up)
        x = normed(x, rho, *learned).relu()
    return conv(x, net.out.weight, None, 1, 3).tanh(), logits, heat


def shaken(net: nn.Module) -> Any:
    """Double precision, every parameter away from its start, ρ inside its bounds."""
    with torch.no_grad():
        for name, p in net.double().named_parameters():
            p.copy_(torch.rand_like(p) if name.endswith("rho") else p + 0.2 * torch.randn_like(p))
    return net


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("side", [None, 20])
def test_generator_equals_the_table(side: int | None, shared: bool) -> None:
    torch.manual_seed(0)
    net = shaken(normal(Generator(3, 4, 2, side=side, shared_cam=shared)))
    x = torch.rand(2, 3, 20, side or 28, dtype=torch.float64) * 2 - 1
    image, logits, heat = by_table(net, x, 2, shared)
    torch.testing.assert_close(net(x), image)
    features, found = net.encode(x)
    torch.testing.assert_close(found, logits)
    torch.testing.assert_close(features.sum(1), heat)
    assert logits.abs().min() > 1e-3


@pytest.mark.parametrize("shared", [False, True])
def test_discriminator_equals_the_table(shared: bool) -> None:
    """Both the logits and the weighting take the classifiers' normalised weights."""
    torch.manual_seed(0)
    net = shaken(Discriminator(3, 4, 2, shared_cam=shared)).eval()
    x = torch.rand(2, 3, 24, 20, dtype=torch.float64) * 2 - 1
    found = net(x)
    y = x
    for layer, stride in zip(net.body[::2], (2, 2, 1), strict=True):
        y = nnf.leaky_relu(conv(y, layer.weight, layer.bias, stride, 1), 0.2)
    y, logits = attended(y, net.cam, shared)
    torch.testing.assert_close(found.cam, logits)
    torch.testing.assert_close(found.patches, conv(nnf.leaky_relu(y, 0.2), net.last.weight, None, 1, 1))
    assert net.last.bias is None


def test_spectral_norm_is_everywhere_but_in_the_mixing_convolution() -> None:
    net = Discriminator(3, 4, 2)
    plain = [name for name, _ in net.named_parameters() if name.endswith("weight")]
    assert plain == ["cam.mix.weight"]
    assert sum(name.endswith("weight.original") for name, _ in net.named_parameters()) == 3 + 2 + 1


@pytest.mark.parametrize("shared", [False, True])
def test_one_power_iteration_a_pass(shared: bool) -> None:
    """Though the attention takes its weights twice, for the logit and for the map."""
    net = Discriminator(3, 4, 2, shared_cam=shared)
    once = copy.deepcopy(net)
    net(torch.rand(1, 3, 24, 24))
    layers = [module for module in once.modules() if is_parametrized(module, "weight")]
    assert len(layers) == (5 if shared else 6)
    for layer in layers:
        _ = layer.weight
    for (name, moved), (_, expected) in zip(net.named_buffers(), once.named_buffers(), strict=True):
        assert torch.equal(moved, expected), name


@pytest.mark.parametrize("shared", [False, True])
def test_logits_of_a_flat_map(shared: bool) -> None:
    """Average and maximum are the same, so one classifier says the same of both; two do not."""
    torch.manual_seed(0)
    cam = shaken(CAM(6, shared=shared))
    flat = torch.randn(2, 6, 1, 1, dtype=torch.float64).expand(2, 6, 4, 4)
    average, maximum = cam(flat)[1].unbind(1)
    assert torch.allclose(average, maximum) == shared


def test_start_of_rho() -> None:
    net = normal(Generator(width=8))
    adaptive = [m.rho for m in net.modules() if isinstance(m, AdaLIN)]
    learned = [m.rho for m in net.modules() if isinstance(m, LIN)]
    assert [len(rho) for rho in adaptive] == [32] * 8
    assert [len(rho) for rho in learned] == [16, 8]
    assert all(bool((rho == 0.9).all()) for rho in adaptive)
    assert not any(bool(rho.any()) for rho in learned)
    with torch.device("meta"):
        assert sum(p.numel() for name, p in Generator().named_parameters() if name.endswith("rho")) == 8 * 256 + 192


def test_the_full_generator_takes_one_size() -> None:
    net = Generator(3, 2, 1, side=32)
    assert net(torch.rand(1, 3, 32, 32)).shape == (1, 3, 32, 32)
    for shape in ((1, 3, 64, 64), (1, 3, 32, 16), (1, 3, 16, 64)):  # the last has as many pixels
        with pytest.raises(ValueError, match="takes images of 32 x 32 px only, not"):
            net(torch.rand(shape))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 64), (96, 128), (16, 20)])
def test_the_light_generator_takes_multiples_of_4(height: int, width: int) -> None:
    torch.manual_seed(0)
    net = normal(Generator(3, 2, 1), 0.3)
    out = net(torch.rand(2, 3, height, width))
    assert out.shape == (2, 3, height, width)
    assert 0 < out.abs().max() <= 1


def test_heat() -> None:
    torch.manual_seed(0)
    net = shaken(normal(Generator(3, 4, 1))).float()
    x = torch.rand(2, 3, 24, 16) * 2 - 1
    assert net.encode(x)[0].min() == 0  # after a ReLU
    heat = net.heat_map(x)
    assert heat.shape == (2, 6, 4)
    for one, features in zip(heat, net.encode(x)[0], strict=True):
        raw = features.sum(0)
        assert (one.min(), one.max()) == (0, 1)
        torch.testing.assert_close(one, (raw - raw.min()) / (raw.max() - raw.min()))


def test_a_flat_heat_map_is_0() -> None:
    net = Generator(3, 4, 1)
    nn.init.zeros_(net.cam.mix.weight)
    nn.init.ones_(net.cam.mix.bias)
    assert torch.equal(net.heat_map(torch.rand(2, 3, 16, 16)), torch.zeros(2, 4, 4))


@pytest.mark.parametrize("norm", ["adain", "instance", "layer", "group"])
def test_other_norms_of_the_decoder(norm: Any) -> None:
    """AdaIN is AdaLIN with ρ at 1; the others have their own scale and shift, and no network to make them."""
    torch.manual_seed(0)
    net = normal(Generator(3, 4, 1, side=16, norm=norm))
    names = {name for name, _ in net.named_children()}
    x = torch.rand(2, 3, 16, 16)
    assert net(x).shape == x.shape
    if norm == "adain":
        twin = normal(Generator(3, 4, 1, side=16))
        twin.load_state_dict(net.state_dict(), strict=False)
        for module in twin.modules():
            if isinstance(module, (AdaLIN, LIN)):
                nn.init.ones_(module.rho)
        torch.testing.assert_close(net(x), twin(x))
        assert not [name for name, _ in net.named_parameters() if "rho" in name]
        return
    assert not {"read", "gamma", "beta"} & names
    assert net.side is None
    groups = [m.num_groups for m in net.modules() if isinstance(m, nn.GroupNorm)]
    assert groups == {"instance": [16, 16, 8, 4], "layer": [1, 1, 1, 1], "group": [16, 16, 8, 4]}[norm]


def test_groups_are_32_where_channels_allow() -> None:
    with torch.device("meta"):
        net = Generator(norm="group")
    assert {m.num_groups for m in net.modules() if isinstance(m, nn.GroupNorm)} == {32}


def test_without_attention() -> None:
    net, judge = Generator(3, 4, 1, attention=False), Discriminator(3, 4, 2, attention=False)
    x = torch.rand(2, 3, 16, 16)
    features, logits = net.encode(x)
    assert torch.equal(features, net.encoder(x))
    assert logits.shape == judge(x).cam.shape == (2, 0)
    assert judge(x).cam.shape == (len(x), 0)
    assert not [name for one in (net, judge) for name, _ in one.named_parameters() if "cam" in name]
