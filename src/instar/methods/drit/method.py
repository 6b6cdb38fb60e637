"""DRIT: Diverse Image-to-Image Translation via Disentangled Representations, and DRIT++."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple, final

import torch
from torch import Generator as Chance
from torch import Tensor
from torch.nn.functional import l1_loss as l1

from instar.core.batch import Domain, Unpaired
from instar.core.config import MethodConfig, Optim, Preset, RunConfig
from instar.core.device import moved
from instar.core.errors import UserError, setting
from instar.core.method import Method, Objectives, Paper
from instar.core.objective import Loss, Objective, term
from instar.core.precision import full_precision
from instar.core.progress import Progress
from instar.core.settings import Blocks, Depth, NonNegativeFloat, PositiveInt, Width
from instar.losses.gan import over_scales
from instar.losses.gan import vanilla as gan
from instar.losses.kl import kl_to_standard
from instar.methods.drit.networks import (
    AttributeEncoder,
    Attributes,
    ContentDiscriminator,
    ContentEncoder,
    Generator,
    Inject,
    initial,
    least_content,
)
from instar.modules.freeze import frozen
from instar.networks.munit import MultiScalePatchGAN, least_side

SLOWER = 2.5
"""How many times slower than all others the discriminator of contents learns."""


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    """Options of DRIT."""

    optim: Optim = field(default_factory=lambda: Optim(lr=1e-4, weight_decay=1e-4))
    """Adam; the discriminator of contents learns 2.5 times slower."""
    inject: Inject = "concat"
    """concat: attributes join the features before each stage of the generator, for changes of colour and texture.
    features: a perceptron's features of them join each of four residual blocks, for changes of shape."""
    content: NonNegativeFloat = 1.0
    """λ of contents that do not show their domain; 0 for the ablation without a discriminator of contents."""
    cycle: NonNegativeFloat = 10.0
    """λ_cc of both images found again after their attributes are swapped twice."""
    recon: NonNegativeFloat = 10.0
    """λ_rec of an image drawn by its own content and attributes."""
    latent: NonNegativeFloat = 10.0
    """λ_latent of random attributes found again in the image drawn by them."""
    prior: NonNegativeFloat = 0.01
    """λ_KL, how strongly attributes are drawn towards N(0, 1), and contents to small numbers."""
    mode_seeking: NonNegativeFloat = 0.0
    """λ_ms of DRIT++, of two random attributes giving two images; 1 in its code. Draws twice as many images."""
    style_dim: Width = 8
    """Numbers in an attribute."""
    width: Width = 64
    """Channels after the first convolution of all networks."""
    scales: Depth = 3
    """Sizes of an image at which a discriminator sees it: 3 needs 64 px, 2 need 32 px."""
    content_layers: Blocks = 3
    """Halvings of the discriminator of contents: 3 needs 209 px, 2 need 97 px, 1 needs 41 px."""
    content_updates: PositiveInt = 3
    """Updates of the discriminator of contents in a step."""


class Encoded(NamedTuple):
    """What is read off a pair of images, and drawn by it."""

    content_x: Tensor
    content_y: Tensor
    of_x: Attributes
    of_y: Attributes
    same_x: Tensor
    """x by its own content and attributes."""
    same_y: Tensor
    u: Tensor
    """The content of y by the attributes of x: an image of X."""
    v: Tensor
    """The content of x by the attributes of y: an image of Y."""


class Random(NamedTuple):
    """Images by random attributes, once or twice as many as contents."""

    u: Tensor
    v: Tensor


