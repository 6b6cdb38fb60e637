"""SPADE: Semantic Image Synthesis with Spatially-Adaptive Normalization."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, final

import torch
from torch import Tensor
from torch.nn.functional import l1_loss as l1

from instar.core.batch import Domain, Paired
from instar.core.config import MethodConfig, Optim, Preset
from instar.core.errors import UserError, setting
from instar.core.method import Method, Objectives, Paper
from instar.core.objective import Loss, Objective, term
from instar.core.precision import full_precision
from instar.core.progress import Progress
from instar.core.settings import Bounds, Depth, NonNegativeFloat, Width
from instar.losses.gan import Score, over_scales
from instar.losses.gan import hinge as gan
from instar.methods.spade.label_colours import LabelColours
from instar.methods.spade.networks import MultiScaleDiscriminator, Norm, SpatialGenerator


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    """Options of SPADE."""

    optim: Optim = field(default_factory=lambda: Optim(lr=1e-4, betas=(0.0, 0.9)))
    """Adam of the generator."""
    optim_d: Optim = field(default_factory=lambda: Optim(lr=4e-4, betas=(0.0, 0.9)))
    """Adam of the discriminator, four times as fast."""
    labels: Annotated[int, Bounds(0, 256)] = 0
    """Number of classes of the label maps: each becomes a channel, 1 where its colour is the nearest. Their colours are
    those that training maps show most. 0 takes the maps as the images that they are."""
    features: NonNegativeFloat = 10.0
    """Weight of the distance between the discriminator's features of an image and of its true pair."""
    norm: Norm = "running"
    """Norm before the map's scales and shifts: running, a batch norm with running averages, or instance, for batches of
    a few images."""
    width: Width = 64
    """Channels of the generator's last block and of the discriminator's first."""
    ups: Annotated[int, Bounds(2, 8)] = 5
    """Doublings of the generator: 5 begins 256 px with 8, 4 begins 64 px with 4."""
    hidden: Width = 128
    """Channels between the label map and the scales and shifts of a norm."""
    patch_layers: Annotated[int, Bounds(2, 8)] = 4
    """Convolutions of each discriminator before its last one."""
    scales: Depth = 2
    """Discriminators, each at half the resolution of the one before."""


