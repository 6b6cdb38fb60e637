"""I2SB: Image-to-Image Schrödinger Bridge."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, final

import torch
from torch import Generator, Tensor
from torch.nn.functional import mse_loss

from instar.core.batch import Domain, Paired
from instar.core.config import MethodConfig, Optim, Preset
from instar.core.errors import UserError, setting
from instar.core.method import Method, Objectives, Paper
from instar.core.objective import Loss, Objective, term
from instar.core.progress import Progress
from instar.core.settings import Blocks, Bounds, NonNegativeInt, PositiveInt, Width
from instar.methods.i2sb.bridge import Bridge
from instar.methods.i2sb.network import TimedUNet


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    """Options of I2SB."""

    optim: Optim = field(default_factory=lambda: Optim(lr=5e-5, betas=(0.9, 0.999), hold=1.0))
    """Adam at a constant rate."""
    beta: Annotated[float, Bounds(0.1)] = 0.3
    """β_max: how much noise there is half way between the two images."""
    noise: bool = True
    """The path between two images is drawn: one input has many translations. Off, it is the straight line, and there is
    one translation (OT-ODE)."""
    condition: bool = False
    """The network sees the input at every step, not only where the path has come to."""
    intervals: Annotated[int, Bounds(2)] = 1000
    """N, numbers along the path."""
    evaluations: PositiveInt = 20
    """Passes through the network for one translation, at most `method.intervals`; also of a trained model."""
    width: Width = 256
    """Channels of the first level of the U-Net."""
    multipliers: tuple[PositiveInt, ...] = (1, 1, 2, 2, 4, 4)
    """Channels of each level, in widths; each has half the size of the one before."""
    blocks: Blocks = 2
    """Residual blocks of each level on the way down; one more on the way up."""
    attention: NonNegativeInt = 3
    """Levels with attention, the coarsest ones."""
    patch: Annotated[int, Bounds(1, 8)] = 1
    """Side of the squares of pixels that are one place of the first level: 2 saves three quarters of the work."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.intervals % 2:
            raise UserError(f"{setting('method.intervals', self.intervals)}: take an even number")
        if self.evaluations > self.intervals:
            said, most = setting("method.evaluations", self.evaluations), setting("method.intervals", self.intervals)
            raise UserError(f"{said}: there are no more places along the path than {most}")
        if self.width % 2:
            raise UserError(f"{setting('method.width', self.width)}: take an even number")
        if not self.multipliers:
            raise UserError(f"{setting('method.multipliers')}: give one number for each level")


