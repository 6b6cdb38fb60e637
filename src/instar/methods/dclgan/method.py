"""DCLGAN and SimDCL: Dual Contrastive Learning for Unsupervised Image-to-Image Translation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import torch
from torch import Tensor
from torch.nn.functional import l1_loss as l1

from instar.core.batch import Domain, Unpaired
from instar.core.config import Preset
from instar.core.errors import UserError, setting
from instar.core.method import Method, Objectives, Paper, compares_domains
from instar.core.objective import Loss, Objective, term
from instar.core.progress import Progress
from instar.core.settings import NonNegativeFloat, PositiveInt
from instar.losses.contrastive import patch_nce
from instar.losses.gan import hinge as gan
from instar.methods.dclgan.summary_head import SummaryHead
from instar.modules.init import xavier
from instar.networks import resnet_patchgan
from instar.networks.patch_heads import PatchHeads, sample_places
from instar.networks.resnet_patchgan import ResnetConfig, patch_discriminator, resnet_generator

SMALL = {**resnet_patchgan.SMALL, "patches": 64, "nce": 1.0, "identity": 0.0}  # with a skip copying is otherwise kept
"""What a few thousand steps at 64 px need."""
Features = dict[str, Tensor]
"""By the names of layers."""


@dataclass(frozen=True, kw_only=True)
class Config(ResnetConfig):
    """Options of DCLGAN."""

    nce: NonNegativeFloat = 2.0
    """λ_NCE, weight of the contrasts of both ways."""
    identity: NonNegativeFloat = 1.0
    """λ_idt, weight of the identity terms of both ways; 0 saves two passes."""
    similarity: NonNegativeFloat = 0.0
    """λ_SIM, weight of the similarity terms (SimDCL, 10 there), against one output for all inputs."""
    layers: tuple[str, ...] = ("down1", "down2", "block1", "block5")
    """Encoder layers that are compared."""
    patches: PositiveInt = 256
    """Places compared in each layer."""
    antialias: bool = True
    """Blurred down- and upsampling, as in the authors' code."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.similarity and self.patches < 3:
            said = setting("method.patches", self.patches)
            raise UserError(f"{said}: {setting('method.similarity')} summarises at least 3 places of a layer")


class Patches(NamedTuple):
    """Vectors of the patches of images of one domain, all by that domain's encoder and heads: by layer, (N, S, 256)."""

    real: Features
    """Of the real images: keys."""
    fake: Features
    """Of what the other domain's images were translated into, at the places of these: queries."""
    elsewhere: Features
    """Of the same at other places, for the similarity; empty without it."""


