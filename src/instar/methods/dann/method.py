"""DANN: Domain-Adversarial Training of Neural Networks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, final

import torch
from torch import Tensor

from instar.core.batch import Domain, Labelled
from instar.core.config import MethodConfig, Optim, Preset, RunConfig
from instar.core.method import Method, Objectives, Paper, enough_classes, same_side
from instar.core.objective import Objective, term
from instar.core.progress import Progress
from instar.core.settings import Bounds, NonNegativeFloat
from instar.losses.digits import entropy
from instar.losses.gan import vanilla as gan
from instar.methods.dann.networks import SIDE, Classes, Domains, Features, reversed_gradient
from instar.modules.warp import random_warp

STEEPNESS = 10.0
"""γ, how fast the reversed gradients grow to their full strength."""


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    """Options of DANN."""

    optim: Optim = field(default_factory=lambda: Optim(lr=1e-3, betas=(0.9, 0.999), hold=0.25))
    """Adam; the rate falls over the last three quarters of the run."""
    domain: NonNegativeFloat = 1.0
    """λ, strength of the reversed gradients at the end of the run; 0 for the source alone."""
    classes: Annotated[int, Bounds(2)] = 10
    """Classes of the labels."""
    warp: NonNegativeFloat = 0.0
    """Strength of random turns, shears, zooms and shifts of all training images; 1 turns by up to 20 degrees."""


@final
class DANN(Method[Labelled]):
    """A classifier on features of which another one cannot say which domain they are from. It translates nothing.

    min_{F,C} max_D  CE(C(F(x)), label) - λ_p L(D(F(x, y)), domain),   λ_p = λ (2 / (1 + e^{-10 p}) - 1)

    x is a labelled image of a, y an image of b, p the share of the run that is done. D's gradient is reversed, times
    λ_p, before it reaches F; D learns in the same step.

    Terms:
        F/label: cross entropy of the classes of x
        F/domain: cross entropy of the domains of x and y; ln 2 where D cannot tell

    Differs from the paper:
        Adam in place of stochastic gradients with momentum 0.9 and a rate of 0.01 / (1 + 10 p)^0.75.
        Values are in [-1, 1]; the authors take the mean image away.
        The network is that of the paper's digits, MNIST to MNIST-M; it has no figures for MNIST and USPS.
        The length is fixed in steps.
        Random warps of all training images (`method.warp`) are ours, as in the presets of UNIT for domain adaptation.
    """

    options = Config
    cfg: Config
    paper = Paper(
        "Domain-Adversarial Training of Neural Networks",
        "Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand, Lempitsky",
        2016,
        "https://arxiv.org/abs/1505.07818",
    )
    data = Labelled
    targets = ()
    translators = ("F", "C")
    presets = {
        "paper": Preset(
            about="MNIST to MNIST-M, 28 px in colour, as in the paper; minutes",
            data={"size": SIDE, "zoom": 1.0, "flip": False},
            train={"steps": 20_000, "batch": 64},
        ),
        "small": Preset(
            about="MNIST and USPS, gray, on a CPU: minutes on one core",
            method={"channels": 1, "warp": 1.0},
            data={"size": SIDE, "zoom": 1.0, "flip": False},
            train={"steps": 3000, "batch": 64, "ema": 10_000, "save_every": 250},
        ),
        "tiny": Preset(
            about="for tests: seconds",
            data={"size": SIDE, "zoom": 1.0, "flip": False},
            train={"steps": 20, "batch": 4, "ema": 100, "log_every": 5, "save_every": 10},
        ),
    }

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        self.F = Features(cfg.channels)
        self.C = Classes(cfg.classes)
        self.D = Domains()
        self.fixed_size = SIDE

    def check(self, config: RunConfig) -> str:
        """Refuse another size than the networks'."""
        same_side(config, SIDE)
        return ""

    def objectives(self, batch: Labelled, at: Progress) -> Objectives:
        """Move all three networks by one loss: features learn what names classes and what hides domains."""
        enough_classes(batch, self.cfg.classes)
        x, y = random_warp(batch.a, self.cfg.warp), random_warp(batch.b, self.cfg.warp)
        features = self.F(torch.cat([x, y]))
        of_x, of_y = self.D(reversed_gradient(features, self.strength(at))).split([len(x), len(y)])
        label = entropy(self.C(features[: len(x)]), batch.labels)
        domain = 0.5 * gan.fake(of_x) + 0.5 * gan.real(of_y)
        yield Objective("F", over=(self.F, self.C, self.D), loss=term("label", label) + term("domain", domain))

    def strength(self, at: Progress) -> float:
        """Return the strength of the reversed gradients: 0 at first, `domain` in the end."""
        return self.cfg.domain * (2 / (1 + math.exp(-STEEPNESS * at.fraction)) - 1)

    def classify(self, x: Tensor, domain: Domain = "b") -> Tensor:
        """Return the logits (N, classes) of images (N, C, 28, 28) in [-1, 1]; both domains have the same networks."""
        logits: Tensor = self.C(self.F(x))
        return logits