@final
class I2SB(Method[Paired]):
    """A diffusion that starts at the input instead of at noise, and comes to its pair.

    min_ε  E |ε(X_n, n) - (X_n - X_0) / σ_n|²     (eq. 12)

    X_0 is the image of the target domain, X_N the input, X_n a state of the Brownian bridge between them, n drawn from
    1 ... N. Translating goes back from X_N: each pass gives X_0 = X_n - σ_n ε, and an earlier state is drawn on the
    bridge between that and X_n (eq. 4).

    Terms:
        eps/bridge: mean squared difference of ε(X_n, n) to (X_n - X_0) / σ_n

    Differs from the paper:
        The network starts from random weights; the authors start from a diffusion model of ImageNet.
        Each interval lies on one side of a state; the authors' code counts the one at the state on both, which moves
        means by up to 8e-4 of the way. The way back ends at X_0; theirs at a state with a deviation of 0.01 around it.
        X_0 is kept in [-1, 1], an option of the authors' code. The noise of a pass is the same for all images of a
        batch, so that a translation does not depend on what else is translated with it.
        Adam's rate stays; in the authors' code it falls by a hundredth every 1,000 steps.
        Small networks have norms of fewer than 32 groups, of four channels or more.
        Averages have the half-life of the authors' decay of 0.99 a step, in images.
    """

    options = Config
    cfg: Config
    paper = Paper(
        "I²SB: Image-to-Image Schrödinger Bridge",
        "Liu, Vahdat, Huang, Theodorou, Nie, Anandkumar",
        2023,
        "https://arxiv.org/abs/2302.05872",
    )
    data = Paired
    targets = ("b",)
    translators = ("eps",)
    presets = {
        "paper": Preset(
            about="256 px with the network of guided diffusion, batches of 256; days on many GPUs",
            train={"steps": 1_000_000, "batch": 256, "ema": 17_700},
        ),
        "ode": Preset(
            about="as the paper's OT-ODE: a straight path, one translation",
            method={"noise": False, "beta": 1.0},
            train={"steps": 1_000_000, "batch": 256, "ema": 17_700},
        ),
        "small": Preset(
            about="64 px on a CPU: forty minutes on one core with bf16, still noisy then",
            method={
                "width": 48,
                "multipliers": (1, 2, 4),
                "blocks": 1,
                "attention": 1,
                "patch": 2,
                "condition": True,  # the input says more about far domains than a state of the path
                "beta": 1.0,
                "evaluations": 10,
                "optim": {"lr": 5e-4, "hold": 0.5},  # a run of thousands of steps
            },
            data={"size": 64, "zoom": 1.03},
            train={"steps": 3000, "batch": 16, "ema": 5000, "save_every": 500, "preview_every": 500},
        ),
        "tiny": Preset(
            about="32 px, for tests: seconds",
            method={
                "width": 8,
                "multipliers": (1, 2),
                "blocks": 1,
                "attention": 1,
                "evaluations": 2,
                "optim": {"lr": 2e-4},
            },
            data={"size": 32},
            train={"steps": 20, "batch": 1, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }
    one_number_of_channels = "its path leads from one image to the other"

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        self.bridge = Bridge(cfg.intervals, cfg.beta, noise=cfg.noise)
        self.eps = TimedUNet(
            cfg.channels,
            cfg.width,
            cfg.multipliers,
            blocks=cfg.blocks,
            attention=cfg.attention,
            patch=cfg.patch,
            condition=cfg.condition,
        )
        self.size_divisor = self.eps.size_divisor
        self.stochastic = cfg.noise and cfg.evaluations > 1

    def objectives(self, batch: Paired, at: Progress) -> Objectives:
        """Move the network at one place of each pair's path."""
        end, x0 = batch.a, batch.b
        n = torch.randint(1, self.bridge.intervals + 1, (len(x0),), device=x0.device)
        yield Objective("eps", over=(self.eps,), loss=self.loss(self.bridge.between(x0, end, n), x0, end, n))

    def loss(self, x: Tensor, x0: Tensor, end: Tensor, n: Tensor) -> Loss:
        """Return the loss of the network at states x with numbers n (B,) of bridges from x0 to `end`."""
        return term("bridge", mse_loss(self.eps(x, n, end), (x - x0) / self.bridge.deviation(n)))

    def translate(self, x: Tensor, *, to: Domain = "b", generator: Generator | None = None) -> Tensor:
        """Go back along the path from x, in `evaluations` strides."""
        end, x0 = x, x
        for n, m in pairwise(self.bridge.stops(self.cfg.evaluations)):
            x0 = self.predict(x, n, end)
            x = self.bridge.earlier(x, x0, n, m, self.draw(x, generator) if m else None)
        return x0

    def predict(self, x: Tensor, n: int, end: Tensor) -> Tensor:
        """Return X_0 (B, C, H, W) in [-1, 1] as the network sees it from a state x with number n."""
        number = torch.full(x.shape[:1], n, device=x.device)  # `len` would fix the batch of an export
        x0 = x - self.bridge.deviation(number) * self.eps(x, number, end)
        return self.eps.limit(x0.clamp(-1, 1), end)

    def draw(self, x: Tensor, generator: Generator | None) -> Tensor | None:
        """Return the noise (1, C, H, W) of a stride, on the CPU until it is drawn; None where paths are straight."""
        if not self.cfg.noise:
            return None
        return torch.randn(1, *x.shape[1:], generator=generator, dtype=x.dtype).to(x.device)
