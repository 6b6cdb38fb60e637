"""L1 U-Net: regression to the true pair, without an adversary (the row "L1" in table 1 of pix2pix)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor
from torch.nn.functional import l1_loss as l1

from instar.core.batch import Domain, Paired
from instar.core.config import MethodConfig, Preset
from instar.core.method import Method, Objectives, Paper
from instar.core.objective import Objective, term
from instar.core.progress import Progress
from instar.modules.init import normal
from instar.networks.unet import UNet


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    """Options of the L1 U-Net."""

    width: int = 64
    """Channels after the first convolution."""
    downs: int = 8
    """Halvings of the U-Net: 8 takes 256 px to 1, 6 takes 64 px to 1."""


@final
class L1UNet(Method[Paired]):
    """A U-Net that draws the true pair as closely as it can, pixel by pixel.

    min_G  L_L1(G)     (eq. 3)

    Terms:
        G/l1: mean |G(x) - y|

    Differs from the paper:
        Instance norm, and no dropout: one input has one translation.
    """

    options = Config
    cfg: Config
    paper = Paper(
        "Image-to-Image Translation with Conditional Adversarial Networks",
        "Isola, Zhu, Zhou, Efros",
        2017,
        "https://arxiv.org/abs/1611.07004",
    )
    data = Paired
    targets = ("b",)
    translators = ("G",)
    presets = {
        "paper": Preset(about="256 px, as long as the paper trains on facades", train={"steps": 80_000}),
        "small": Preset(
            about="64 px on a CPU",
            method={"width": 32, "downs": 6},
            data={"size": 64},
            train={"steps": 6000, "batch": 4},
        ),
        "tiny": Preset(
            about="32 px, for tests",
            method={"width": 4, "downs": 5},
            data={"size": 32},
            train={"steps": 20, "ema": 100},
        ),
    }

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        self.G = normal(UNet(cfg.channels, cfg.width, cfg.downs, norm="instance", dropout_at=()))
        self.size_divisor = self.G.size_divisor

    def objectives(self, batch: Paired, at: Progress) -> Objectives:
        """Move the generator."""
        x, y = batch.a, batch.b
        yield Objective("G", over=(self.G,), loss=term("l1", l1(self.G(x), y)))

    def translate(self, x: Tensor, *, to: Domain = "b") -> Tensor:
        """Translate with G."""
        out: Tensor = self.G(x)
        return out