@final
class DCLGAN(Method[Unpaired]):
    """Two generators, G: X to Y and F: Y to X; a patch of the output must resemble the input's patch at its place most.

    Features of X come from G's encoder and the heads H_X, those of Y from F's encoder and H_Y.

    min_{G,F} max_{D_X,D_Y}  L_GAN(G, D_Y) + L_GAN(F, D_X) + λ_NCE (L_PatchNCE(X) + L_PatchNCE(Y))
                             + λ_idt (E |G(y) - y| + E |F(x) - x|) + λ_SIM L_sim

    Terms:
        D/y_real: D_Y on y
        D/y_fake: D_Y on G(x)
        D/x_real: D_X on x
        D/x_fake: D_X on F(y)
        G/gan_g: D_Y should take G(x) for real
        G/gan_f: D_X should take F(y) for real
        G/nce_x: patches of G(x) against those of x, mean over layers and places
        G/nce_y: patches of F(y) against those of y
        G/identity_y: mean |G(y) - y|
        G/identity_x: mean |F(x) - x|
        G/similarity_x: of SimDCL, mean difference of the summaries of x and of F(y)
        G/similarity_y: of SimDCL, mean difference of the summaries of y and of G(x)

    Differs from the paper:
        The adversarial, contrastive and identity terms of both ways are halved, the similarity is not, as in the
        authors' code; its SimDCL applies no λ_NCE, so that it is 1 in the preset `simdcl`.
        Hinge loss, as in the authors' code, but the generators maximise D's output; there they stop at 1.
        The heads learn at 2e-4 as all networks; in the authors' code of DCLGAN, not of SimDCL, at Adam's own 1e-3.
        The similarity is the mean difference of the 64 numbers, as in the authors' code. All layers of an image give as
        many places to it as the one with the fewest has.
        The learning rate falls at every step instead of every epoch, along the same line.
        The length is fixed in steps: 400 epochs of horse2zebra's 1,334 images.
    """

    options = Config
    cfg: Config
    also = {"SimDCL": "simdcl"}
    paper = Paper(
        "Dual Contrastive Learning for Unsupervised Image-to-Image Translation",
        "Han, Shoeiby, Petersson, Armin",
        2021,
        "https://arxiv.org/abs/2104.07689",
    )
    data = Unpaired
    holds_input = {"nce": "shapes", "identity": "colours"}
    targets = ("a", "b")
    one_number_of_channels = ""
    translators = ("G", "F")
    presets = {
        "paper": Preset(about="DCLGAN, 256 px as in the authors' code; days on a GPU", train={"steps": 533_600}),
        "simdcl": Preset(
            about="SimDCL, 256 px as in the authors' code",
            method={"nce": 1.0, "similarity": 10.0},
            train={"steps": 533_600},
        ),
        "small": Preset(
            about="DCLGAN, 64 px on a CPU: as many steps as that of CUT",
            method=SMALL,
            data={"size": 64, "zoom": 1.03},
            train={"steps": 8000, "ema": 5000, "save_every": 400, "preview_every": 400},
        ),
        "simdcl-small": Preset(
            about="SimDCL, 64 px on a CPU: as many steps as that of CUT",
            method={**SMALL, "similarity": 10.0},
            data={"size": 64, "zoom": 1.03},
            train={"steps": 8000, "ema": 5000, "save_every": 400, "preview_every": 400},
        ),
        "tiny": Preset(
            about="32 px, for tests: seconds",
            method={"width": 4, "blocks": 1, "layers": ("down1", "down2", "block1"), "patches": 16},
            data={"size": 32},
            train={"steps": 20, "batch": 1, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {"simdcl": {"similarity": 10.0}}

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        compares_domains(cfg, "identity", cfg.identity, "G(y) with y")
        self.G, self.F = (xavier(resnet_generator(cfg, to)) for to in ("b", "a"))
        for name in cfg.layers:
            if name not in self.G.channels:
                there, blocks = ", ".join(self.G.channels), setting("method.blocks", cfg.blocks)
                raise UserError(f"{setting('method.layers')}: with {blocks} there is no {name!r} in {there}")
        self.D_X, self.D_Y = (xavier(patch_discriminator(cfg, of)) for of in ("a", "b"))
        self.H_X = xavier(PatchHeads({name: self.G.channels[name] for name in cfg.layers}))
        self.H_Y = xavier(PatchHeads({name: self.F.channels[name] for name in cfg.layers}))
        if cfg.similarity:  # one for real images and one for fakes, of each domain
            self.H_xr, self.H_xf, self.H_yr, self.H_yf = (xavier(SummaryHead(len(cfg.layers))) for _ in range(4))
        self.size_divisor = self.G.size_divisor

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move both discriminators, then generators and heads."""
        x, y, w, n = batch.a, batch.b, self.cfg, len(batch.a)
        # One pass of each generator makes the fakes, the features of the keys, and the images of the identity terms.
        out_y, features_x = self.G.trace(torch.cat([x, y]) if w.identity else x, w.layers)
        out_x, features_y = self.F.trace(torch.cat([y, x]) if w.identity else y, w.layers)
        fake_y, fake_x = out_y[:n], out_x[:n]
        loss = self.discriminator_loss(x, y, fake_x.detach(), fake_y.detach())
        yield Objective("D", over=(self.D_X, self.D_Y), loss=loss)

        features_x, features_y = (
            {name: feature[:n] for name, feature in features.items()} for features in (features_x, features_y)
        )
        at_x, at_y = (sample_places(features, w.patches) for features in (features_x, features_y))
        made_y, made_x = self.F.encode(fake_y, w.layers), self.G.encode(fake_x, w.layers)
        of_x = patches(self.H_X, features_x, at_x, made_x, at_y, w)
        of_y = patches(self.H_Y, features_y, at_y, made_y, at_x, w)
        loss = self.generator_loss(fake_x, fake_y, of_x, of_y)
        if w.identity:
            loss += 0.5 * w.identity * term("identity_y", l1(out_y[n:], y))
            loss += 0.5 * w.identity * term("identity_x", l1(out_x[n:], x))
        heads = [self.H_xr, self.H_xf, self.H_yr, self.H_yf] if w.similarity else []
        yield Objective("G", over=(self.G, self.F, self.H_X, self.H_Y, *heads), loss=loss)

    def discriminator_loss(self, x: Tensor, y: Tensor, fake_x: Tensor, fake_y: Tensor) -> Loss:
        """Return the loss of D_Y and D_X on real images and on fakes, (N, C, H, W) each."""
        y_real, y_fake = self.D_Y(torch.cat([y, fake_y])).chunk(2)
        x_real, x_fake = self.D_X(torch.cat([x, fake_x])).chunk(2)
        return (
            0.5 * term("y_real", gan.real(y_real))
            + 0.5 * term("y_fake", gan.fake(y_fake))
            + 0.5 * term("x_real", gan.real(x_real))
            + 0.5 * term("x_fake", gan.fake(x_fake))
        )

    def generator_loss(self, fake_x: Tensor, fake_y: Tensor, of_x: Patches, of_y: Patches) -> Loss:
        """Return the loss of generators and heads without the identity terms.

        Args:
            fake_x: F(y), (N, C, H, W).
            fake_y: G(x).
            of_x: patches of x and of F(y).
            of_y: patches of y and of G(x).
        """
        w = self.cfg
        loss = (
            0.5 * term("gan_g", gan.generator(self.D_Y(fake_y)))
            + 0.5 * term("gan_f", gan.generator(self.D_X(fake_x)))
            + 0.5 * w.nce * term("nce_x", contrast(of_y.fake, of_x.real))
            + 0.5 * w.nce * term("nce_y", contrast(of_x.fake, of_y.real))
        )
        if w.similarity:
            similarity_x = l1(self.H_xr(stack(of_x.real)), self.H_xf(stack(of_x.elsewhere)))
            similarity_y = l1(self.H_yr(stack(of_y.real)), self.H_yf(stack(of_y.elsewhere)))
            loss += w.similarity * term("similarity_x", similarity_x)
            loss += w.similarity * term("similarity_y", similarity_y)
        return loss

    def translate(self, x: Tensor, *, to: Domain = "b") -> Tensor:
        """Translate with G towards b, with F towards a."""
        out: Tensor = self.G(x) if to == "b" else self.F(x)
        return out


def patches(heads: PatchHeads, real: Features, at: Features, fake: Features, at_source: Features, w: Config) -> Patches:
    """Return the vectors of the patches of a domain.

    Args:
        heads: of the domain.
        real: features of its real images, by layer (N, C, H, W), by its encoder.
        at: by layer the places (S,) of these.
        fake: features of the translations into it, by the same encoder.
        at_source: the places of the images that were translated.
        w: the method's options.
    """
    elsewhere = heads.project(fake, sample_places(fake, w.patches)) if w.similarity else {}
    return Patches(heads.project(real, at), heads.project(fake, at_source), elsewhere)


def contrast(query: Features, key: Features) -> Tensor:
    """Return the mean over layers of the contrast of translations with what was translated."""
    return torch.stack([patch_nce(query[name], key[name]) for name in query]).mean()


def stack(vectors: Features) -> Tensor:
    """Return the vectors of all layers as (N, layers, S, 256), of as many places as the layer with the fewest has."""
    least = min(of_layer.shape[1] for of_layer in vectors.values())
    return torch.stack([of_layer[:, :least] for of_layer in vectors.values()], 1)