@final
class DRIT(Method[Unpaired]):
    """Content is shared, attributes are each domain's own; swapping attributes twice gives both images back.

    min_{G,E_c,E_a} max_{D,D_c}  λ L_adv^content + λ_cc L_1^cc + L_adv^domain + λ_rec L_1^recon
                                 + λ_latent L_1^latent + λ_KL L_KL + λ_ms L_ms     (L_ms is DRIT++'s)

    x and y are images of X and Y. u = G_X(E_c(y), E_a(x)) and v = G_Y(E_c(x), E_a(y)) have swapped attributes; swapped
    again they are x and y. z ~ N(0, 1) are random attributes.

    Terms:
        D_c/content_x: D_c on contents of x, which are to be 0
        D_c/content_y: D_c on contents of y, which are to be 1
        D/x_real: D_X on x of the first half, summed over the scales
        D/x_fake: D_X on u
        D/y_real: D_Y on y of the first half
        D/y_fake: D_Y on v
        D/x_real_random: D2_X on x of the second half
        D/x_fake_random: D2_X on G_X(E_c(y), z)
        D/y_real_random: D2_Y on y of the second half
        D/y_fake_random: D2_Y on G_Y(E_c(x), z)
        G/content_x: cross entropy of D_c's answer to contents of x from one half
        G/content_y: the same for contents of y
        G/gan_x: D_X should take u for real, summed over the scales
        G/gan_y: D_Y should take v for real
        G/cycle_x: mean |G_X(E_c(v), E_a(u)) - x|
        G/cycle_y: mean |G_Y(E_c(u), E_a(v)) - y|
        G/recon_x: mean |G_X(E_c(x), E_a(x)) - x|
        G/recon_y: mean |G_Y(E_c(y), E_a(y)) - y|
        G/attributes_x: divergence of E_a(x) from N(0, 1); with `features` its mean square
        G/attributes_y: the same for y
        G/small_x: mean square of contents of x
        G/small_y: the same for y
        G_random/gan_x: D2_X should take G_X(E_c(y), z) for real, summed over the scales
        G_random/gan_y: D2_Y should take G_Y(E_c(x), z) for real
        G_random/latent_x: mean |E_a(G_X(E_c(y), z)) - z|; E_a does not learn from it
        G_random/latent_y: mean |E_a(G_Y(E_c(x), z)) - z|
        G_random/modes_x: difference of two z by that of their images (`method.mode_seeking`)
        G_random/modes_y: the same for images of Y

    Differs from the paper:
        Networks, losses and weights are those of the authors' code, whose discriminators have no norm. So are two pairs
        in a batch, one for encoded attributes, one whose images are real for those of random ones.
        The discriminator of contents moves three times in a step, on the same contents. In the authors' code it moves
        alone on two of three batches and all networks move on the third: a step here is three of its iterations.
        Its gradients are not clipped, and its halvings depend on the size of the images.
        Images by random attributes are drawn anew for the second move of G and E_c, with the networks as the first
        has left them; the authors' code goes back through the images that were drawn before it.
        The divergence is divided by the number of images encoded; the authors' code sums over them, and encodes one.
        With mode seeking both random attributes are to be found again, in the authors' code the first one; D2_X and
        D2_Y see the mean over both images, there their sum and real images twice.
        Weight decay leaves biases and norms alone. The rate falls at every step instead of every epoch.
        DRIT++ is here for two domains, without its networks for more.
        Translation uses averaged weights of E_c and G (`train.ema` 0 for the trained ones), and contents without noise.
    """

    options = Config
    cfg: Config
    also = {"DRIT++": "plus"}
    paper = Paper(
        "Diverse Image-to-Image Translation via Disentangled Representations",
        "Lee, Tseng, Huang, Singh, Yang",
        2018,
        "https://arxiv.org/abs/1808.00948",
    )
    data = Unpaired
    holds_input = {"cycle": "all"}
    targets = ("a", "b")
    one_number_of_channels = ""
    translators = ("E_c", "G")
    also_used = ("E_a",)
    presets = {
        "paper": Preset(
            about="DRIT, 216 px as in the authors' code; days on a GPU",
            data={"size": 216, "zoom": 256 / 216},
            train={"steps": 252_800, "batch": 2},
        ),
        "shapes": Preset(
            about="DRIT for changes of shape, as the authors' code trains on cats and dogs",
            method={"inject": "features"},
            data={"size": 216, "zoom": 256 / 216},
            train={"steps": 252_800, "batch": 2},
        ),
        "plus": Preset(
            about="DRIT++, DRIT with mode seeking",
            method={"mode_seeking": 1.0},
            data={"size": 216, "zoom": 256 / 216},
            train={"steps": 252_800, "batch": 2},
        ),
        "small": Preset(
            about="DRIT, 64 px on a CPU: half an hour on one core with bf16",
            method={
                "width": 32,
                "scales": 2,  # the third sees 16 px
                "content_layers": 1,  # contents have 16 px
                "optim": {"lr": 5e-4},  # a run of thousands of steps
            },
            data={"size": 64, "zoom": 1.03},
            train={"steps": 2400, "batch": 2, "ema": 2000, "save_every": 200, "preview_every": 200},
        ),
        "tiny": Preset(
            about="32 px, for tests: seconds",
            method={"width": 2, "scales": 2, "content_layers": 0, "style_dim": 4},
            data={"size": 32},
            train={"steps": 20, "batch": 2, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }
    variants = {"modes": {"mode_seeking": 1.0}}

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        x, y = channels = cfg.channels_of("a"), cfg.channels_of("b")
        self.E_c = initial(ContentEncoder(channels, cfg.width))
        self.E_a = initial(AttributeEncoder(channels, cfg.width, cfg.style_dim, cfg.inject))
        self.G = initial(Generator(channels, cfg.width, cfg.style_dim, cfg.inject))
        self.D_X, self.D_Y, self.D2_X, self.D2_Y = (
            initial(MultiScalePatchGAN(count, cfg.width, cfg.scales, slope=0.01)) for count in (x, y, x, y)
        )
        if cfg.content:
            self.D_c = initial(ContentDiscriminator(4 * cfg.width, cfg.content_layers))
        self.size_divisor = 4
        self.stochastic = True

    def check(self, config: RunConfig) -> str:
        """Refuse a batch that cannot be halved, and crops too small for the discriminators."""
        size, batch, parts = config.data.size, config.train.batch, config.train.parts
        if batch // parts % 2:
            even = setting("train.batch", batch + parts)
            raise UserError(
                f"{setting('train.batch', batch)}: half of the images of a domain are encoded, so there must be an "
                f"even number; take {even}"
            )
        scales, layers = self.cfg.scales, self.cfg.content_layers
        needed = {"scales": least_side(scales), "content_layers": 4 * least_content(layers) - 3}
        for name, side in needed.items():
            if size < side and (name == "scales" or self.cfg.content):
                said = setting(f"method.{name}", getattr(self.cfg, name))
                raise UserError(
                    f"{setting('data.size', size)}: {said} needs at least {side} px; take fewer or larger crops"
                )
        return ""

    def optim(self, network: str) -> Optim:
        """Return the settings of Adam, slower for the discriminator of contents."""
        optim = self.cfg.optim
        return replace(optim, lr=optim.lr / SLOWER) if network == "D_c" else optim

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move all discriminators, encoders and generator on encoded attributes, then contents and G on random ones."""
        (x, other_x), (y, other_y) = batch.a.chunk(2), batch.b.chunk(2)
        encoded = self.encoded(x, y)
        c_x, c_y = encoded.content_x.detach(), encoded.content_y.detach()
        if self.cfg.content:
            for _ in range(self.cfg.content_updates):
                yield Objective("D_c", over=(self.D_c,), loss=self.content_loss(c_x, c_y))

        codes = 2 if self.cfg.mode_seeking else 1
        z = self.sample_style(codes * len(x))
        with torch.no_grad():
            random = self.random(c_x, c_y, z)
        loss = self.discriminator_loss(x, y, other_x, other_y, encoded, random)
        yield Objective("D", over=(self.D_X, self.D_Y, self.D2_X, self.D2_Y), loss=loss)
        yield Objective("G", over=(self.E_c, self.E_a, self.G), loss=self.generator_loss(x, y, encoded))

        random = self.random(self.E_c(x, "a"), self.E_c(y, "b"), z)
        yield Objective("G_random", over=(self.E_c, self.G), loss=self.random_loss(random, z))

    def encoded(self, x: Tensor, y: Tensor) -> Encoded:
        """Read contents and attributes of x and y (N, C, H, W), and draw all four images of them."""
        content_x, content_y = self.E_c(x, "a"), self.E_c(y, "b")
        of_x, of_y = self.E_a(x, "a"), self.E_a(y, "b")
        drawn_x, drawn_y = of_x.draw(), of_y.draw()
        both = torch.cat([content_x, content_y])
        same_x, u = self.G(both, torch.cat([drawn_x, drawn_x]), "a").chunk(2)
        v, same_y = self.G(both, torch.cat([drawn_y, drawn_y]), "b").chunk(2)
        return Encoded(content_x, content_y, of_x, of_y, same_x, same_y, u, v)

    def random(self, content_x: Tensor, content_y: Tensor, z: Tensor) -> Random:
        """Draw contents (N, ...) of both domains in the other one by attributes z (N, S) or (2 N, S)."""
        times = len(z) // len(content_x)
        u = self.G(content_y.repeat(times, 1, 1, 1), z, "a")
        return Random(u, self.G(content_x.repeat(times, 1, 1, 1), z, "b"))

    def content_loss(self, content_x: Tensor, content_y: Tensor) -> Loss:
        """Return the loss of D_c on contents of both domains."""
        on_x, on_y = self.D_c(content_x), self.D_c(content_y)
        return term("content_x", gan.fake(on_x)) + term("content_y", gan.real(on_y))

    def discriminator_loss(
        self, x: Tensor, y: Tensor, other_x: Tensor, other_y: Tensor, encoded: Encoded, random: Random
    ) -> Loss:
        """Return the loss of the discriminators of images: x and y against `encoded`, the others against `random`."""
        u, v = encoded.u.detach(), encoded.v.detach()
        return (
            term("x_real", over_scales(gan.real, self.D_X(x)))
            + term("x_fake", over_scales(gan.fake, self.D_X(u)))
            + term("y_real", over_scales(gan.real, self.D_Y(y)))
            + term("y_fake", over_scales(gan.fake, self.D_Y(v)))
            + term("x_real_random", over_scales(gan.real, self.D2_X(other_x)))
            + term("x_fake_random", over_scales(gan.fake, self.D2_X(random.u)))
            + term("y_real_random", over_scales(gan.real, self.D2_Y(other_y)))
            + term("y_fake_random", over_scales(gan.fake, self.D2_Y(random.v)))
        )

    def generator_loss(self, x: Tensor, y: Tensor, encoded: Encoded) -> Loss:
        """Return the loss of E_c, E_a and G on images x and y (N, C, H, W) and what is read off and drawn of them."""
        w, u, v = self.cfg, encoded.u, encoded.v
        of_u, of_v = self.E_a(u, "a").draw(), self.E_a(v, "b").draw()
        back_x, back_y = self.G(self.E_c(v, "b"), of_u, "a"), self.G(self.E_c(u, "a"), of_v, "b")
        loss = (
            term("gan_x", over_scales(gan.generator, self.D_X(u)))
            + term("gan_y", over_scales(gan.generator, self.D_Y(v)))
            + w.cycle * term("cycle_x", l1(back_x, x))
            + w.cycle * term("cycle_y", l1(back_y, y))
            + w.recon * term("recon_x", l1(encoded.same_x, x))
            + w.recon * term("recon_y", l1(encoded.same_y, y))
            + w.prior * term("attributes_x", from_prior(encoded.of_x))
            + w.prior * term("attributes_y", from_prior(encoded.of_y))
            + w.prior * term("small_x", full_precision(encoded.content_x).square().mean())
            + w.prior * term("small_y", full_precision(encoded.content_y).square().mean())
        )
        if w.content:
            loss += w.content * term("content_x", undecided(self.D_c(encoded.content_x)))
            loss += w.content * term("content_y", undecided(self.D_c(encoded.content_y)))
        return loss

    def random_loss(self, random: Random, z: Tensor) -> Loss:
        """Return the loss of E_c and G on images by random attributes z (N, S), or two for each content (2 N, S)."""
        w, codes = self.cfg, 2 if self.cfg.mode_seeking else 1
        with frozen(self.E_a):
            found_x, found_y = self.E_a(random.u, "a").mean, self.E_a(random.v, "b").mean
        loss = (
            codes * term("gan_x", over_scales(gan.generator, self.D2_X(random.u)))
            + codes * term("gan_y", over_scales(gan.generator, self.D2_Y(random.v)))
            + w.latent * term("latent_x", l1(found_x, z))
            + w.latent * term("latent_y", l1(found_y, z))
        )
        if w.mode_seeking:
            loss += w.mode_seeking * term("modes_x", alike(random.u, z))
            loss += w.mode_seeking * term("modes_y", alike(random.v, z))
        return loss

    def sample_style(self, n: int, generator: Chance | None = None, *, to: Domain = "b") -> Tensor:
        """Draw attributes (n, style_dim) from N(0, I)."""
        weight = next(self.G.parameters())
        return moved(torch.randn(n, self.cfg.style_dim, dtype=weight.dtype, generator=generator), weight.device)

    def encode_style(self, reference: Tensor, *, domain: Domain) -> Tensor:
        """Read the attributes (N, style_dim) of images (N, C, H, W) of a domain, without chance."""
        mean: Tensor = self.E_a(reference, domain).mean
        return mean

    def translate(
        self, x: Tensor, *, to: Domain = "b", style: Tensor | None = None, generator: Chance | None = None
    ) -> Tensor:
        """Draw the content of x by attributes (N, style_dim) of `to`; without them, by some drawn for all images."""
        style = self.sample_style(1, generator).expand(len(x), -1) if style is None else style
        out: Tensor = self.G(self.E_c(x, "a" if to == "b" else "b"), style, to)
        return out


def from_prior(attributes: Attributes) -> Tensor:
    """Return how far attributes are from N(0, 1): the divergence of their distributions, or their mean square."""
    if attributes.logvar is None:
        return full_precision(attributes.mean).square().mean()
    return kl_to_standard(attributes.mean, attributes.logvar)


def undecided(logits: Tensor) -> Tensor:
    """Return the mean cross entropy of raw outputs from one half: ln 2 where they are 0."""
    return 0.5 * gan.real(logits) + 0.5 * gan.fake(logits)


def alike(images: Tensor, z: Tensor) -> Tensor:
    """Return DRIT++'s mode-seeking loss: the mean difference of two halves of z (2 N, S) by that of their images."""
    (first, second), (z1, z2) = full_precision(images).chunk(2), full_precision(z).chunk(2)
    return 1 / (l1(first, second) / l1(z1, z2) + 1e-5)
