"""UNIT for domain adaptation: a classifier for digits of which only those of another domain have labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, final

import torch
from torch import Tensor

from instar.core.batch import Domain, Labelled
from instar.core.config import MethodConfig, Optim, Preset, RunConfig
from instar.core.device import constant
from instar.core.errors import UserError, setting
from instar.core.method import Method, Objectives, Paper, enough_classes, same_side, two_each
from instar.core.objective import Loss, Objective, term
from instar.core.progress import Progress
from instar.core.raster import LUMA
from instar.core.settings import Bounds, NonNegativeFloat, Width
from instar.losses.digits import entropy, squares
from instar.losses.gan import vanilla as gan
from instar.losses.kl import kl_to_standard
from instar.methods.unit_adaptation.augment import random_paint
from instar.methods.unit_adaptation.networks import DigitVAE, codis32x32
from instar.modules.warp import random_warp
from instar.networks.digits import codis28x28

Which = Literal["none", "a", "b"]

SMALL: Mapping[str, Any] = {
    "channels": 1,
    "gray": "none",
    "side": 28,
    "width": 16,
    "alike": True,  # a translation starts as the reconstruction
    # Codes with fewer bits, so that both domains use the same ones, and nearer features.
    "recon": 0.02,
    "kl": 0.02,
    "feature": 0.1,
    "warp": 1.0,  # USPS has far fewer digits than MNIST, and straighter ones
    "optim": {"lr": 1e-3, "hold": 0.5},  # a run of thousands of steps
}
"""Options for short runs."""


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    """Options of UNIT for domain adaptation."""

    removed: ClassVar[Mapping[str, tuple[object, ...]]] = {"coordinates": (True,)}

    optim: Optim = field(default_factory=lambda: Optim(hold=1.0, weight_decay=5e-4))
    """Adam at a constant rate, as in the authors' code."""
    gan: NonNegativeFloat = 1.0
    """λ0, weight of the adversarial terms of generator and discriminator."""
    recon: NonNegativeFloat = 1e-3
    """λ2, weight of the squared error of the reconstructions, summed over each image."""
    kl: NonNegativeFloat = 2e-4
    """λ1, weight of the divergence of the codes from N(0, I)."""
    label: NonNegativeFloat = 10.0
    """Weight of the classifier's cross entropy on the labelled source."""
    feature: NonNegativeFloat = 1e-4
    """Weight of the distance between the discriminator's features of an image and of its translation."""
    side: Literal[28, 32] = 32
    """Side of the images: 32 takes the paper's networks, 28 CoGAN's discriminator for MNIST and USPS."""
    width: Width = 64
    """Channels after the first convolution of the generator, and of the discriminator for 32 px."""
    classes: Annotated[int, Bounds(2)] = 10
    """Classes of the labels."""
    gray: Which = "b"
    """Domain that is gray: its networks have one channel. If `method.channels` is 1 all have."""
    invert: Which = "none"
    """Domain of which half of the training images are inverted: the other one has dark digits and light ones."""
    paint: Which = "none"
    """Domain whose training images get random colours, one for what is dark and one for what is light."""
    warp: NonNegativeFloat = 0.0
    """Strength of random turns, shears, zooms and shifts of all training images; 1 turns by up to 20 degrees."""
    alike: bool = False
    """The layers that each domain has for itself start with equal weights: a translation starts as the
    reconstruction. Only for domains with the same channels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels not in (1, 3):
            raise UserError(
                f"{setting('method.channels', self.channels)}: this method takes digits, gray (1) or in colour (3)"
            )
        if self.alike and self.planes[0] != self.planes[1]:
            none = setting("method.gray", "none")
            raise UserError(
                f"{setting('method.alike')} needs domains with the same channels: set {none}, not {self.gray}"
            )

    @property
    def planes(self) -> tuple[int, int]:
        """Channels of the networks of a and of b."""
        return (1 if self.gray == "a" else self.channels, 1 if self.gray == "b" else self.channels)


@final
class UNITAdaptation(Method[Labelled]):
    """An autoencoder of two domains with one code, and a discriminator whose trunk classifies both.

    min_G max_D  L_VAE(G) + λ0 L_GAN(G, D),   min_D  10 CE(D(x), label) + 1e-4 |f(x) - f(x translated)|²

    x is a labelled image of a, y an image of b; x_b is x decoded into b, x_a its reconstruction; f are the features
    before D's heads.

    Terms:
        D/real: D on x and y
        D/recon: D on x_a and y_b, the reconstructions
        D/trans: D on x_b and y_a, the translations
        D/label: cross entropy of the classes of x
        D/feature_x: squared distance of the features of x_a and x_b, summed
        D/feature_y: squared distance of the features of y_b and y_a, summed
        G/gan_recon: D should take the reconstructions for real
        G/gan_trans: D should take the translations for real
        G/recon_x: squared difference of x_a and x, summed over an image
        G/recon_y: squared difference of y_b and y, summed over an image
        G/kl_x: divergence of the codes of x from N(0, I)
        G/kl_y: divergence of the codes of y from N(0, I)

    Differs from the paper:
        Losses and weights are those of the authors' code. The distance of the features is squared, where the paper
        writes L1.
        The divergence is the true one, ½ Σ(μ² + σ² - log σ² - 1); the code leaves out the ½ and the -1, so its
        weight of 1e-4 is 2e-4 here.
        Generator and discriminator see the same fakes in a step; the code draws the noise of the codes anew for each.
        Weight decay leaves biases alone.
        Half of the target images of a step are inverted by chance, where the code has every image twice.
        The code's generator for 28 px was never released: here it is the one for 32 px with 7 x 7 kernels around
        the code and one decoder layer less.
        The presets `small` and `mnistm` are ours: the weights of the divergence, the reconstructions and the features
        are 100, 20 and 1000 times as large, the own layers start alike, all training images are warped at random and,
        in `mnistm`, those of the source painted, for runs of minutes.
        Accuracy is that of the last weights; the code keeps the best of all checkpoints on the test set.
    """

    options = Config
    cfg: Config
    title = "UNIT for domain adaptation"
    paper = Paper(
        "Unsupervised Image-to-Image Translation Networks",
        "Liu, Breuel, Kautz",
        2017,
        "https://arxiv.org/abs/1703.00848",
    )
    data = Labelled
    targets = ("a", "b")
    translators = ("G", "D")
    presets = {
        "paper": Preset(
            about="SVHN to MNIST, 32 px, as the paper trains, for a GPU",
            method={"invert": "b"},
            data={"size": 32, "zoom": 1.0, "flip": False},
            train={"steps": 200_000, "batch": 64},
        ),
        "small": Preset(
            about="MNIST and USPS, 28 px, gray, on a CPU: minutes on one idle core",
            method=SMALL,
            data={"size": 28, "zoom": 1.0, "flip": False},
            train={"steps": 4800, "batch": 32, "ema": 10_000, "save_every": 400, "preview_every": 400},
        ),
        "mnistm": Preset(
            about="MNIST to MNIST-M, 28 px, colour, on a CPU: half an hour of one core; digits of a in random colours",
            method={**SMALL, "channels": 3, "paint": "a"},
            data={"size": 28, "zoom": 1.0, "flip": False},
            train={"steps": 9000, "batch": 32, "ema": 10_000, "save_every": 500, "preview_every": 1000},
        ),
        "tiny": Preset(
            about="28 px, for tests: seconds",
            method={"side": 28, "width": 2},
            data={"size": 28, "zoom": 1.0, "flip": False},
            train={"steps": 20, "batch": 4, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        self.G = DigitVAE(cfg.planes, cfg.width, cfg.side)
        if cfg.side == 32:
            self.D = codis32x32(cfg.planes, cfg.width, cfg.classes)
        else:
            self.D = codis28x28(cfg.planes, cfg.classes)
        if cfg.alike:
            for own in (self.G.own_encoder, self.G.own_decoder, self.D.own):
                own["b"].load_state_dict(own["a"].state_dict())
        self.fixed_size = cfg.side

    def check(self, config: RunConfig) -> str:
        """Refuse other sizes than the networks', and batches without statistics."""
        same_side(config, self.cfg.side)
        two_each(config, "batch norm needs")
        return ""

    def objectives(self, batch: Labelled, at: Progress) -> Objectives:
        """Move the discriminator with its classifier, then the generator against it."""
        enough_classes(batch, self.cfg.classes)
        x, y = self.augmented(batch.a, "a"), self.augmented(batch.b, "b")
        mean, std = self.G.encode_both(x, y)
        # The order of the images is that of x, then y, in both domains: x_a and y_a, x_b and y_b.
        in_a, in_b = self.G.decode_both(mean + std * torch.randn_like(std))
        loss = self.discriminator_loss(x, y, in_a.detach(), in_b.detach(), batch.labels)
        yield Objective("D", over=(self.D,), loss=loss)
        yield Objective("G", over=(self.G,), loss=self.generator_loss(x, y, in_a, in_b, mean, std))

    def discriminator_loss(self, x: Tensor, y: Tensor, in_a: Tensor, in_b: Tensor, labels: Tensor) -> Loss:
        """Return the loss of the discriminator and its classifier.

        Args:
            x: labelled images (N, C, side, side) of a.
            y: images of b.
            in_a: x and y decoded into a (2 N, C, side, side), without gradient.
            in_b: x and y decoded into b.
            labels: classes (N,) of x.
        """
        w, n = self.cfg, len(x)
        if not w.gan and not w.feature:  # the classifier alone
            return w.label * term("label", entropy(self.D.classify(x, "a"), labels))
        features = self.D.features(torch.cat([x, in_a]), torch.cat([y, in_b]))
        f_x, f_in_a, f_y, f_in_b = torch.split(features, [n, 2 * n, n, 2 * n])
        label = entropy(self.D.classes(f_x), labels)
        loss = Loss()
        if w.gan:
            recon, trans = by_path(self.D.realness(torch.cat([f_in_a, f_in_b])))
            loss += w.gan * term("real", gan.real(self.D.realness(torch.cat([f_x, f_y]))))
            loss += w.gan * 0.5 * term("recon", gan.fake(recon))
            loss += w.gan * 0.5 * term("trans", gan.fake(trans))
        loss += w.label * term("label", label)
        if w.feature:
            if self.D.rates:  # what is compared has no dropout
                f_in_a, f_in_b = self.D.features(in_a, in_b, drop=False).chunk(2)
            loss += w.feature * term("feature_x", squares(f_in_a[:n], f_in_b[:n]))
            loss += w.feature * term("feature_y", squares(f_in_b[n:], f_in_a[n:]))
        return loss

    def generator_loss(self, x: Tensor, y: Tensor, in_a: Tensor, in_b: Tensor, mean: Tensor, std: Tensor) -> Loss:
        """Return the loss of the generator: images as above, and the distributions (2 N, ...) of their codes."""
        w, n = self.cfg, len(x)
        recon_x, recon_y = squares(in_a[:n], x), squares(in_b[n:], y)
        mean, logvar = mean.flatten(1), 2 * std.log().flatten(1)
        kl_x, kl_y = kl_to_standard(mean[:n], logvar[:n]), kl_to_standard(mean[n:], logvar[n:])
        loss = Loss()
        if w.gan:
            recon, trans = by_path(self.D.realness(self.D.features(in_a, in_b)))
            loss += w.gan * term("gan_recon", gan.generator(recon))
            loss += w.gan * term("gan_trans", gan.generator(trans))
        return (
            loss
            + w.recon * term("recon_x", recon_x)
            + w.recon * term("recon_y", recon_y)
            + w.kl * term("kl_x", kl_x)
            + w.kl * term("kl_y", kl_y)
        )

    def augmented(self, images: Tensor, domain: Domain) -> Tensor:
        """Return the images as the networks of a domain take them in training: gray, warped, painted or inverted."""
        planes = random_warp(self.with_planes(images, domain), self.cfg.warp)
        if self.cfg.paint == domain:
            planes = random_paint(planes)
        if self.cfg.invert != domain:
            return planes
        return torch.where(torch.rand(len(planes), 1, 1, 1, device=planes.device) < 0.5, -planes, planes)

    def with_planes(self, images: Tensor, domain: Domain) -> Tensor:
        """Return images (N, channels, H, W) with as many channels as the networks of a domain have."""
        if self.cfg.gray != domain or images.shape[1] == 1:
            return images
        return (images * constant(LUMA, images)[:, None, None]).sum(1, keepdim=True)

    def encode(self, x: Tensor, *, domain: Domain) -> Tensor:
        """Return the means (N, 8 width, 1, 1) of the codes of images of a domain."""
        mean, _ = self.G.encode(self.with_planes(x, domain), domain)
        return mean

    def decode(self, code: Tensor, *, to: Domain) -> Tensor:
        """Return the images (N, channels, side, side) of a domain for codes."""
        return self.G.decode(code, to).expand(-1, self.cfg.channels, -1, -1).contiguous()

    def classify(self, x: Tensor, domain: Domain = "b") -> Tensor:
        """Return the logits (N, classes) of images (N, channels, side, side) in [-1, 1] of a domain.

        In eval mode they do not depend on the other images.
        """
        return self.D.classify(self.with_planes(x, domain), domain)

    def translate(self, x: Tensor, *, to: Domain = "b") -> Tensor:
        """Decode the mean of the code, without noise, into the other domain."""
        return self.decode(self.encode(x, domain="a" if to == "b" else "b"), to=to)


def by_path(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the values (4 N) of x_a, y_a, x_b, y_b as those of the reconstructions and of the translations."""
    x_a, y_a, x_b, y_b = values.chunk(4)
    return torch.cat([x_a, y_b]), torch.cat([x_b, y_a])
