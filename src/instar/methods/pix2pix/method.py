"""pix2pix: Image-to-Image Translation with Conditional Adversarial Networks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal, final

import torch
from torch import Generator, Tensor
from torch.nn.functional import l1_loss as l1

from instar.core.batch import Domain, Paired
from instar.core.config import MethodConfig, Optim, Preset
from instar.core.errors import UserError, setting
from instar.core.method import Method, Objectives, Paper
from instar.core.objective import Loss, Objective, term
from instar.core.progress import Progress
from instar.core.settings import Blocks, Bounds, NonNegativeFloat, Width
from instar.losses.gan import vanilla as gan
from instar.modules.diffaug import augmented
from instar.modules.init import normal
from instar.networks.patchgan import PatchGAN, PatchNorm
from instar.networks.unet import UNet


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    """Options of pix2pix."""

    optim: Optim = field(default_factory=lambda: Optim(hold=1.0))
    """Adam at a constant rate, as in the paper."""
    gan: NonNegativeFloat = 1.0
    """Weight of the adversarial term; 0 leaves L1 alone (table 1)."""
    l1: NonNegativeFloat = 100.0
    """λ of eq. 4; 0 leaves the adversarial term alone (table 1)."""
    conditional: bool = True
    """The discriminator sees the input too; off for the paper's GAN without condition (table 1)."""
    skips: bool = True
    """U-Net; off gives the encoder-decoder of table 2."""
    dropout_at: tuple[int, ...] = (1, 2, 3)
    """Decoder layers with dropout, counted from the innermost."""
    test_noise: bool = True
    """Dropout while translating too, as in the paper: two passes differ a little. Off gives one fixed picture."""
    norm: Literal["instance", "batch", "running"] = "batch"
    """batch, as in the paper, or instance: each translation has its own statistics. running: batch norm that translates
    with running averages, for flat pictures such as maps, whose own statistics are mostly noise."""
    width: Width = 64
    """Channels after the first convolution of both networks."""
    downs: Annotated[int, Bounds(2, 14)] = 8
    """Halvings of the U-Net: 8 takes 256 px to 1, 6 takes 64 px to 1."""
    patch_layers: Blocks = 3
    """Downsamplings of the discriminator: 3 sees 70 px patches, 1 sees 16 px, 0 single pixels (table 3)."""
    augment: bool = False
    """The discriminator sees real and generated pairs moved and with holes (Zhao et al. 2020): for data sets of a few
    hundred pairs, which it learns by heart otherwise."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.gan and not self.l1:
            off = f"{setting('method.gan', 0)} and {setting('method.l1', 0)}"
            raise UserError(f"{off}: one of the two losses must be on")
        for layer in self.dropout_at:
            Bounds(1, self.downs - 1).check("method.dropout_at", layer)


@final
class Pix2Pix(Method[Paired]):
    """A U-Net that draws the true pair, and a discriminator of patches that sees input and output together.

    min_G max_D  L_cGAN(G, D) + λ L_L1(G)     (eq. 4)

    Terms:
        D/real: D on the true pair (x, y) (eq. 1)
        D/fake: D on (x, G(x))
        G/gan: D should take (x, G(x)) for real
        G/l1: mean |G(x) - y| (eq. 3)

    Differs from the paper:
        D's objective is halved (section 3.3), also in the gradient; the authors' Torch code halves only the log.
        Dropout follows the paper: d1 to d3; the authors' PyTorch code has it on d2 to d4, and lets the learning
        rate fall over the second half (preset `reference`).
        The innermost encoder layer has no norm: over its 1x1 map one would erase everything at batch 1.
        Translation normalises each image by itself, so that it does not depend on its batch; at the paper's batch
        of 1 that is what the paper does.
        The length is fixed in steps: 200 epochs of the 400 facades.
        Images that are not square are resized by their short side, and averaged weights translate (`train.ema` 0 for
        the trained ones); the authors' code squeezes images to a square, and averages nothing.
    """

    options = Config
    cfg: Config
    title = "pix2pix"
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
        "paper": Preset(about="256 px as in the paper; hours on a GPU", train={"steps": 80_000}),
        "reference": Preset(
            about="as the authors' PyTorch code: dropout on d2 to d4, falling learning rate",
            method={"dropout_at": (2, 3, 4), "optim": {"hold": 0.5}},
            train={"steps": 80_000},
        ),
        "small": Preset(
            about="64 px on a CPU: a quarter of an hour on one or two cores",
            method={
                "width": 32,  # half the paper's, for minutes on one core
                "downs": 6,  # 64 px to 1
                "norm": "instance",  # batches of 4 would be translated with other statistics than they are trained with
                "test_noise": False,  # one input, one picture: it can be compared and used
                "optim": {"hold": 0.5},  # a short run ends more steadily
            },
            data={"size": 64, "zoom": 1.03},
            train={"steps": 5000, "batch": 4, "ema": 5000, "save_every": 500, "preview_every": 500},
        ),
        "crops": Preset(
            about="128 px out of images of 256 px on a CPU, for thin lines: half an hour on one core with bf16",
            method={
                "width": 32,
                "downs": 4,  # crops of 128 px to 8: at 4 px and less padding is most of what a crop has
                "norm": "running",  # a map is mostly of one colour, of which its own statistics make noise
                "dropout_at": (1,),
                "test_noise": False,
                "patch_layers": 2,  # patches of 34 px, for streets of a few pixels
                "optim": {"lr": 4e-4, "hold": 0.5},
            },
            data={"size": 128, "zoom": 2.0},
            train={"steps": 5000, "batch": 4, "ema": 2000, "save_every": 500, "preview_every": 500},
        ),
        "tiny": Preset(
            about="32 px, for tests: seconds",
            method={"width": 4, "downs": 5, "dropout_at": (1, 2), "patch_layers": 1},
            data={"size": 32},
            train={"steps": 20, "batch": 1, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }
    one_number_of_channels = ""
    exempt = {"batch_independent": "dropout is on while translating (section 4), and draws one mask for the batch"}

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        x, y = cfg.channels_of("a"), cfg.channels_of("b")
        unet = UNet(x, cfg.width, cfg.downs, out=y, norm=cfg.norm, dropout_at=cfg.dropout_at, skips=cfg.skips)
        self.G = normal(unet)
        channels = x + y if cfg.conditional else y
        # D plays no part in translating, so that it needs no running averages.
        norm: PatchNorm = "batch" if cfg.norm == "running" else cfg.norm
        self.D = normal(PatchGAN(channels, cfg.width, cfg.patch_layers, norm=norm))
        if cfg.augment:
            augmented(self.D)
        self.size_divisor = self.G.size_divisor
        self.stochastic = cfg.test_noise

    def objectives(self, batch: Paired, at: Progress) -> Objectives:
        """Move the discriminator, then the generator."""
        x, y = batch.a, batch.b
        fake = self.G(x)
        if self.cfg.gan:
            yield Objective("D", over=(self.D,), loss=self.discriminator_loss(x, y, fake.detach()))
        yield Objective("G", over=(self.G,), loss=self.generator_loss(x, y, fake))

    def discriminator_loss(self, x: Tensor, y: Tensor, fake: Tensor) -> Loss:
        """Return the loss of D on the pairs (x, y) and (x, fake)."""
        # Two passes: with batch norm each has its own statistics.
        on_real, on_fake = self.discriminate(x, y), self.discriminate(x, fake)
        return 0.5 * term("real", gan.real(on_real)) + 0.5 * term("fake", gan.fake(on_fake))

    def generator_loss(self, x: Tensor, y: Tensor, fake: Tensor) -> Loss:
        """Return the loss of G, which made `fake` of x and should have made y."""
        w = self.cfg
        l1_term = w.l1 * term("l1", l1(fake, y))
        if not w.gan:
            return l1_term
        return w.gan * term("gan", gan.generator(self.discriminate(x, fake))) + l1_term

    def discriminate(self, x: Tensor, y: Tensor) -> Tensor:
        """Return D's raw outputs for y as a translation of x; the input comes first in the channels."""
        out: Tensor = self.D(torch.cat([x, y], 1) if self.cfg.conditional else y)
        return out

    def translate(self, x: Tensor, *, to: Domain = "b", generator: Generator | None = None) -> Tensor:
        """Translate with G, with dropout if `test_noise` says so."""
        out: Tensor = self.G(x, noise=self.cfg.test_noise, generator=generator)
        return out
