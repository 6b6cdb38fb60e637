"""StegoGAN: Leveraging Steganography for Non-Bijective Image-to-Image Translation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torch.nn.functional import l1_loss as l1

from instar.core.batch import Domain, Unpaired
from instar.core.config import Preset
from instar.core.errors import UserError, setting
from instar.core.method import Method, Objectives, Paper, compares_domains
from instar.core.objective import Loss, Objective, term
from instar.core.precision import full_precision
from instar.core.progress import Progress
from instar.core.settings import Bounds, NonNegativeFloat, NonNegativeInt
from instar.losses.gan import lsgan as gan
from instar.methods.stegogan.networks import AddingGenerator, Separated, SeparatingGenerator
from instar.modules.init import normal
from instar.modules.pool import ImagePool
from instar.networks.resnet_patchgan import SMALL, ResnetConfig, patch_discriminator

HIDDEN = 0.01
"""Deviation of the noise that is added to F(y) before it is translated back: what is hidden in it is lost."""


@dataclass(frozen=True, kw_only=True)
class Config(ResnetConfig):
    """Options of StegoGAN."""

    cycle_x: NonNegativeFloat = 10.0
    """λ_cyc for F(G(x, u)) = x."""
    cycle_y: NonNegativeFloat = 10.0
    """λ_cyc for G(F(y), u) = y, where u is what F took out of y."""
    identity: NonNegativeFloat = 0.5
    """Weight of the identity terms relative to the cycles; 0 saves two passes."""
    mask: NonNegativeFloat = 0.2
    """λ_reg, weight of how much F takes out; 0.3 for maps whose motorways are missing in one domain."""
    clean: NonNegativeFloat = 3.0
    """λ_match, weight of images with and without u being alike where nothing is taken out; 1 for these maps."""
    split: Annotated[int, Bounds(0, 100)] = 8
    """Residual blocks before the features of which some are taken out."""
    pool: NonNegativeInt = 50
    """Past fakes shown to each discriminator; 0 shows only the current ones."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.split > self.blocks:
            most = setting("method.blocks", self.blocks)
            raise UserError(f"{setting('method.split', self.split)}: there are no more residual blocks than {most}")


