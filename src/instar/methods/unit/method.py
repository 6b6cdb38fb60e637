"""UNIT: Unsupervised Image-to-Image Translation Networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, final

import torch
from torch import Tensor
from torch.nn.functional import l1_loss as l1

from instar.core.batch import Domain, Unpaired
from instar.core.config import MethodConfig, Optim, Preset, RunConfig
from instar.core.errors import UserError, setting
from instar.core.method import Method, Objectives, Paper
from instar.core.objective import Loss, Objective, term
from instar.core.precision import full_precision
from instar.core.progress import Progress
from instar.core.settings import Blocks, Bounds, Depth, NonNegativeFloat, Width
from instar.losses.gan import halves, lsgan, over_scales, vanilla
from instar.methods.unit import networks
from instar.modules.init import kaiming, normal
from instar.networks.munit import least_side

HEAD: Mapping[str, Any] = {
    "generator": "munit",
    "discriminator": "munit",
    "adversary": "lsgan",
    "shared": 0,
    "gan": 1.0,
    "kl": 0.01,
    "recon": 10.0,
    "cycle_kl": 0.01,
    "cycle": 10.0,
}
"""The authors' later code."""


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    """Options of UNIT."""

    removed: ClassVar[Mapping[str, tuple[object, ...]]] = {
        "perceptual": (0.0,),
        "vgg_layer": ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"),  # of the perceptual loss
    }

    optim: Optim = field(default_factory=lambda: Optim(lr=1e-4, hold=1.0, weight_decay=1e-4))
    """Adam at a constant rate."""
    gan: NonNegativeFloat = 10.0
    """λ_0, weight of the adversarial terms of generator and discriminators."""
    kl: NonNegativeFloat = 0.1
    """λ_1, weight of the codes' distance from N(0, I)."""
    recon: NonNegativeFloat = 100.0
    """λ_2, weight of the images' reconstruction from their own codes."""
    cycle_kl: NonNegativeFloat = 0.1
    """λ_3, weight of the translations' codes' distance from N(0, I)."""
    cycle: NonNegativeFloat = 100.0
    """λ_4, weight of the images' reconstruction from their translations; 0 for the ablation with shared layers only."""
    adversary: Literal["vanilla", "lsgan"] = "vanilla"
    """Adversarial loss: cross entropy, or least squares."""
    generator: Literal["paper", "munit"] = "paper"
    """Encoders and decoders: the paper's, or those of the authors' later code, which are MUNIT's and share nothing."""
    discriminator: Literal["deep", "tied", "scales", "munit"] = "deep"
    """deep: one for each domain. tied: all but the first layers are shared (faces). scales: at three blurred scales
    (streets). munit: MUNIT's, at `method.scales` scales."""
    width: Width = 64
    """Channels after the first convolution of all networks."""
    blocks: Blocks = 3
    """Residual blocks that each encoder, and each decoder, has for itself."""
    shared: Blocks = 1
    """Residual blocks that both encoders share, and both decoders. 0 with 4 `method.blocks` leaves the cycle alone
    (ablation)."""
    normed: bool = False
    """Instance norm and ReLU on the layers that change the size, instead of LeakyReLU (animals)."""
    dropout: Annotated[float, Bounds(0, 0.9)] = 0.0
    """Of the residual blocks, in training; 0.5 for streets."""
    layers: Depth = 6
    """Halvings of the discriminators: 6, or 4 at three scales. MUNIT's have 4."""
    scales: Depth = 3
    """Of MUNIT's discriminators: 3 need 64 px, 2 need 32 px."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.discriminator == "tied":
            Bounds(3).check("method.layers", self.layers)
        if not self.gan:
            raise UserError(f"{setting('method.gan', 0)} leaves the discriminators untrained; give it a weight")
        if self.generator == "munit" and (self.shared or self.normed or self.dropout):
            munit = setting("method.generator", "munit")
            none = [setting("method.shared", 0), setting("method.dropout", 0), setting("method.normed", False)]
            raise UserError(f"{munit} has no shared blocks and no dropout: add {' '.join(none)}")


@final
class UNIT(Method[Unpaired]):
    """Two variational autoencoders with one space of codes: a translation decodes a code into the other domain.

    min_{E,G} max_D  Σ_i  λ_0 L_GAN(E_j, G_i, D_i) + L_VAE(E_i, G_i) + L_CC(E_i, G_i, E_j, G_j)

    Terms:
        D/a_real: D_a on images of a, summed over the scales if there are several
        D/a_fake: D_a on translations to a
        D/b_real: D_b on images of b
        D/b_fake: D_b on translations to b
        G/gan_a: D_a should take translations to a for real
        G/gan_b: D_b should take translations to b for real
        G/recon_a: mean |G_a(z) - x_a|, z drawn around the code of x_a
        G/recon_b: mean |G_b(z) - x_b|
        G/kl_a: mean square of the code of x_a: its divergence from N(0, I) at unit variance, up to a factor
        G/kl_b: mean square of the code of x_b
        G/cycle_a: mean |G_a(z) - x_a|, z drawn around the code of x_a's translation
        G/cycle_b: mean |G_b(z) - x_b|, z drawn around the code of x_b's translation
        G/cycle_kl_a: mean square of the code of x_a's translation
        G/cycle_kl_b: mean square of the code of x_b's translation

    Differs from the paper:
        Networks, weights and the means in place of the sums over pixels and numbers of a code are those of the
        authors' code, branch version_02, which they name for the paper; the preset `head` is the later form.
        That branch squares the codes after the noise, which adds a constant on average; here before it, as in the
        later form.
        The codes of the images are computed once for both rounds of a step; each round adds noise of its own.
        Weight decay pulls kernels only; in the authors' code biases too. Biases start at 0.
        Crops are square; streets are 480 x 640 in the paper.
        Translation uses averaged weights (`train.ema` 0 for the trained ones) and no noise.
        Images are resized bicubically, in the authors' code bilinearly.
    """

    options = Config
    cfg: Config
    paper = Paper(
        "Unsupervised Image-to-Image Translation Networks",
        "Liu, Breuel, Kautz",
        2017,
        "https://arxiv.org/abs/1703.00848",
    )
    data = Unpaired
    holds_input = {"cycle": "all"}
    targets = ("a", "b")
    translators = ("G",)
    presets = {
        "paper": Preset(about="256 px, half a million steps; days on a GPU", train={"steps": 500_000}),
        "animals": Preset(
            about="216 px, as the authors' code trains on dogs and cats",
            method={"normed": True},
            data={"size": 216, "zoom": 1.2},
            train={"steps": 500_000},
        ),
        "faces": Preset(
            about="128 px with tied discriminators, as the authors' code trains on faces",
            method={"discriminator": "tied"},
            data={"size": 128, "zoom": 1.0},
            train={"steps": 2_000_000},
        ),
        "streets": Preset(
            about="480 px, discriminators at three scales and dropout, as the authors' code trains on day and night",
            method={"discriminator": "scales", "layers": 4, "dropout": 0.5},
            data={"size": 480, "zoom": 1.0},
            train={"steps": 500_000},
        ),
        "head": Preset(
            about="256 px, the authors' later code: MUNIT's networks, nothing shared, other weights",
            method={**HEAD, "blocks": 4, "optim": {"halve": 0.1}},
            data={"zoom": 1.0},
            train={"steps": 1_000_000},
        ),
        "small": Preset(
            about="the later form at 64 px on a CPU: half an hour on one core with bf16",
            method={
                **HEAD,
                "cycle": 5.0,  # at 10 images stay what they are for longer than this
                "width": 32,  # half the paper's, for minutes on one core
                "scales": 2,  # the third sees 16 px
                "optim": {
                    "lr": 5e-4,
                    "halve": 0.25,
                },  # halved at each tenth, a short run stands still from its middle on
            },
            data={"size": 64, "zoom": 1.03},
            train={"steps": 6000, "ema": 5000, "save_every": 500, "preview_every": 500},
        ),
        "tiny": Preset(
            about="32 px, for tests: seconds",
            method={"width": 4, "blocks": 1, "layers": 3},
            data={"size": 32},
            train={"steps": 20, "batch": 1, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    one_number_of_channels = ""

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        self.gan = {"lsgan": lsgan, "vanilla": vanilla}[cfg.adversary]
        channels = cfg.channels_of("a"), cfg.channels_of("b")
        if cfg.generator == "munit":
            self.G = kaiming(networks.munit_generator(channels, cfg.width, cfg.blocks))
        else:
            sizes = (channels, cfg.width, cfg.blocks, cfg.shared)
            self.G = normal(networks.tied_generator(*sizes, normed=cfg.normed, dropout=cfg.dropout))
        kinds = {
            "deep": networks.deep_discriminators,
            "tied": networks.tied_discriminators,
            "scales": networks.scaled_discriminators,
            "munit": networks.munit_discriminators,
        }
        size = cfg.scales if cfg.discriminator == "munit" else cfg.layers
        self.D = normal(kinds[cfg.discriminator](channels, cfg.width, size))
        self.size_divisor = self.G.size_divisor

    def check(self, config: RunConfig) -> str:
        """Refuse images that are too small for MUNIT's discriminators."""
        size, scales = config.data.size, self.cfg.scales
        if self.cfg.discriminator == "munit" and size < least_side(scales):
            raise UserError(
                f"{setting('data.size', size)}: at {scales} scales the discriminators need at least "
                f"{least_side(scales)} px; take larger crops or fewer scales ({setting('method.scales')})"
            )
        return ""

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move the discriminators, then encoders and decoders; each round draws noise of its own."""
        a, b = batch.a, batch.b
        codes = self.G.encode_both(a, b)
        with torch.no_grad():
            of_a, of_b = self.G.leave(noisy(codes)).chunk(2)
            fake_a, fake_b = self.G.draw(of_b, "a"), self.G.draw(of_a, "b")
        yield Objective("D", over=(self.D,), loss=self.discriminator_loss(a, b, fake_a, fake_b))
        yield Objective("G", over=(self.G,), loss=self.generator_loss(a, b, codes))

    def discriminator_loss(self, a: Tensor, b: Tensor, fake_a: Tensor, fake_b: Tensor) -> Loss:
        """Return the loss of both discriminators on real images and fakes, both kinds in one pass."""
        w = self.cfg
        on_a, on_b = self.D(torch.cat([a, fake_a]), torch.cat([b, fake_b]))
        a_real, a_fake = halves(on_a)
        b_real, b_fake = halves(on_b)
        return (
            w.gan * term("a_real", over_scales(self.gan.real, a_real))
            + w.gan * term("a_fake", over_scales(self.gan.fake, a_fake))
            + w.gan * term("b_real", over_scales(self.gan.real, b_real))
            + w.gan * term("b_fake", over_scales(self.gan.fake, b_fake))
        )

    def generator_loss(self, a: Tensor, b: Tensor, codes: Tensor) -> Loss:
        """Return the loss of encoders and decoders for images a and b with codes (2 N, ...), those of a first."""
        w, G = self.cfg, self.G
        features = G.leave(noisy(codes))
        same_a, fake_a = G.draw(features, "a").chunk(2)
        fake_b, same_b = G.draw(features, "b").chunk(2)
        on_a, on_b = self.D(fake_a, fake_b)
        of_a, of_b = codes.chunk(2)
        loss = (
            w.gan * term("gan_a", over_scales(self.gan.generator, on_a))
            + w.gan * term("gan_b", over_scales(self.gan.generator, on_b))
            + w.recon * term("recon_a", l1(same_a, a))
            + w.recon * term("recon_b", l1(same_b, b))
            + w.kl * term("kl_a", energy(of_a))
            + w.kl * term("kl_b", energy(of_b))
        )
        if w.cycle or w.cycle_kl:
            again = G.encode_both(fake_a, fake_b)
            of_b, of_a = again.chunk(2)  # the images drawn in a show what b shows
            loss += w.cycle_kl * term("cycle_kl_a", energy(of_a))
            loss += w.cycle_kl * term("cycle_kl_b", energy(of_b))
        if w.cycle:
            of_b, of_a = G.leave(noisy(again)).chunk(2)
            loss += w.cycle * term("cycle_a", l1(G.draw(of_a, "a"), a))
            loss += w.cycle * term("cycle_b", l1(G.draw(of_b, "b"), b))
        return loss

    def encode(self, x: Tensor, *, domain: Domain) -> Tensor:
        """Return the codes (N, 4 width, H / 4, W / 4) of images of a domain, without noise."""
        return self.G.encode(x, domain)

    def decode(self, code: Tensor, *, to: Domain) -> Tensor:
        """Return the images (N, C, H, W) of a domain that codes stand for."""
        return self.G.decode(code, to)

    def translate(self, x: Tensor, *, to: Domain = "b") -> Tensor:
        """Decode the code of x into domain `to`."""
        return self.decode(self.encode(x, domain="a" if to == "b" else "b"), to=to)


def noisy(codes: Tensor) -> Tensor:
    """Draw from the normal distributions of unit variance around the codes."""
    return codes + torch.randn_like(codes)


def energy(codes: Tensor) -> Tensor:
    """Return the mean square, in float32 or better."""
    return full_precision(codes).square().mean()
