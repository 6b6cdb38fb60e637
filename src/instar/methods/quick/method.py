"""Quick: a translation to look at after ten minutes on a laptop. No paper's method: made of known parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, final

from torch import Tensor
from torch.nn import functional as nnf

from instar.core.batch import Domain, Unpaired
from instar.core.config import MethodConfig, Optim, Preset, RunConfig
from instar.core.errors import UserError, setting
from instar.core.method import Method, Objectives, same_side
from instar.core.objective import Loss, Objective, term
from instar.core.progress import Progress
from instar.core.settings import Blocks, Bounds, NonNegativeFloat, Width
from instar.losses.gan import r1
from instar.losses.relativistic import more_real
from instar.methods.quick.structure import local_correlation_loss
from instar.networks.light import (
    LAZY,
    at_leaves,
    augment,
    lazy_rate,
    light_generator,
    outputs,
    whole_discriminator,
)

COARSE = 8
"""Places along a side where the input's colours are held."""


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    """Options of Quick."""

    removed: ClassVar[Mapping[str, tuple[object, ...]]] = {"floor": (0.0,)}

    optim: Optim = field(default_factory=lambda: Optim(lr=1e-3, betas=(0.0, 0.99), hold=0.75))
    """Adam and its schedule; the discriminator learns at twice the rate."""
    keep: NonNegativeFloat = 0.3
    """Weight of the term that holds brightness and colours of the input at 8 x 8 places; lower where these change."""
    mask: NonNegativeFloat = 0.05
    """Weight of the mask's mean: what need not change stays."""
    structure: NonNegativeFloat = 0.25
    """Weight of the term that holds edges in their places, whatever their colours become; 0.5 where everything changes,
    as from day to night."""
    source: NonNegativeFloat = 0.5
    """Weight of the inputs among the discriminator's fakes: it does not forget what the target is not. 0 saves a third
    of its work."""
    penalty: NonNegativeFloat = 0.2
    """γ of the penalties on the discriminator's gradient; it needs more at larger sizes."""
    side: Annotated[int, Bounds(32, 256)] = 64
    """Side of the images that the networks are built for: 32, 64, 128 or 256."""
    width: Width = 64
    """Channels of the generator on its grid of 16 x 16; the discriminator begins with half as many."""
    blocks: Blocks = 4
    """Residual blocks of the generator on that grid."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.side & (self.side - 1):
            raise UserError(f"{setting('method.side', self.side)}: take 32, 64, 128 or 256")


@final
class Quick(Method[Unpaired]):
    """Translations should look more real than made, to a discriminator that sees whole images, from a light generator.

    L_D = E f(D(y) - D(G(x))) + 0.5 E f(D(y) - D(x)) + γ/2 (R1 + R2),  f(t) = log(1 + exp(-t))
    L_G = E f(D(G(x)) - D(y)) + 0.3 E |pool(G(x)) - pool(x)| + 0.25 L_structure + 0.05 E m(x)
    G(x) = x + m(x) (c(x) - x)

    Terms:
        D/fake: E f(D(y) - D(G(x))), y should look more real than G(x)
        D/source: E f(D(y) - D(x)), y should look more real than x
        R/r1: squared gradient of D at y
        R/r2: squared gradient of D at G(x)
        G/gan: E f(D(G(x)) - D(y)), G(x) should look more real than y
        G/mask: mean m(x)
        G/keep: mean |pool(G(x)) - pool(x)|, pool to 8 x 8
        G/structure: mean 1 - ρ², ρ the correlation of the brightness of G(x) and x in 9 x 9 neighbourhoods

    Parts:
        The loss of pairs, with penalties at real and made images, as in R3GAN: Huang et al. 2024
        (https://arxiv.org/abs/2501.05441), after Jolicoeur-Martineau 2018 (https://arxiv.org/abs/1807.00734).
        The penalties come each eighth step, eight times as heavy: Karras et al. 2020 (https://arxiv.org/abs/1912.04958).
        Equalised learning rates: Karras et al. 2018 (https://arxiv.org/abs/1710.10196).
        D learns at twice the rate of G: Heusel et al. 2017 (https://arxiv.org/abs/1706.08500).
        A mask that blends content into the input: Pumarola et al. 2018 (https://arxiv.org/abs/1807.09251).
        Colour at half of the sides, brightness at all of them, as JPEG and television have it.
        D sees images moved and with holes: Zhao et al. 2020 (https://arxiv.org/abs/2006.10738); the holes here are
        smaller, in half of the images, and colours stay.
        Inputs as further fakes, as Reed et al. 2016 (https://arxiv.org/abs/1605.05396) have images of another text.
        The pull towards the input's coarse colours: the self-regularisation of Shrivastava et al. 2017
        (https://arxiv.org/abs/1612.07828), of averages.
        L_structure holds edges in their places: the squared structure term of SSIM, Wang et al. 2004.
    """

    options = Config
    cfg: Config
    holds_input = {"keep": "colours", "structure": "shapes", "mask": "all"}
    one_number_of_channels = "it blends the input with what it draws"
    data = Unpaired
    targets = ("b",)
    translators = ("G",)
    presets = {
        "small": Preset(
            about="64 px: eight minutes on one core with bf16",
            data={"size": 64, "zoom": 1.0},
            train={"steps": 4000, "batch": 4, "ema": 1500, "preview_every": 1000, "save_every": 1000},
        ),
        "medium": Preset(
            about="128 px: five minutes on a GPU with bf16",
            method={"side": 128, "penalty": 0.5, "structure": 0.0},
            data={"size": 128, "zoom": 1.0},
            train={"steps": 5500, "batch": 16, "ema": 4000, "preview_every": 500},
        ),
        "tiny": Preset(
            about="32 px, for tests: seconds",
            method={"side": 32, "width": 8, "blocks": 2},
            data={"size": 32},
            train={"steps": 20, "batch": 2, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        self.G = light_generator(cfg.channels, cfg.side, cfg.width, cfg.blocks)
        self.D = whole_discriminator(cfg.channels, cfg.side, cfg.width // 2)
        self.size_divisor = self.G.size_divisor

    def check(self, config: RunConfig) -> str:
        """Refuse a size that the discriminator was not built for."""
        same_side(config, self.cfg.side)
        return ""

    def optim(self, network: str) -> Optim:
        """Return the settings of G, or those of D, which learns faster."""
        return self.cfg.optim if network == "G" else lazy_rate(self.cfg.optim)

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move D, each eighth step once more for the penalties, then G against the new D."""
        x, y = batch.a, batch.b
        fake, mask = self.G.blended(x)
        real, made, *source = outputs(self.D, y, fake.detach(), *([x] if self.cfg.source else []))
        yield Objective("D", over=(self.D,), loss=self.discriminator_loss(real, made, *source))
        if self.cfg.penalty and at.step % LAZY == 0:
            yield Objective("R", over=(self.D,), loss=self.penalty(y, fake))
        yield Objective("G", over=(self.G,), loss=self.generator_loss(x, fake, mask, real.detach()))

    def discriminator_loss(self, real: Tensor, fake: Tensor, source: Tensor | None = None) -> Loss:
        """Return the loss of D's outputs (N,) for y, G(x) and x."""
        loss = term("fake", more_real(real, fake))
        if source is not None:
            loss += self.cfg.source * term("source", more_real(real, source))
        return loss

    def penalty(self, y: Tensor, fake: Tensor) -> Loss:
        """Return the penalties on D's gradient at images, real and made, as D sees them."""
        real, made = at_leaves(self.D, y, fake)
        weight = LAZY * self.cfg.penalty / 2
        return weight * term("r1", r1(*real)) + weight * term("r2", r1(*made))

    def generator_loss(self, x: Tensor, fake: Tensor, mask: Tensor, real: Tensor) -> Loss:
        """Return the loss of G on x, G(x) and its mask, given D's outputs for y."""
        w = self.cfg
        loss = term("gan", more_real(self.D(augment(fake)), real)) + w.mask * term("mask", mask.mean())
        if w.keep:
            loss += w.keep * term("keep", coarse_change(x, fake))
        if w.structure:
            loss += w.structure * term("structure", local_correlation_loss(x, fake))
        return loss

    def translate(self, x: Tensor, *, to: Domain = "b") -> Tensor:
        """Translate with G."""
        out: Tensor = self.G(x).clamp(-1, 1)
        return out


def coarse_change(x: Tensor, fake: Tensor) -> Tensor:
    """Return the mean difference of images (N, C, H, W) after averaging to 8 x 8 places; in float32 or better."""
    return nnf.adaptive_avg_pool2d(fake - x, COARSE).abs().mean()
