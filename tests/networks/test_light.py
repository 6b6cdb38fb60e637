"""Light networks and how they play."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from instar.core.config import Optim
from instar.core.errors import UserError
from instar.core.method import defaults
from instar.losses.gan import r1
from instar.methods.cut import CUT
from instar.methods.cyclegan import CycleGAN
from instar.networks.light import (
    LAZY,
    OF_THE_PAPER,
    LightConfig,
    at_leaves,
    augment,
    check_light,
    lazy_rate,
    light_generator,
    outputs,
    whole_discriminator,
)


class Plane(nn.Module):
    """Weighs all colours of an image alike."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.slope * x.sum((1, 2, 3))


def test_half_of_the_images_have_a_small_hole() -> None:
    torch.manual_seed(0)
    seen = augment(torch.ones(400, 1, 64, 64))
    gray = (seen == 0).flatten(1).sum(1)
    assert 0.4 < (gray > 0).float().mean() < 0.6
    assert gray.max() == 24**2


def test_all_groups_are_seen_in_one_pass() -> None:
    """Gray images stay gray, moved and with holes: each group gets its own outputs."""
    torch.manual_seed(0)
    first, second, third = (torch.full((2, 1, 32, 32), value) for value in (0.0, 1.0, 2.0))
    a, b, c = outputs(Plane(), first, second, third)
    assert a.tolist() == [0.0, 0.0]
    assert all(0.5 * (1024 - 144) <= one <= 0.5 * 1024 for one in b.tolist())
    assert all(1024 - 144 <= one <= 1024 for one in c.tolist())


def test_slopes_of_a_plane() -> None:
    """Its gradient is 0.5 at each of 3 x 32 x 32 colours, and the penalty has one with respect to the slope."""
    D = Plane()
    images = torch.rand(2, 3, 32, 32, requires_grad=True)
    real, made = (r1(*pair) for pair in at_leaves(D, images, 2 * images))
    assert real.item() == made.item() == pytest.approx(0.25 * 3 * 1024)
    (change,) = torch.autograd.grad(real, D.slope)
    assert change.item() == pytest.approx(2 * 0.5 * 3 * 1024)
    assert images.grad is None


def test_lazy_rates() -> None:
    """Between two penalties D takes nine steps instead of eight: rate and memory are those of eight longer ones."""
    given = Optim(lr=1e-3, betas=(0.5, 0.99))
    own = lazy_rate(given)
    assert own.lr * (LAZY + 1) == pytest.approx(2 * given.lr * LAZY)
    for old, new in zip(given.betas, own.betas, strict=True):
        assert new ** (LAZY + 1) == pytest.approx(old**LAZY)


def test_sides() -> None:
    for side in (16, 48, 200):
        with pytest.raises(UserError, match=rf"light={side}: take 0, 32, 64, 128 or 256"):
            LightConfig(light=side)
    config = defaults("cut", CUT, "small")
    assert check_light(config, 64, CUT.presets) == ""
    assert check_light(config, 0, CUT.presets) == ""
    with pytest.raises(UserError, match=r"size=64: these networks take 128 px; .*another method.light"):
        check_light(config, 128, CUT.presets)


@pytest.mark.parametrize("name", OF_THE_PAPER)
def test_settings_that_do_nothing_are_refused(name: str) -> None:
    config = defaults("cyclegan", CycleGAN, "small")
    other = "spectral" if name == "patch_norm" else getattr(config.method, name) + 1
    changed = replace(config, method=replace(config.method, **{name: other}))
    with pytest.raises(
        UserError, match=rf"^method.{name}={other}: light networks .* leave it out, or take method.light=0"
    ):
        check_light(changed, 64, CycleGAN.presets)
    assert check_light(changed, 0, CycleGAN.presets) == ""
    assert check_light(replace(changed, preset="gone"), 64, CycleGAN.presets) == ""


@pytest.mark.parametrize("channels", [1, 3])
def test_networks_fit_their_side(channels: int) -> None:
    x = torch.rand(2, channels, 64, 64)
    assert light_generator(channels, 64)(x).shape == x.shape
    assert whole_discriminator(channels, 64)(x).shape == (2,)


def test_they_are_light() -> None:
    weights = [sum(p.numel() for p in net.parameters()) for net in (light_generator(3, 64), whole_discriminator(3, 64))]
    assert [round(count, -5) for count in weights] == [900_000, 800_000]
