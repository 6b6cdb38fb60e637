"""CycleGAN: Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import l1_loss as l1

from instar.core.batch import Domain, Unpaired
from instar.core.config import MethodConfig, Preset
from instar.core.errors import UserError
from instar.core.method import Method, Objectives, Paper
from instar.core.objective import Loss, Objective, term
from instar.core.progress import Progress
from instar.core.settings import within
from instar.losses.gan import lsgan as gan
from instar.modules.init import normal
from instar.modules.pool import ImagePool
from instar.networks.patchgan import PatchGAN, PatchNorm
from instar.networks.resnet import ResnetGenerator


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    """Options of CycleGAN."""

    gan: float = 1.0
    """Weight of the adversarial terms; 0 leaves the cycle alone (ablation)."""
    cycle_x: float = 10.0
    """λ of eq. 3 for F(G(x)) = x, the forward cycle; 0 for the ablation without it."""
    cycle_y: float = 10.0
    """λ of eq. 3 for G(F(y)) = y, the backward cycle."""
    identity: float = 0.5
    """Weight of the identity terms relative to the cycles (section 5.2); keeps colours. 0 saves two passes."""
    pool: int = 50
    """Past fakes shown to each discriminator (section 4); 0 shows only the current ones."""
    width: int = 64
    """Channels after the first convolution of all networks."""
    blocks: int = 9
    """Residual blocks of the generators: 9 for 256 px and more, 6 for 128 px."""
    patch_norm: PatchNorm = "instance"
    """Norm of the discriminators. spectral (Miyato et al. 2018) keeps sight of an image's overall colour."""
    antialias: bool = False
    """Blurred down- and upsampling instead of strided convolutions: no checkerboards."""
    skip: bool = False
    """Add the input to the generator's output: it starts as a copy and learns what to change. For short trainings."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("gan", "cycle_x", "cycle_y", "identity", "pool", "blocks"):
            within(f"method.{name.replace('_', '-')}", getattr(self, name), 0, None)
        within("method.width", self.width, 1, None)
        if not self.gan and not (self.cycle_x and self.cycle_y):
            raise UserError("--method.gan 0 leaves a generator untrained unless both cycles are on")


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
        D/y_fake: D_Y on G(x) of now or earlier
        D/x_real: D_X on x
        D/x_fake: D_X on F(y) of now or earlier

    Differs from the paper:
        Least squares instead of the log loss of eq. 1, as its section 4 says.
        The identity terms are on, as in the authors' PyTorch code, against inverted colours; the paper uses them
        for some tasks only (`--method.identity 0`).
        The learning rate falls at every step instead of every epoch, along the same line.
        The length is fixed in steps: 200 epochs of horse2zebra's 1,334 images.
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
    targets = ("a", "b")
    translators = ("G", "F")
    presets = {
        "paper": Preset(about="256 px as in the paper; days on a GPU", train={"steps": 266_800}),
        "small": Preset(
            about="64 px on a CPU: a quarter of an hour on one core with bf16",
            method={
                "cycle_x": 1.0,
                "cycle_y": 1.0,
                "identity": 0.0,
                "width": 32,
                "blocks": 6,
                "patch_norm": "spectral",
                "antialias": True,
                "skip": True,
                "optim": {"lr": 5e-4, "hold": 0.1},
            },
            data={"size": 64, "zoom": 1.03},
            train={"steps": 2400, "ema": 5000, "save_every": 400, "preview_every": 400},
        ),
        "tiny": Preset(
            about="32 px, for tests: seconds",
            method={"width": 4, "blocks": 1},
            data={"size": 32},
            train={"steps": 20, "batch": 1, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        self.G = normal(ResnetGenerator(cfg.channels, cfg.width, cfg.blocks, antialias=cfg.antialias, skip=cfg.skip))
        self.F = normal(ResnetGenerator(cfg.channels, cfg.width, cfg.blocks, antialias=cfg.antialias, skip=cfg.skip))
        self.D_X = normal(PatchGAN(cfg.channels, cfg.width, norm=cfg.patch_norm, antialias=cfg.antialias))
        self.D_Y = normal(PatchGAN(cfg.channels, cfg.width, norm=cfg.patch_norm, antialias=cfg.antialias))
        self.pool_x, self.pool_y = ImagePool(cfg.pool), ImagePool(cfg.pool)
        self.size_divisor = self.G.size_divisor

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move both generators, then both discriminators, which see the fakes made before."""
        x, y, w = batch.a, batch.b, self.cfg
        identity = Loss()
        if w.identity:  # one pass for the fakes and the identities
            fake_y, same_y = self.G(torch.cat([x, y])).chunk(2)
            fake_x, same_x = self.F(torch.cat([y, x])).chunk(2)
            identity = w.cycle_x * term("identity_x", l1(same_x, x)) + w.cycle_y * term("identity_y", l1(same_y, y))
        else:
            fake_y, fake_x = self.G(x), self.F(y)

        yield Objective(
            "G",
            over=(self.G, self.F),
            loss=w.gan * (term("gan_g", gan.real(self.D_Y(fake_y))) + term("gan_f", gan.real(self.D_X(fake_x))))
            + w.cycle_x * term("cycle_x", l1(self.F(fake_y), x))
            + w.cycle_y * term("cycle_y", l1(self.G(fake_x), y))
            + w.identity * identity,
        )

        y_real, y_fake = self.D_Y(torch.cat([y, self.pool_y(fake_y)])).chunk(2)
        x_real, x_fake = self.D_X(torch.cat([x, self.pool_x(fake_x)])).chunk(2)
        yield Objective(
            "D",
            over=(self.D_X, self.D_Y),
            loss=0.5 * (term("y_real", gan.real(y_real)) + term("y_fake", gan.fake(y_fake)))
            + 0.5 * (term("x_real", gan.real(x_real)) + term("x_fake", gan.fake(x_fake))),
        )

    def translate(self, x: Tensor, *, to: Domain = "b") -> Tensor:
        """Translate with G towards b, with F towards a."""
        out: Tensor = self.G(x) if to == "b" else self.F(x)
        return out