@final
class StegoGAN(Method[Unpaired]):
    """CycleGAN for domains of which Y has what X has not: F finds it, G draws it only if it is handed over.

    min_{G,F} max_{D_X,D_Y}  L_GAN(G, D_Y) + L_GAN(F, D_X) + λ_cyc L_cyc + λ_reg L_reg + λ_match L_match

    F(y) gives an image of X, features u that it took out of y, and a mask m of where. The discriminator D_Y sees
    G(x, u), with things of some y put in, so that nobody has to invent them; the translation of x is G(x) without.

    Terms:
        G/gan_g: D_Y should take G(x, u) for real
        G/gan_f: D_X should take F(y) for real
        G/cycle_x: mean |F(G(x, u)) - x|
        G/cycle_y: mean |G(F(y) + noise, u) - y|
        G/identity_x: mean |F(x) - x|
        G/identity_y: mean |G(y) - y|
        G/mask_y: mean square root of the mask of y
        G/mask_fake: mean square root of the mask of G(x, u)
        G/clean_y: mean |G(F(y)) - y| outside of the mask of y
        G/clean_fake: mean |G(x) - G(x, u)| outside of the mask of G(x, u)
        D/y_real: D_Y on y
        D/y_fake: D_Y on G(x, u) of now or earlier
        D/x_real: D_X on x
        D/x_fake: D_X on F(y) of now or earlier

    Differs from the paper:
        Weights, places of the noise and of the gradients' stops are those of the authors' code.
        What is taken out is the features times one minus the mask of what is kept, as the paper writes; the authors'
        code multiplies what is kept by that. Its generators move twice with each gradient; here once.
        Masks are enlarged bilinearly, without aligned corners.
        The learning rate falls at every step instead of every epoch, along the same line.
        The length is fixed in steps: 100 and 100 epochs of some 1,000 images.
        Images that are not square are resized by their short side, and averaged weights translate (`train.ema` 0 for
        the trained ones); the authors' code squeezes images to a square, and averages nothing.
    """

    options = Config
    cfg: Config
    paper = Paper(
        "StegoGAN: Leveraging Steganography for Non-Bijective Image-to-Image Translation",
        "Wu, Chen, Mermet, Hurni, Schindler, Gonthier, Landrieu",
        2024,
        "https://arxiv.org/abs/2403.20142",
    )
    data = Unpaired
    holds_input = {"cycle_x": "all", "cycle_y": "all", "identity": "colours"}
    targets = ("a", "b")
    one_number_of_channels = ""
    translators = ("G", "F")
    presets = {
        "paper": Preset(about="256 px as in the authors' code; days on a GPU", train={"steps": 200_000}),
        "small": Preset(
            about="64 px on a CPU: half an hour on one core with bf16",
            method={
                **SMALL,
                "antialias": True,
                # As in the preset of CycleGAN: at the paper's weights copies are never left. The others in proportion.
                "cycle_x": 1.0,
                "cycle_y": 1.0,
                "identity": 0.0,
                "mask": 0.02,
                "clean": 0.3,
                "split": 5,
            },
            data={"size": 64, "zoom": 1.03},
            train={"steps": 2400, "ema": 5000, "save_every": 400, "preview_every": 400},
        ),
        "tiny": Preset(
            about="32 px, for tests: seconds",
            method={"width": 4, "blocks": 2, "split": 1},
            data={"size": 32},
            train={"steps": 20, "batch": 1, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        compares_domains(cfg, "identity", cfg.identity, "G(y) with y")
        compares_domains(cfg, "skip", cfg.skip, "a generator's input with its output")
        x, y = cfg.channels_of("a"), cfg.channels_of("b")
        self.G = AddingGenerator(x, cfg.width, cfg.blocks, cfg.split, out=y, antialias=cfg.antialias, skip=cfg.skip)
        self.F = SeparatingGenerator(y, cfg.width, cfg.blocks, cfg.split, out=x, antialias=cfg.antialias, skip=cfg.skip)
        self.D_X, self.D_Y = (normal(patch_discriminator(cfg, of)) for of in ("a", "b"))
        self.pool_x = ImagePool(cfg.pool)
        self.pool_y = ImagePool(cfg.pool)
        self.size_divisor = self.G.size_divisor

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move both generators, then both discriminators, which see the fakes made before."""
        x, y = batch.a, batch.b
        of_y = self.F.separate(y)
        fake_y = self.G(x, of_y.removed.detach())
        loss = self.generator_loss(x, y, of_y, fake_y)
        if self.cfg.identity:
            loss += self.cfg.identity * self.cfg.cycle_x * term("identity_x", l1(self.F(x), x))
            loss += self.cfg.identity * self.cfg.cycle_y * term("identity_y", l1(self.G(y), y))
        yield Objective("G", over=(self.G, self.F), loss=loss)
        loss = self.discriminator_loss(x, y, of_y.image.detach(), fake_y.detach())
        yield Objective("D", over=(self.D_X, self.D_Y), loss=loss)

    def generator_loss(self, x: Tensor, y: Tensor, of_y: Separated, fake_y: Tensor) -> Loss:
        """Return the loss of G and F without the identity terms.

        Args:
            x: images (N, C, H, W).
            y: images of the other domain.
            of_y: what F makes of y.
            fake_y: G(x, u), u of y.
        """
        w, of_fake, fake_x = self.cfg, self.F.separate(fake_y), of_y.image
        back = self.G(fake_x + HIDDEN * torch.randn_like(fake_x), of_y.removed)
        return (
            term("gan_g", gan.generator(self.D_Y(fake_y)))
            + term("gan_f", gan.generator(self.D_X(fake_x)))
            + w.cycle_x * term("cycle_x", l1(of_fake.image, x))
            + w.cycle_y * term("cycle_y", l1(back, y))
            + w.mask * term("mask_y", amount(of_y.mask))
            + w.mask * term("mask_fake", amount(of_fake.mask))
            + w.clean * term("clean_y", outside(of_y.mask, self.G(fake_x), y))
            + w.clean * term("clean_fake", outside(of_fake.mask, self.G(x), fake_y))
        )

    def discriminator_loss(self, x: Tensor, y: Tensor, fake_x: Tensor, fake_y: Tensor) -> Loss:
        """Return the loss of D_Y and D_X on real images, and on fakes of now or earlier."""
        y_real, y_fake = self.D_Y(torch.cat([y, self.pool_y(fake_y)])).chunk(2)
        x_real, x_fake = self.D_X(torch.cat([x, self.pool_x(fake_x)])).chunk(2)
        return (
            0.5 * term("y_real", gan.real(y_real))
            + 0.5 * term("y_fake", gan.fake(y_fake))
            + 0.5 * term("x_real", gan.real(x_real))
            + 0.5 * term("x_fake", gan.fake(x_fake))
        )

    def translate(self, x: Tensor, *, to: Domain = "b") -> Tensor:
        """Translate with G towards b, with nothing added; with F towards a."""
        out: Tensor = self.G(x) if to == "b" else self.F(x)
        return out


def amount(mask: Tensor) -> Tensor:
    """Return the mean square root of masks (N, 1, H, W) in (0, 1)."""
    return (full_precision(mask) + 1e-10).sqrt().mean()


def outside(mask: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Return the mean difference of images (N, C, H, W) outside of masks (N, 1, H / 4, W / 4)."""
    kept = 1 - interpolate(full_precision(mask), scale_factor=4, mode="bilinear")
    return ((one - other).abs() * kept).mean()
