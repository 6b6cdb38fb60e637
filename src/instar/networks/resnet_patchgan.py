"""CycleGAN's pair of networks, a ResNet generator and a patch discriminator, with the options that they bring along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from instar.core.batch import Domain
from instar.core.config import MethodConfig
from instar.core.method import compares_domains
from instar.core.settings import Blocks, Width
from instar.networks.patchgan import PatchGAN
from instar.networks.resnet import ResnetGenerator

SMALL: Mapping[str, Any] = {
    "width": 32,  # half the paper's, and the blocks of 128 px: minutes on one core
    "blocks": 6,
    "patch_norm": "spectral",  # with instance norm a discriminator knows day from night, and teaches nothing
    "skip": True,  # to copy an image takes a generator with instance norm thousands of steps: here it starts as a copy
    "optim": {"lr": 5e-4, "hold": 0.1},  # a run of thousands of steps, not of hundred thousands
}
"""Options for a few thousand steps at 64 px, measured with CUT and CycleGAN."""


@dataclass(frozen=True, kw_only=True)
class ResnetConfig(MethodConfig):
    """Options of the networks. A method's Config adds its own."""

    width: Width = 64
    """Channels after the first convolution of all networks."""
    blocks: Blocks = 9
    """Residual blocks of the generators: 9 for 256 px and more, 6 for 128 px."""
    patch_norm: Literal["instance", "spectral"] = "instance"
    """Norm of the discriminators. spectral (Miyato et al. 2018) keeps sight of an image's overall colour."""
    antialias: bool = False
    """Blurred down- and upsampling instead of strided convolutions: no checkerboards."""
    skip: bool = False
    """Add the input to the generator's output: it starts as a copy and learns what to change. For short trainings."""


def resnet_generator(cfg: ResnetConfig, to: Domain = "b") -> ResnetGenerator:
    """Return a generator of images of a domain from those of the other, with PyTorch's own initial weights."""
    if cfg.skip:
        compares_domains(cfg, "skip", cfg.skip, "the generator's input with its output")
    channels, out = cfg.channels_of("a" if to == "b" else "b"), cfg.channels_of(to)
    return ResnetGenerator(channels, cfg.width, cfg.blocks, out=out, antialias=cfg.antialias, skip=cfg.skip)


def patch_discriminator(cfg: ResnetConfig, of: Domain = "b") -> PatchGAN:
    """Return a discriminator of images of a domain, with PyTorch's own initial weights."""
    return PatchGAN(cfg.channels_of(of), cfg.width, norm=cfg.patch_norm, antialias=cfg.antialias)
