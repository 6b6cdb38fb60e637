"""CycleGAN: Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss as l1

from instar.core.batch import Domain, Unpaired
from instar.core.config import Optim, Preset, RunConfig
from instar.core.errors import UserError, setting
from instar.core.method import Method, Objectives, Paper, compares_domains
from instar.core.objective import Loss, Objective, term
from instar.core.progress import Progress
from instar.core.settings import NonNegativeFloat, NonNegativeInt
from instar.losses.gan import lsgan as gan
from instar.losses.relativistic import more_real, pairs_loss, penalties
from instar.modules.init import normal
from instar.modules.pool import ImagePool
from instar.networks.blend import BlendGenerator
from instar.networks.light import (
    DATA,
    EACH_PENALTY,
    LAZY,
    LIGHT,
    TRAIN,
    LightConfig,
    at_leaves,
    augment,
    check_light,
    lazy_rate,
    light_generator,
    outputs,
    whole_discriminator,
)
from instar.networks.resnet import ResnetGenerator
from instar.networks.resnet_patchgan import patch_discriminator, resnet_generator


@dataclass(frozen=True, kw_only=True)
class Config(LightConfig):
    """Options of CycleGAN."""

    gan: NonNegativeFloat = 1.0
    """Weight of the adversarial terms; 0 leaves the cycle alone (ablation)."""
    cycle_x: NonNegativeFloat = 10.0
    """λ of eq. 3 for F(G(x)) = x, the forward cycle; 0 for the ablation without it."""
    cycle_y: NonNegativeFloat = 10.0
    """λ of eq. 3 for G(F(y)) = y, the backward cycle."""
    identity: NonNegativeFloat = 0.5
    """Weight of the identity terms relative to the cycles (section 5.2); keeps colours. 0 saves two passes."""
    pool: NonNegativeInt = 50
    """Past fakes shown to each discriminator (section 4); 0 shows only the current ones, as light ones see them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.gan and not (self.cycle_x and self.cycle_y):
            raise UserError(f"{setting('method.gan', 0)} leaves a generator untrained unless both cycles are on")


