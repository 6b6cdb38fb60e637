"""CoGAN: Coupled Generative Adversarial Networks, with a classifier for domain adaptation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, final

import torch
from torch import Tensor

from instar.core.batch import Domain, Labelled
from instar.core.config import MethodConfig, Optim, Preset, RunConfig
from instar.core.device import moved
from instar.core.method import Method, Objectives, Paper, enough_classes, same_side, two_each
from instar.core.objective import Loss, Objective, term
from instar.core.progress import Progress
from instar.core.settings import Bounds, NonNegativeFloat, Width
from instar.losses.digits import entropy, squares
from instar.losses.gan import vanilla as gan
from instar.methods.cogan.networks import CODE, PairGenerator
from instar.modules.warp import random_warp
from instar.networks.digits import codis28x28

SIDE = 28
"""Of the images."""


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    """Options of CoGAN."""

    optim: Optim = field(default_factory=lambda: Optim(hold=1.0, weight_decay=5e-4))
    """Adam at a constant rate."""
    label: NonNegativeFloat = 10.0
    """Weight of the classifier's cross entropy on the labelled source."""
    feature: NonNegativeFloat = 0.01
    """Weight of the distance between the discriminator's features of the two images of a pair."""
    width: Width = 128
    """Channels of the generator before its last layer."""
    classes: Annotated[int, Bounds(2)] = 10
    """Classes of the labels."""
    warp: NonNegativeFloat = 0.0
    """Strength of random turns, shears, zooms and shifts of all training images; 1 turns by up to 20 degrees."""


@final
class CoGAN(Method[Labelled]):
    """Two generators draw a pair of images of one code; what they share makes the pair the same digit.

    min_G max_D  L_GAN(G_1, D_1) + L_GAN(G_2, D_2),   min_D  10 CE(D_1(x), label) + 0.01 |f_1 - f_2|²

    Generators share their first layers, discriminators their last, which also name classes: of the domain without
    labels its own first layer is trained by the other terms alone. f are the features before the heads, of the two
    images of a pair. There is no encoder: it translates nothing.

    Terms:
        D/real: D on images of both domains
        D/fake: D on pairs
        D/label: cross entropy of the classes of x, an image of a
        D/feature: squared distance of the features of the two images of a pair, summed
        G/gan: D should take both images of pairs for real

    Differs from the paper:
        The classifier, losses and weights are those of the authors' code for MNIST and USPS.
        Weight decay leaves biases and activations alone.
        USPS is read as the data set gives it, resized to 28 px; the authors pad its digits first.
        Translating by a search for an image's code, as the paper does it, is not here.
        Random warps of all training images (`method.warp`) and the preset `small` are ours.
        Accuracy is that of the last weights; the authors quote the best of all checkpoints on the test set.
    """

    options = Config
    cfg: Config
    paper = Paper("Coupled Generative Adversarial Networks", "Liu, Tuzel", 2016, "https://arxiv.org/abs/1606.07536")
    data = Labelled
    targets = ()
    translators = ("D",)
    presets = {
        "paper": Preset(
            about="MNIST and USPS, 28 px, as in the authors' code; for a GPU",
            method={"channels": 1},
            data={"size": SIDE, "zoom": 1.0, "flip": False},
            train={"steps": 10_000, "batch": 64},
        ),
        "small": Preset(
            about="MNIST and USPS on a CPU: minutes on one core",
            method={"channels": 1, "width": 16, "warp": 1.0},
            data={"size": SIDE, "zoom": 1.0, "flip": False},
            train={"steps": 4000, "batch": 32, "ema": 10_000, "save_every": 400},
        ),
        "tiny": Preset(
            about="for tests: seconds",
            method={"width": 2},
            data={"size": SIDE, "zoom": 1.0, "flip": False},
            train={"steps": 20, "batch": 4, "ema": 100, "log_every": 5, "save_every": 10},
        ),
    }

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        self.G = PairGenerator(cfg.channels, cfg.width)
        self.D = codis28x28((cfg.channels, cfg.channels), cfg.classes)
        self.fixed_size = SIDE

    def check(self, config: RunConfig) -> str:
        """Refuse another size than the networks', and batches without statistics."""
        same_side(config, SIDE)
        two_each(config, "batch norm needs")
        return ""

    def objectives(self, batch: Labelled, at: Progress) -> Objectives:
        """Move the discriminators with their classifier, then the generators against them, on other codes."""
        enough_classes(batch, self.cfg.classes)
        x, y = (as_drawn(random_warp(images, self.cfg.warp)) for images in (batch.a, batch.b))
        with torch.no_grad():
            in_a, in_b = self.G(self.codes(x))
        yield Objective("D", over=(self.D,), loss=self.discriminator_loss(x, y, in_a, in_b, batch.labels))
        in_a, in_b = self.G(self.codes(x))
        yield Objective("G", over=(self.G,), loss=self.generator_loss(in_a, in_b))

    def discriminator_loss(self, x: Tensor, y: Tensor, in_a: Tensor, in_b: Tensor, labels: Tensor) -> Loss:
        """Return the loss of D and its classifier.

        Args:
            x: labelled images (N, C, 28, 28) of a in [0, 1].
            y: images of b.
            in_a: one image of each pair.
            in_b: the other one.
            labels: classes (N,) of x.
        """
        w, n = self.cfg, len(x)
        real, fake = self.D.features(x, y), self.D.features(in_a, in_b)
        return (
            term("real", gan.real(self.D.realness(real)))
            + term("fake", gan.fake(self.D.realness(fake)))
            + w.label * term("label", entropy(self.D.classes(real[:n]), labels))
            + w.feature * term("feature", squares(*fake.chunk(2)))
        )

    def generator_loss(self, in_a: Tensor, in_b: Tensor) -> Loss:
        """Return the loss of G on pairs, (N, C, 28, 28) each."""
        return term("gan", gan.generator(self.D.realness(self.D.features(in_a, in_b))))

    def codes(self, like: Tensor) -> Tensor:
        """Draw as many codes (N, 100) as there are images (N, ...)."""
        return moved(torch.randn(len(like), CODE, dtype=like.dtype), like.device)

    def classify(self, x: Tensor, domain: Domain = "b") -> Tensor:
        """Return the logits (N, classes) of images (N, C, 28, 28) in [-1, 1] of a domain."""
        return self.D.classify(as_drawn(x), domain)


def as_drawn(images: Tensor) -> Tensor:
    """Return images in [-1, 1] as the generators draw them, in [0, 1]."""
    return (images + 1) / 2
