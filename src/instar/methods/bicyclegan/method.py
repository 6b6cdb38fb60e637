"""BicycleGAN: Toward Multimodal Image-to-Image Translation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, final

import torch
from torch import Generator, Tensor
from torch.nn.functional import l1_loss as l1

from instar.core.abilities import StyleEncoding
from instar.core.batch import Domain, Paired
from instar.core.config import MethodConfig, Preset, RunConfig
from instar.core.device import moved
from instar.core.errors import UserError, setting
from instar.core.method import Method, Objectives, Paper
from instar.core.objective import Loss, Objective, term
from instar.core.progress import Progress
from instar.core.settings import Bounds, Depth, NonNegativeFloat, Width
from instar.losses.gan import halves, over_scales
from instar.losses.gan import lsgan as gan
from instar.losses.kl import kl_to_standard
from instar.methods.bicyclegan.networks import Kind, StyleEncoder, TwoScalePatchGAN
from instar.modules.freeze import frozen
from instar.modules.init import xavier
from instar.networks.unet import Inject, UNet


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    """Options of BicycleGAN."""

    mode: Literal["bicycle", "cvae", "clr", "cae", "pix2pix"] = "bicycle"
    """bicycle: both paths. Ablations: cvae (cVAE-GAN), clr (cLR-GAN), cae (cvae without KL), pix2pix (+ noise)."""
    style: Width = 8
    """Numbers in a style z."""
    inject: Inject = "all"
    """all: z joins the input of every encoder layer of G. input: of the first only (the paper's pix2pix + noise)."""
    encoder: Kind = "resnet"
    """resnet: an encoder of residual blocks. conv: of convolutions alone."""
    l1: NonNegativeFloat = 10.0
    """λ of the reconstruction |G(x, E(y)) - y|; at 100 the pictures blur."""
    kl: NonNegativeFloat = 0.01
    """λ_KL, how strongly the encoded styles are drawn towards N(0, 1)."""
    latent: NonNegativeFloat = 0.5
    """λ_latent of finding a random style again in the picture; 0 saves a pass."""
    conditional: bool = False
    """The discriminators see the input too; not so in the authors' code, though the paper's equations say it."""
    same_d: bool = False
    """One discriminator for encoded and random styles instead of two (mode bicycle)."""
    dropout: bool = True
    """Dropout in the generator while training; never while translating."""
    width: Width = 64
    """Channels after the first convolution of all networks."""
    downs: Annotated[int, Bounds(2, 14)] = 8
    """Halvings of the U-Net: 8 takes 256 px to 1, 6 takes 64 px to 1. The encoder halves three times less."""
    patch_layers: Depth = 3
    """Downsamplings of the discriminators: 3 for 256 px, 2 for 128 px and less."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode == "clr" and not self.latent:
            mode, latent = setting("method.mode", "clr"), setting("method.latent", 0)
            raise UserError(f"{mode} with {latent}: nothing would train the encoder")


@final
class BicycleGAN(Method[Paired]):
    """A generator whose style z is tied to the picture both ways: y to z to y, and z to picture to z.

    min_{G,E} max_{D,D2}  L_GAN^VAE(G, D, E) + λ L_1^VAE(G, E) + λ_KL L_KL(E)     (cVAE-GAN)
                          + L_GAN(G, D2) + λ_latent L_1^latent(G)                 (cLR-GAN)

    Terms:
        G/gan_encoded: D should take G(x, z), z ~ E(y), for real; sum over its two scales
        G/gan_random: D2 should take G(x, z), z ~ N(0, 1), for real; sum over its two scales
        G/l1: mean |G(x, z) - y|, z ~ E(y)
        G/kl: divergence of E(y) from N(0, 1), sum over the numbers of z, mean over the images
        G/latent: mean |E(G(x, z)) - z|, z ~ N(0, 1), with the mean that E finds; E does not learn from it
        D/real_encoded: D on y of the first half, sum over its two scales
        D/fake_encoded: D on G(x, z), z ~ E(y), sum over its two scales
        D/real_random: D2 on y of the second half, sum over its two scales
        D/fake_random: D2 on G(x, z), z ~ N(0, 1), sum over its two scales

    Differs from the paper:
        Least squares instead of the log loss, two scales, discriminators that see the output alone, and two pairs in
        a batch, one for each half, as in the authors' code.
        The KL term is divided by the number of images encoded; the authors' code sums over them, and encodes one.
        E averages over all places, so a reference image may have any size.
        Skips leave the encoder before the LeakyReLU with either injection; in the authors' code `input` takes them
        after it. The ReLU that follows makes both the same.
        Dropout is on the layers of the authors' code; a U-Net of fewer than 6 halvings has none.
        In mode clr the encoder learns from the latent term, since nothing else teaches it. In mode cae z is still
        drawn around the mean. Mode pix2pix has the discriminator and λ of the other modes, not those of pix2pix.
        Input and output have the same number of channels; the authors read edges as gray.
        The length is fixed in steps: 400 epochs of the 1,096 pairs of maps.
        Images that are not square are resized by their short side, and averaged weights translate (`train.ema` 0 for
        the trained ones); the authors' code squeezes images to a square, and averages nothing.
    """

    options = Config
    cfg: Config
    paper = Paper(
        "Toward Multimodal Image-to-Image Translation",
        "Zhu, Zhang, Pathak, Darrell, Efros, Wang, Shechtman",
        2017,
        "https://arxiv.org/abs/1711.11586",
    )
    data = Paired
    targets = ("b",)
    translators = ("G",)
    also_used = ("E",)
    presets = {
        "paper": Preset(
            about="256 px as the paper makes photos (A) of maps (B); a day on a GPU",
            data={"zoom": 600 / 256},
            train={"steps": 219_200, "batch": 2},
        ),
        "small": Preset(
            about="64 px on a CPU: half an hour on one or two cores",
            method={
                "width": 32,  # half the paper's, for minutes on one core
                "downs": 6,  # 64 px to 1
                "patch_layers": 2,
                "dropout": False,  # as in the authors' code at this size: it has none with so few halvings
                "optim": {"lr": 5e-4},  # a run of thousands of steps
            },
            data={"size": 64, "zoom": 1.03},
            train={"steps": 6000, "batch": 4, "ema": 5000, "save_every": 500, "preview_every": 500},
        ),
        "tiny": Preset(
            about="32 px, for tests: seconds",
            method={"width": 4, "downs": 5, "patch_layers": 1},
            data={"size": 32},
            train={"steps": 20, "batch": 2, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    one_number_of_channels = ""

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        x, y = cfg.channels_of("a"), cfg.channels_of("b")
        unet = UNet(
            x,
            cfg.width,
            cfg.downs,
            norm="instance",
            dropout_at=range(2, cfg.downs - 3) if cfg.dropout else (),
            out=y,
            style=cfg.style,
            inject=cfg.inject,
        )
        channels = x + y if cfg.conditional else y
        self.G = xavier(unet)
        self.D = xavier(TwoScalePatchGAN(channels, cfg.width, cfg.patch_layers))
        if cfg.mode == "bicycle" and not cfg.same_d:
            self.D2 = xavier(TwoScalePatchGAN(channels, cfg.width, cfg.patch_layers))
        if cfg.mode == "pix2pix":
            self.without = frozenset({StyleEncoding})
        else:
            halvings = max(1, cfg.downs - 3)
            self.E = xavier(StyleEncoder(y, cfg.width, halvings, cfg.style, kind=cfg.encoder))
        self.size_divisor = self.G.size_divisor
        self.stochastic = True

    def check(self, config: RunConfig) -> str:
        """Refuse a batch that cannot be halved, and crops too small for the discriminators."""
        size, batch, devices = config.data.size, config.train.batch, config.train.devices
        if self.cfg.mode == "bicycle" and batch // devices % 2:
            even = setting("train.batch", batch + devices)
            raise UserError(
                f"{setting('train.batch', batch)}: half of the pairs on each device are encoded, so there must be an "
                f"even number; take {even}"
            )
        layers = self.cfg.patch_layers
        if (smallest := 6 * 2**layers) > size:
            raise UserError(
                f"{setting('data.size', size)}: {setting('method.patch_layers', layers)} needs at least {smallest} px "
                f"for its second scale; take fewer layers"
            )
        return ""

    def objectives(self, batch: Paired, at: Progress) -> Objectives:
        """Move generator and encoder, then the discriminators, which see the fakes made before.

        The first half of a batch is encoded. Its inputs are translated with random styles too, and D2 compares these
        pictures with the true ones of the other half.
        """
        if self.cfg.mode != "bicycle":
            yield from self.ablation(batch.a, batch.b)
            return
        (x, other_x), (y, other_y) = batch.a.chunk(2), batch.b.chunk(2)
        mu, logvar = self.E(y)
        styles = [sampled(mu, logvar), self.sample_style(len(x))]
        fakes = self.G(torch.cat([x, x]), torch.cat(styles), noise=self.cfg.dropout)
        encoded, random = fakes.chunk(2)
        loss = self.generator_loss(x, y, mu, logvar, encoded, random, styles[1])
        yield Objective("G", over=(self.G, self.E), loss=loss)

        on_encoded, on_random = self.discriminate(
            torch.cat([self.d_input(x, y), self.d_input(x, encoded.detach())]),
            torch.cat([self.d_input(other_x, other_y), self.d_input(x, random.detach())]),
        )
        over = (self.D,) if self.cfg.same_d else (self.D, self.D2)
        yield Objective("D", over=over, loss=self.discriminator_loss(on_encoded, on_random))

    def ablation(self, x: Tensor, y: Tensor) -> Objectives:
        """Yield the objectives of one path alone, or of pix2pix with noise: the random path, L1 and no encoder."""
        w = self.cfg
        if w.mode in ("cvae", "cae"):
            mu, logvar = self.E(y)
            encoded = self.G(x, sampled(mu, logvar), noise=w.dropout)
            yield Objective("G", over=(self.G, self.E), loss=self.encoded_generator_loss(x, y, mu, logvar, encoded))
            on_encoded = self.D(torch.cat([self.d_input(x, y), self.d_input(x, encoded.detach())]))
            yield Objective("D", over=(self.D,), loss=self.discriminator_loss(on_encoded, []))
        else:
            z = self.sample_style(len(x))
            random = self.G(x, z, noise=w.dropout)
            over = (self.G,) if w.mode == "pix2pix" else (self.G, self.E)
            yield Objective("G", over=over, loss=self.random_generator_loss(x, y, random, z))
            on_random = self.D(torch.cat([self.d_input(x, y), self.d_input(x, random.detach())]))
            yield Objective("D", over=(self.D,), loss=self.discriminator_loss([], on_random))

    def generator_loss(
        self, x: Tensor, y: Tensor, mu: Tensor, logvar: Tensor, encoded: Tensor, random: Tensor, z: Tensor
    ) -> Loss:
        """Return the loss of G and E for both paths.

        Args:
            x: inputs (N, C, H, W).
            y: their true pairs.
            mu: mean (N, S) of the styles of y.
            logvar: their log variance.
            encoded: G(x, styles drawn around mu).
            random: G(x, z).
            z: random styles (N, S).
        """
        w = self.cfg
        on_encoded, on_random = self.discriminate(self.d_input(x, encoded), self.d_input(x, random))
        loss = (
            term("gan_encoded", over_scales(gan.generator, on_encoded))
            + term("gan_random", over_scales(gan.generator, on_random))
            + w.l1 * term("l1", l1(encoded, y))
            + w.kl * term("kl", kl_to_standard(mu, logvar))
        )
        if w.latent:
            with frozen(self.E):  # or G and E would agree on hiding z in the picture
                found, _ = self.E(random)
            loss += w.latent * term("latent", l1(found, z))
        return loss

    def encoded_generator_loss(self, x: Tensor, y: Tensor, mu: Tensor, logvar: Tensor, encoded: Tensor) -> Loss:
        """Return the loss of G and E for the path of encoded styles alone, cVAE-GAN; without KL it is cAE-GAN."""
        w = self.cfg
        on_encoded = self.D(self.d_input(x, encoded))
        loss = term("gan_encoded", over_scales(gan.generator, on_encoded))
        if w.mode == "cvae":
            loss += w.kl * term("kl", kl_to_standard(mu, logvar))
        return loss + w.l1 * term("l1", l1(encoded, y))

    def random_generator_loss(self, x: Tensor, y: Tensor, random: Tensor, z: Tensor) -> Loss:
        """Return the loss for the path of random styles alone: cLR-GAN, whose E learns from it, or pix2pix + noise."""
        w = self.cfg
        on_random = self.D(self.d_input(x, random))
        loss = term("gan_random", over_scales(gan.generator, on_random))
        if w.mode == "clr":
            return loss + w.latent * term("latent", l1(self.E(random)[0], z))
        return loss + w.l1 * term("l1", l1(random, y))

    def discriminator_loss(self, on_encoded: Sequence[Tensor], on_random: Sequence[Tensor]) -> Loss:
        """Return the loss of the discriminators for their outputs on both paths, or on one.

        Args:
            on_encoded: a map for each scale, or none; the first half of each batch is real, the other translated with
                encoded styles.
            on_random: the same for random styles.
        """
        loss = Loss()
        if on_encoded:
            real, fake = halves(on_encoded)
            loss += term("real_encoded", over_scales(gan.real, real))
            loss += term("fake_encoded", over_scales(gan.fake, fake))
        if on_random:
            real, fake = halves(on_random)
            loss += term("real_random", over_scales(gan.real, real))
            loss += term("fake_random", over_scales(gan.fake, fake))
        return loss

    def d_input(self, x: Tensor, y: Tensor) -> Tensor:
        """Return what a discriminator sees of y as a translation of x."""
        return torch.cat([x, y], 1) if self.cfg.conditional else y

    def discriminate(self, encoded: Tensor, random: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return the maps of D on the encoded path and of D2 on the random one; of one D in one pass."""
        if not self.cfg.same_d:
            return self.D(encoded), self.D2(random)
        return halves(self.D(torch.cat([encoded, random])))

    def sample_style(self, n: int, generator: Generator | None = None, *, to: Domain = "b") -> Tensor:
        """Draw n styles (n, S) from N(0, 1)."""
        like = next(self.G.parameters())
        place = like.device if generator is None else generator.device
        drawn = torch.randn(n, self.cfg.style, device=place, dtype=like.dtype, generator=generator)
        return moved(drawn, like.device)

    def encode_style(self, reference: Tensor, *, domain: Domain = "b") -> Tensor:
        """Return the means (N, S) of the styles of images (N, C, H, W) of any size."""
        if self.cfg.mode == "pix2pix":
            mode = setting("method.mode", "pix2pix")
            raise UserError(f"{mode}: this model has no encoder, it cannot read a style from an image")
        if domain != "b":
            raise UserError("a style is read from an image of the domain into which the model translates")
        mu: Tensor = self.E(reference)[0]
        return mu

    def translate(
        self, x: Tensor, *, to: Domain = "b", style: Tensor | None = None, generator: Generator | None = None
    ) -> Tensor:
        """Translate with G, without dropout, in the styles (N, S); None draws one for all images."""
        style = self.sample_style(1, generator) if style is None else style
        out: Tensor = self.G(x, style.expand(x.shape[0], -1), noise=False)
        return out


def sampled(mu: Tensor, logvar: Tensor) -> Tensor:
    """Draw from N(mu, e^logvar), so that gradients reach both."""
    return mu + (0.5 * logvar).exp() * torch.randn_like(mu)
