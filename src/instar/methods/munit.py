"""MUNIT: Multimodal Unsupervised Image-to-Image Translation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, final

import torch
from torch import Generator, Tensor
from torch.nn.functional import l1_loss as l1

from instar.core.batch import Domain, Unpaired
from instar.core.config import MethodConfig, Optim, Preset, RunConfig
from instar.core.device import moved
from instar.core.errors import UserError, setting
from instar.core.method import Method, Objectives, Paper
from instar.core.objective import Loss, Objective, term
from instar.core.progress import Progress
from instar.core.settings import Depth, NonNegativeFloat, Width
from instar.losses.gan import halves, over_scales
from instar.losses.gan import lsgan as gan
from instar.losses.perceptual import EXTRACTOR, VGG16, Layer
from instar.modules.init import kaiming, normal
from instar.networks.munit import MultiScalePatchGAN, MunitGenerator, least_side


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    """Options of MUNIT."""

    removed: ClassVar[Mapping[str, tuple[object, ...]]] = {
        "adversary": ("lsgan",),
        "detach_content": (False,),
        "downs": (2,),
    }

    optim: Optim = field(default_factory=lambda: Optim(lr=1e-4, hold=1.0, halve=0.1, weight_decay=1e-4))
    """Adam; the rate halves ten times in the run, every 100,000 steps of the paper's million."""
    image: NonNegativeFloat = 10.0
    """λ_x, weight of the images' reconstruction from their own content and style; 0 for the ablation without it."""
    content: NonNegativeFloat = 1.0
    """λ_c, weight of the content found again in a translation; 0 for the ablation without it."""
    style: NonNegativeFloat = 1.0
    """λ_s, weight of the style found again in a translation; 0 for the ablation without it."""
    cycle: NonNegativeFloat = 0.0
    """Weight of the style-augmented cycle (section 4): back to the image with its own style. 10 for scenes."""
    perceptual: NonNegativeFloat = 0.0
    """Weight of the domain-invariant perceptual loss (section 5.1), for images of 512 px and more. Needs the weights of
    VGG-16, which torchvision fetches."""
    vgg_layer: Layer = "relu4_3"
    """Features of the perceptual loss: relu4_3 in the paper, relu5_3 in the authors' code."""
    style_dim: Width = 8
    """Numbers in a style."""
    mlp: Width = 256
    """Width of the perceptron that turns a style into AdaIN's shifts and scales."""
    width: Width = 64
    """Channels after the first convolution of all networks."""
    blocks: Depth = 4
    """Residual blocks of each content encoder and of each decoder."""
    scales: Depth = 3
    """Sizes of an image at which a discriminator sees it: 3 needs 64 px, 2 need 32 px."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.image and not self.style and not self.cycle:
            off = [setting(f"method.{name}", 0) for name in ("image", "style", "cycle")]
            raise UserError(f"{off[0]}, {off[1]} and {off[2]} leave the style encoders untrained")


@final
class MUNIT(Method[Unpaired]):
    """Content is shared, style is each domain's own: a translation draws the content of one image in a style of b.

    min_{E,G} max_D  L_GAN(x_a) + L_GAN(x_b) + λ_x (L_recon x_a + L_recon x_b)
                     + λ_c (L_recon c_a + L_recon c_b) + λ_s (L_recon s_a + L_recon s_b)     (eq. 5)

    Terms:
        D/a_real: D_a on images of a, summed over the scales
        D/a_fake: D_a on contents of b drawn in random styles of a
        D/b_real: D_b on images of b
        D/b_fake: D_b on contents of a drawn in random styles of b
        G/gan_a: D_a should take translations to a for real (eq. 4), summed over the scales
        G/gan_b: D_b should take translations to b for real
        G/image_a: mean |G_a(c_a, s_a) - x_a|, content and style of the image itself (eq. 1)
        G/image_b: mean |G_b(c_b, s_b) - x_b|
        G/content_a: mean |c - c_a|, c the content found in x_a's translation (eq. 2)
        G/content_b: mean |c - c_b|, c the content found in x_b's translation
        G/style_a: mean |s - s_a|, s the style found in a translation to a, s_a the one it was drawn in (eq. 3)
        G/style_b: mean |s - s_b|, the same for b
        G/cycle_a: mean |x - x_a|, x drawn from the content of x_a's translation in x_a's own style (`method.cycle`)
        G/cycle_b: mean |x - x_b|, the same for b
        G/perceptual_a: squared distance of features of a translation to a and of x_b, normalised (`method.perceptual`)
        G/perceptual_b: the same for a translation to b and x_a

    Differs from the paper:
        Least squares instead of the log loss of eq. 4, as in its section 5.1; no factor of one half in D's objective.
        Weight decay pulls kernels only; in the authors' code biases and the layer norms' scales too.
        The perceptual loss takes torchvision's VGG-16 with ImageNet's mean and deviation; the authors' code takes the
        Caffe weights, which are no longer to be had.
        The contents of the images are computed once for both rounds of a step: the discriminators' round does not
        move the encoders.
        Translation uses averaged weights (`train.ema` 0 for the trained ones).
        Images are resized bicubically, in the authors' code bilinearly.
    """

    options = Config
    cfg: Config
    paper = Paper(
        "Multimodal Unsupervised Image-to-Image Translation",
        "Huang, Liu, Belongie, Kautz",
        2018,
        "https://arxiv.org/abs/1804.04732",
    )
    data = Unpaired
    holds_input = {"content": "shapes", "cycle": "all"}
    targets = ("a", "b")
    translators = ("G_a", "G_b")
    presets = {
        "paper": Preset(
            about="256 px as the paper trains on edges, shoes, handbags and animals; days on a GPU",
            data={"zoom": 1.0},
            train={"steps": 1_000_000},
        ),
        "summer2winter": Preset(
            about="256 px with the cycle, as the authors' code trains on Yosemite",
            method={"cycle": 10.0},
            data={"zoom": 1.0},
            train={"steps": 1_000_000},
        ),
        "synthia2cityscape": Preset(
            about="512 px with cycle and perceptual loss, as the authors' code trains on streets",
            method={"cycle": 10.0, "perceptual": 1.0},
            data={"size": 512, "zoom": 1.0},
            train={"steps": 1_000_000},
        ),
        "small": Preset(
            about="64 px on a CPU: an hour on one core with bf16",
            method={
                "width": 32,  # half the paper's, and fewer blocks: an hour on one core
                "blocks": 3,
                "mlp": 64,
                "scales": 2,  # the third sees 16 px
                "style_dim": 2,  # eight numbers are not found again in so few steps, so that references do nothing
                "style": 5.0,
                "optim": {"lr": 5e-4, "halve": 0.25},  # a run of thousands of steps, not of a million
            },
            data={"size": 64, "zoom": 1.03},
            train={"steps": 9000, "ema": 5000, "save_every": 500, "preview_every": 500},
        ),
        "tiny": Preset(
            about="32 px, for tests: seconds",
            method={"width": 4, "blocks": 1, "mlp": 16, "scales": 2, "cycle": 10.0},
            data={"size": 32},
            train={"steps": 20, "batch": 1, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    one_number_of_channels = ""
    variants = {"perceptual": {"perceptual": 1.0}}

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        a, b = cfg.channels_of("a"), cfg.channels_of("b")
        sizes = {"width": cfg.width, "blocks": cfg.blocks, "style": cfg.style_dim, "mlp": cfg.mlp}
        self.G_a = kaiming(MunitGenerator(a, **sizes))
        self.G_b = kaiming(MunitGenerator(b, **sizes))
        self.D_a = normal(MultiScalePatchGAN(a, cfg.width, cfg.scales))
        self.D_b = normal(MultiScalePatchGAN(b, cfg.width, cfg.scales))
        self.vgg = VGG16(cfg.vgg_layer)
        self.size_divisor = self.G_a.size_divisor
        self.stochastic = True

    @classmethod
    def trains_on(cls, cfg: Config) -> tuple[str, ...]:
        """Name VGG-16, if there is a perceptual loss."""
        return (EXTRACTOR,) if cfg.perceptual else ()

    def check(self, config: RunConfig) -> str:
        """Refuse images that are too small for the discriminators."""
        size, scales = config.data.size, self.cfg.scales
        if size < least_side(scales):
            raise UserError(
                f"{setting('data.size', size)}: at {scales} scales the discriminators need at least "
                f"{least_side(scales)} px; take larger crops or fewer scales ({setting('method.scales')})"
            )
        return self.vgg.note() if self.cfg.perceptual else ""

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move both discriminators, then all encoders and decoders; each round draws styles of its own."""
        a, b = batch.a, batch.b
        c_a, c_b = self.G_a.content(a), self.G_b.content(b)
        with torch.no_grad():
            fake_a = self.G_a.decode(c_b, self.sample_style(len(b)))
            fake_b = self.G_b.decode(c_a, self.sample_style(len(a)))
        yield Objective("D", over=(self.D_a, self.D_b), loss=self.discriminator_loss(a, b, fake_a, fake_b))
        yield Objective("G", over=(self.G_a, self.G_b), loss=self.generator_loss(a, b, c_a, c_b))

    def discriminator_loss(self, a: Tensor, b: Tensor, fake_a: Tensor, fake_b: Tensor) -> Loss:
        """Return the loss of D_a and D_b on real images and fakes, both kinds in one pass."""
        a_real, a_fake = halves(self.D_a(torch.cat([a, fake_a])))
        b_real, b_fake = halves(self.D_b(torch.cat([b, fake_b])))
        return (
            term("a_real", over_scales(gan.real, a_real))
            + term("a_fake", over_scales(gan.fake, a_fake))
            + term("b_real", over_scales(gan.real, b_real))
            + term("b_fake", over_scales(gan.fake, b_fake))
        )

    def generator_loss(self, a: Tensor, b: Tensor, c_a: Tensor, c_b: Tensor) -> Loss:
        """Return the loss of encoders and decoders for images a and b with contents c_a and c_b."""
        w, G_a, G_b = self.cfg, self.G_a, self.G_b
        s_a, s_b = self.sample_style(len(b)), self.sample_style(len(a))
        own_a, own_b = (G_a.style(a), G_b.style(b)) if w.image or w.cycle else (s_a, s_b)
        loss = Loss()
        if w.image:  # one pass draws the images anew and the other domain's contents
            same_a, fake_a = G_a.decode(torch.cat([c_a, c_b]), torch.cat([own_a, s_a])).chunk(2)
            same_b, fake_b = G_b.decode(torch.cat([c_b, c_a]), torch.cat([own_b, s_b])).chunk(2)
            loss += w.image * term("image_a", l1(same_a, a))
            loss += w.image * term("image_b", l1(same_b, b))
        else:
            fake_a, fake_b = G_a.decode(c_b, s_a), G_b.decode(c_a, s_b)
        loss += term("gan_a", over_scales(gan.generator, self.D_a(fake_a)))
        loss += term("gan_b", over_scales(gan.generator, self.D_b(fake_b)))
        if w.content or w.cycle:
            found_b, found_a = G_a.content(fake_a), G_b.content(fake_b)
        if w.content:
            loss += w.content * term("content_a", l1(found_a, c_a))
            loss += w.content * term("content_b", l1(found_b, c_b))
        if w.style:
            loss += w.style * term("style_a", l1(G_a.style(fake_a), s_a))
            loss += w.style * term("style_b", l1(G_b.style(fake_b), s_b))
        if w.cycle:
            loss += w.cycle * term("cycle_a", l1(G_a.decode(found_a, own_a), a))
            loss += w.cycle * term("cycle_b", l1(G_b.decode(found_b, own_b), b))
        if w.perceptual:
            loss += w.perceptual * term("perceptual_a", self.vgg.distance(fake_a, b))
            loss += w.perceptual * term("perceptual_b", self.vgg.distance(fake_b, a))
        return loss

    def sample_style(self, n: int, generator: Generator | None = None, *, to: Domain = "b") -> Tensor:
        """Draw styles (n, style_dim) from N(0, I)."""
        weight = self.G_a.style.head.weight
        return moved(torch.randn(n, self.cfg.style_dim, dtype=weight.dtype, generator=generator), weight.device)

    def encode_style(self, reference: Tensor, *, domain: Domain) -> Tensor:
        """Read the styles (N, style_dim) of images (N, C, H, W) with their domain's style encoder."""
        out: Tensor = (self.G_a if domain == "a" else self.G_b).style(reference)
        return out

    def translate(
        self, x: Tensor, *, to: Domain = "b", style: Tensor | None = None, generator: Generator | None = None
    ) -> Tensor:
        """Draw the content of x in styles (N, style_dim) of domain `to`; without one, in one drawn for all images."""
        source, target = (self.G_a, self.G_b) if to == "b" else (self.G_b, self.G_a)
        style = self.sample_style(1, generator).expand(len(x), -1) if style is None else style
        return target.decode(source.content(x), style)