@final
class SPADE(Method[Paired]):
    """A generator that sees the label map in every norm, as scales and shifts of each place.

    min_G max_D  -E D(m, G(m)) + λ L_FM(G, D),   D by the hinge loss (section 3)

    m is the label map, y its photograph. A norm is γ(m) (h - μ) / σ + β(m), μ and σ of each channel (eq. 1). D are
    several discriminators of patches at different scales.

    Terms:
        G/gan: D should take (m, G(m)) for real, mean over its scales
        G/features: mean |D_i(m, G(m)) - D_i(m, y)| summed over its layers i but the last, mean over its scales
        D/real: D on (m, y), mean over its scales
        D/fake: D on (m, G(m)), mean over its scales

    Differs from the paper:
        No loss on features of VGG, whose weights the paper has beside the discriminator's with the same weight of 10.
        No image encoder: a label map has one picture. The generator starts with a small copy of the map, which is the
        authors' code without `--use_vae`.
        Label maps are images, as for all methods here. With `method.labels` they become one-hot by the nearest colour;
        edges of instances are no input.
        Adam's β2 is 0.9 as in the authors' code, where the paper says 0.999.
        The discriminator sees the pictures that the generator made before it moved; the authors make new ones.
        Batch norm has the statistics of one process.
        The learning rate falls at every step instead of every epoch, along the same line.
        The length is fixed in steps: 200 epochs of the 2,975 pairs of Cityscapes in batches of 32.
        Images that are not square are resized by their short side, and averaged weights translate (`train.ema` 0 for
        the trained ones); the authors average nothing.
    """

    options = Config
    cfg: Config
    paper = Paper(
        "Semantic Image Synthesis with Spatially-Adaptive Normalization",
        "Park, Liu, Wang, Zhu",
        2019,
        "https://arxiv.org/abs/1903.07291",
    )
    data = Paired
    targets = ("b",)
    translators = ("G",)
    fitted = ("label_colours",)
    presets = {
        "paper": Preset(
            about="256 px, as long as the paper trains on Cityscapes; days on several GPUs",
            train={"steps": 18_600, "batch": 32},
        ),
        "small": Preset(
            about="64 px on a CPU: half an hour on one core with bf16",
            method={
                "width": 16,
                "ups": 4,  # 64 px from 4
                "hidden": 32,
                "patch_layers": 3,
                "norm": "instance",  # batches of 4 would be translated with other statistics than they are trained with
                "optim": {"lr": 4e-4},  # a run of thousands of steps
                "optim_d": {"lr": 4e-4},
            },
            data={"size": 64, "zoom": 1.03},
            train={"steps": 5000, "batch": 4, "ema": 5000, "save_every": 500, "preview_every": 500},
        ),
        "tiny": Preset(
            about="32 px, for tests: seconds",
            method={"width": 4, "ups": 3, "hidden": 4, "patch_layers": 2},
            data={"size": 32},
            train={"steps": 20, "batch": 1, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }
    one_number_of_channels = ""

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        x, y = cfg.channels_of("a"), cfg.channels_of("b")
        labels = cfg.labels or x
        if cfg.labels:
            self.label_colours = LabelColours(cfg.labels, x)
        self.G = SpatialGenerator(labels, y, cfg.width, cfg.ups, hidden=cfg.hidden, norm=cfg.norm)
        self.D = MultiScaleDiscriminator(labels + y, cfg.width, cfg.patch_layers, cfg.scales)
        self.size_divisor = self.G.size_divisor

    def optim(self, network: str) -> Optim:
        """Return the settings of the generator, or those of the discriminator."""
        return self.cfg.optim_d if network == "D" else self.cfg.optim

    def prepare(self, phase: str, batches: Iterable[Paired]) -> None:
        """Find the colours of the label maps."""
        if not self.cfg.labels:
            return
        found = self.label_colours.fit(batch.a for batch in batches)
        if found < self.cfg.labels:
            said, there = setting("method.labels", self.cfg.labels), setting("method.labels", found)
            raise UserError(f"{said}: the training maps show {found} colours; take {there}, or 0")

    def objectives(self, batch: Paired, at: Progress) -> Objectives:
        """Move the generator, then the discriminator, which sees the pictures made before."""
        m, y = self.label_map(batch.a), batch.b
        fake = self.G(m, batch.a)
        yield Objective("G", over=(self.G,), loss=self.generator_loss(m, y, fake))
        yield Objective("D", over=(self.D,), loss=self.discriminator_loss(m, y, fake.detach()))

    def generator_loss(self, m: Tensor, y: Tensor, fake: Tensor) -> Loss:
        """Return the loss of G, which made `fake` of the label maps m of images y."""
        on_fake = self.discriminate(m, fake)
        loss = term("gan", mean_over_scales(gan.generator, last(on_fake)))
        if self.cfg.features:
            with torch.no_grad():
                on_real = self.discriminate(m, y)
            loss += self.cfg.features * term("features", distance(on_fake, on_real))
        return loss

    def discriminator_loss(self, m: Tensor, y: Tensor, fake: Tensor) -> Loss:
        """Return the loss of D on images y and on fakes, all (N, C, H, W), with their label maps m."""
        both = last(self.discriminate(torch.cat([m, m]), torch.cat([y, fake])))
        real, made = zip(*(outputs.chunk(2) for outputs in both), strict=True)
        return term("real", mean_over_scales(gan.real, real)) + term("fake", mean_over_scales(gan.fake, made))

    def discriminate(self, m: Tensor, y: Tensor) -> list[list[Tensor]]:
        """Return what D's layers make of images y with their label maps m, for each scale."""
        out: list[list[Tensor]] = self.D(torch.cat([m, y], 1))
        return out

    def label_map(self, x: Tensor) -> Tensor:
        """Return label maps (N, C, H, W) in [-1, 1] as the networks take them, (N, labels, H, W)."""
        return self.label_colours(x) if self.cfg.labels else x

    def translate(self, x: Tensor, *, to: Domain = "b") -> Tensor:
        """Make pictures of label maps."""
        out: Tensor = self.G(self.label_map(x), x)
        return out


def last(found: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Return the raw outputs of each scale."""
    return [layers[-1] for layers in found]


def mean_over_scales(score: Score, outputs: Sequence[Tensor]) -> Tensor:
    """Return the mean of a loss over the outputs of discriminators at several scales."""
    return over_scales(score, outputs) / len(outputs)


def distance(fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """Return the mean difference of features, summed over the layers but the last, the mean over the scales."""
    differences = [
        l1(full_precision(one), full_precision(other))
        for scale, other_scale in zip(fake, real, strict=True)
        for one, other in zip(scale[:-1], other_scale[:-1], strict=True)
    ]
    return torch.stack(differences).sum() / len(fake)
