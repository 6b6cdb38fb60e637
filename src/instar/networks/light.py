"""A light generator against a discriminator that sees the whole image: targets are seen after minutes on one core.

The discriminator is shown a real image and a made one, and learns which looks more real, as in R3GAN (Huang et al.
2024, https://arxiv.org/abs/2501.05441); the inputs are further fakes: it does not forget what the target is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from instar.core.config import Optim, Preset, RunConfig, under_preset
from instar.core.errors import UserError, setting
from instar.core.method import same_side
from instar.core.settings import Bounds
from instar.modules.diffaug import diffaug
from instar.networks.blend import BlendGenerator
from instar.networks.resnet_patchgan import ResnetConfig
from instar.networks.whole import WholeDiscriminator

LAZY = 8
"""Steps between two penalties, which then weigh as much as eight (Karras et al. 2020, appendix B)."""
RATE_D = 2.0
"""The discriminator's rate, in rates of the generator: the two time scales of Heusel et al. 2017."""
PENALTY = 0.2
"""γ of the penalties on the discriminator's gradient, at 64 px."""
EACH_PENALTY = LAZY * PENALTY / 2
"""Weight of a penalty that comes every LAZY steps."""
OF_THE_PAPER = ("width", "blocks", "patch_norm", "antialias", "skip", "pool")
"""Settings of the paper's networks, and of its past fakes, which light ones do not have."""
LIGHT: Mapping[str, Any] = {"light": 64, "optim": {"lr": 1e-3, "betas": (0.0, 0.99), "hold": 0.75}}
"""Options for a few thousand steps at 64 px."""
DATA: Mapping[str, Any] = {"size": 64, "zoom": 1.0}
TRAIN: Mapping[str, Any] = {"batch": 4, "ema": 1500, "save_every": 1000, "preview_every": 1000}
"""Data and training of the presets with these networks; a method adds the steps that take half an hour or less."""


@dataclass(frozen=True, kw_only=True)
class LightConfig(ResnetConfig):
    """Options of methods that train the networks of their paper or light ones."""

    light: Annotated[int, Bounds(0, 256)] = 0
    """Side of the images (32, 64, 128 or 256) for which light networks of fixed widths are built, with their own loss,
    penalties and rates (see Quick); 0 for the paper's networks and loss."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.light & (self.light - 1) or 0 < self.light < 32:
            raise UserError(f"{setting('method.light', self.light)}: take 0, 32, 64, 128 or 256")


def check_light(config: RunConfig, light: int, presets: Mapping[str, Preset]) -> str:
    """Refuse images of another side than light networks are built for, and settings that do nothing to them.

    Args:
        config: of the run.
        light: their side, 0 for none.
        presets: of the method. What a preset says of networks that it does not build is nobody's wish.
    """
    if not light:
        return ""
    same_side(config, light, "light")
    if config.preset in presets:  # a run may be of one that is no longer there
        usual = under_preset(config.name, type(config.method), presets, config.preset).method
        for name in OF_THE_PAPER:
            asked = getattr(config.method, name, None)
            if asked != getattr(usual, name, None):
                whose = setting("method.light", light)
                raise UserError(
                    f"{setting(f'method.{name}', asked)}: light networks ({whose}) have fixed widths and no such "
                    f"setting; leave it out, or take {setting('method.light', 0)}"
                )
    return ""


def light_generator(channels: int, side: int, width: int = 64, blocks: int = 4) -> BlendGenerator:
    """Return a generator for images (N, channels, side, side); on a CPU channels last is faster by a sixth."""
    net = BlendGenerator(channels, width, blocks, width // 4, side)
    return net.to(memory_format=torch.channels_last)


def whole_discriminator(channels: int, side: int, width: int = 32) -> WholeDiscriminator:
    """Return a discriminator for images (N, channels, side, side)."""
    return WholeDiscriminator(channels, width, side).to(memory_format=torch.channels_last)


def augment(x: Tensor) -> Tensor:
    """Return images as D sees them: moved, half of them with a hole that is too small to hide what has to change."""
    return diffaug(x, hole=3 / 8, holed=0.5, mirrored=True)


def outputs(D: nn.Module, *images: Tensor) -> tuple[Tensor, ...]:
    """Return D's raw outputs (N,) for each of several batches (N, C, H, W) of equal length, seen in one pass."""
    return D(augment(torch.cat(images))).split(len(images[0]))  # type: ignore[no-any-return]


def at_leaves(D: nn.Module, *images: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return D's raw outputs (N,) and images as it sees them, which require a gradient, for each of several batches."""
    seen = [augment(one.detach()).requires_grad_() for one in images]
    return [(D(one), one) for one in seen]


def lazy_rate(given: Optim) -> Optim:
    """Return D's optimiser settings, beside those of G: a higher rate, and a step more for every penalty (LAZY)."""
    share = LAZY / (LAZY + 1)
    return replace(given, lr=RATE_D * share * given.lr, betas=(given.betas[0] ** share, given.betas[1] ** share))