@final
class CycleGAN(Method[Unpaired]):
    """Two generators, G: X to Y and F: Y to X, that undo each other, against a discriminator for each domain.

    min_{G,F} max_{D_X,D_Y}  L_GAN(G, D_Y) + L_GAN(F, D_X) + λ L_cyc(G, F)     (eqs. 3 and 4)

    Terms:
        G/gan_g: D_Y should take G(x) for real (eq. 1)
        G/gan_f: D_X should take F(y) for real
        G/cycle_x: mean |F(G(x)) - x| (eq. 2)
        G/cycle_y: mean |G(F(y)) - y| (eq. 2)
        G/identity_x: mean |F(x) - x| (section 5.2)
        G/identity_y: mean |G(y) - y|
        D/y_real: D_Y on y
        D/y_fake: D_Y on G(x) of now or earlier; of light networks E f(D_Y(y) - D_Y(G(x))), f(t) = log(1 + exp(-t))
        D/x_real: D_X on x
        D/x_fake: D_X on F(y) of now or earlier; of light networks E f(D_X(x) - D_X(F(y)))
        D/y_source: of light networks, E f(D_Y(y) - D_Y(x))
        D/x_source: of light networks, E f(D_X(x) - D_X(y))
        R/y_r1: of light networks, squared gradient of D_Y at y
        R/y_r2: of light networks, squared gradient of D_Y at G(x)
        R/x_r1: of light networks, squared gradient of D_X at x
        R/x_r2: of light networks, squared gradient of D_X at F(y)

    Differs from the paper:
        Least squares instead of the log loss of eq. 1, as its section 4 says.
        The identity terms are on, as in the authors' PyTorch code, against inverted colours; the paper uses them
        for some tasks only (`method.identity` 0).
        The learning rate falls at every step instead of every epoch, along the same line.
        The preset `small` keeps the cycles alone: networks, adversarial loss, penalties and rates are those of Quick.
        The length is fixed in steps: 200 epochs of horse2zebra's 1,334 images.
        Images that are not square are resized by their short side, and averaged weights translate (`train.ema` 0 for
        the trained ones); the authors' code squeezes images to a square, and averages nothing.
    """

    options = Config
    cfg: Config
    paper = Paper(
        "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
        "Zhu, Park, Isola, Efros",
        2017,
        "https://arxiv.org/abs/1703.10593",
    )
    data = Unpaired
    holds_input = {"cycle_x": "all", "cycle_y": "all", "identity": "colours"}
    targets = ("a", "b")
    one_number_of_channels = ""
    translators = ("G", "F")
    presets = {
        "paper": Preset(about="256 px as in the paper; days on a GPU", train={"steps": 266_800}),
        "small": Preset(
            about="light generators, 64 px on a CPU: half an hour on one core with bf16",
            # A copy is a perfect cycle and a perfect identity: at the paper's weights they are never left.
            method={**LIGHT, "cycle_x": 1.0, "cycle_y": 1.0, "identity": 0.0},
            data=DATA,
            train={**TRAIN, "steps": 4500},
        ),
        "tiny": Preset(
            about="32 px, for tests: seconds",
            method={"width": 4, "blocks": 1},
            data={"size": 32},
            train={"steps": 20, "batch": 1, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {"light": {"light": 32}}

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        compares_domains(cfg, "identity", cfg.identity, "G(y) with y")
        compares_domains(cfg, "light", cfg.light, "the input with what is drawn over it")
        self.G, self.F, self.D_X, self.D_Y = light_networks(cfg) if cfg.light else networks(cfg)
        self.pool_x = ImagePool(cfg.pool)
        self.pool_y = ImagePool(cfg.pool)
        self.size_divisor = self.G.size_divisor

    def check(self, config: RunConfig) -> str:
        """Refuse a size that light networks were not built for."""
        return check_light(config, self.cfg.light, self.presets)

    def optim(self, network: str) -> Optim:
        """Return the settings of all networks, or those of light discriminators, which learn faster."""
        return lazy_rate(self.cfg.optim) if network in ("D_X", "D_Y") and self.cfg.light else self.cfg.optim

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move both generators, then both discriminators, which see the fakes made before; light ones go first."""
        x, y = batch.a, batch.b
        # One pass of each generator makes the fakes and, for the identity terms, sees images of its own target.
        extra = len(x) if self.cfg.identity else 0
        fake_y, same_y = self.G(torch.cat([x, y]) if extra else x).split([len(x), extra])
        fake_x, same_x = self.F(torch.cat([y, x]) if extra else y).split([len(y), extra])
        if self.cfg.light:
            yield from self.light_objectives(x, y, fake_x, fake_y, same_x, same_y, at)
            return
        loss = self.generator_loss(x, y, fake_x, fake_y, same_x, same_y)
        yield Objective("G", over=(self.G, self.F), loss=loss)
        yield Objective("D", over=(self.D_X, self.D_Y), loss=self.discriminator_loss(x, y, fake_x, fake_y))

    def light_objectives(
        self, x: Tensor, y: Tensor, fake_x: Tensor, fake_y: Tensor, same_x: Tensor, same_y: Tensor, at: Progress
    ) -> Objectives:
        """Move light discriminators, each eighth step once more for their penalties, then both generators."""
        seen_y = outputs(self.D_Y, y, fake_y.detach(), x)
        seen_x = outputs(self.D_X, x, fake_x.detach(), y)
        loss = pairs_loss(*seen_y, of="y_") + pairs_loss(*seen_x, of="x_")
        yield Objective("D", over=(self.D_X, self.D_Y), loss=loss)
        if at.step % LAZY == 0:
            loss = penalties(at_leaves(self.D_Y, y, fake_y), EACH_PENALTY, of="y_")
            loss += penalties(at_leaves(self.D_X, x, fake_x), EACH_PENALTY, of="x_")
            yield Objective("R", over=(self.D_X, self.D_Y), loss=loss)
        loss = self.generator_loss(x, y, fake_x, fake_y, same_x, same_y, seen_x[0].detach(), seen_y[0].detach())
        yield Objective("G", over=(self.G, self.F), loss=loss)

    def generator_loss(
        self,
        x: Tensor,
        y: Tensor,
        fake_x: Tensor,
        fake_y: Tensor,
        same_x: Tensor,
        same_y: Tensor,
        real_x: Tensor | None = None,
        real_y: Tensor | None = None,
    ) -> Loss:
        """Return the loss of G and F on images x and y, F(y) and G(x), and F(x) and G(y) for the identity terms.

        `real_x` and `real_y` are the outputs (N,) of light discriminators for x and y.
        """
        w = self.cfg
        loss = (
            w.gan * term("gan_g", fooling(self.D_Y, fake_y, real_y))
            + w.gan * term("gan_f", fooling(self.D_X, fake_x, real_x))
            + w.cycle_x * term("cycle_x", l1(self.F(fake_y), x))
            + w.cycle_y * term("cycle_y", l1(self.G(fake_x), y))
        )
        if w.identity:
            loss += w.identity * w.cycle_x * term("identity_x", l1(same_x, x))
            loss += w.identity * w.cycle_y * term("identity_y", l1(same_y, y))
        return loss

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
        """Translate with G towards b, with F towards a."""
        out: Tensor = self.G(x) if to == "b" else self.F(x)
        return out


Generator = ResnetGenerator | BlendGenerator
Networks = tuple[Generator, Generator, nn.Module, nn.Module]
"""G, F, D_X, D_Y."""


def networks(cfg: Config) -> Networks:
    """Return the paper's networks."""
    g, f = (normal(resnet_generator(cfg, to)) for to in ("b", "a"))
    d_x, d_y = (normal(patch_discriminator(cfg, of)) for of in ("a", "b"))
    return g, f, d_x, d_y


def light_networks(cfg: Config) -> Networks:
    """Return light networks."""
    g, f = (light_generator(cfg.channels, cfg.light) for _ in range(2))
    d_x, d_y = (whole_discriminator(cfg.channels, cfg.light) for _ in range(2))
    return g, f, d_x, d_y


def fooling(D: nn.Module, fake: Tensor, real: Tensor | None) -> Tensor:
    """Return the loss of a generator whose fakes D should take for real; more so than `real`, if D is a light one."""
    return gan.generator(D(fake)) if real is None else more_real(D(augment(fake)), real)
