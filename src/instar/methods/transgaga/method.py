"""TransGaGa: Geometry-Aware Unsupervised Image-to-Image Translation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal, final

import torch
from torch import Generator, Tensor
from torch.nn.functional import l1_loss as l1

from instar.core.batch import Domain, Unpaired
from instar.core.config import MethodConfig, Optim, Preset, RunConfig
from instar.core.device import moved
from instar.core.errors import UserError, setting
from instar.core.method import Method, Objectives, Paper
from instar.core.objective import Loss, Objective, Term, term
from instar.core.progress import Progress
from instar.core.schedule import linear, stage
from instar.core.settings import Bounds, NonNegativeFloat, PositiveInt, Width
from instar.losses.gan import lsgan as gan
from instar.losses.kl import kl_to_standard
from instar.losses.perceptual import EXTRACTOR
from instar.methods.transgaga.augment import random_affine, random_colours
from instar.methods.transgaga.discriminators import Discriminators
from instar.methods.transgaga.gram import Texture
from instar.methods.transgaga.landmark_losses import concentration, equivariance, separation
from instar.methods.transgaga.networks import ConditionalVAE, Inject, LandmarkDetector
from instar.methods.transgaga.pca import PCA
from instar.methods.transgaga.per_domain import PerDomain
from instar.methods.transgaga.pipeline import OTHER, Parts, Pipeline
from instar.methods.transgaga.transformers import Transformers
from instar.modules.freeze import frozen
from instar.modules.pool import ImagePool

RATES: tuple[dict[str, float], ...] = ({}, {"phi": 2.0, "D": 2.0}, {"vae": 0.1})
"""Learning rates of each stage's networks, in units of `optim.lr`; 1 where none is given."""
ROBUST: Mapping[str, Any] = {"anchor": 5.0, "equivariance": 10.0, "swap": True}
"""Terms that say which geometries are a pair, which the paper's leave open."""
DATA: Mapping[str, Any] = {"size": 128, "zoom": 1.1}
TRAIN: Mapping[str, Any] = {"steps": 250_000, "batch": 8}


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    """Options of TransGaGa."""

    removed: ClassVar[Mapping[str, tuple[object, ...]]] = {"variance": (0.95,)}

    optim: Optim = field(default_factory=lambda: Optim(lr=1e-4))
    """Adam. The rate is that of the first stage; `method.optim.hold` counts within each of the three stages."""
    stages: tuple[float, float] = (0.4, 0.2)
    """Shares of the run in which images are taken apart, and then translated with that held; the rest is joint. A first
    share of 0 needs the networks of a run that took images apart (`train.start_from`)."""
    landmarks: Annotated[int, Bounds(2, 1000)] = 30
    """Landmarks of an image."""
    code: Width = 128
    """Numbers of an appearance."""
    components: PositiveInt = 16
    """Principal components of the landmarks that are translated, at most."""
    recon: NonNegativeFloat = 10.0
    """Weight of an image's reconstruction from its own landmarks and appearance."""
    kl: NonNegativeFloat = 0.01
    """Weight of the appearances' divergence from N(0, I): 0 for 40 % of the first stage, whole from 60 % on."""
    prior: NonNegativeFloat = 1.0
    """Weight of the landmarks' separation and of their concentration."""
    equivariance: NonNegativeFloat = 0.0
    """Weight of landmarks that follow a turned and recoloured copy of the image."""
    swap: bool = False
    """Read the appearance from a turned copy in the first stage, so that it cannot tell where things are."""
    gan: NonNegativeFloat = 1.0
    """Weight of the adversarial terms of images, geometries and appearances."""
    cycle: NonNegativeFloat = 1.0
    """Weight of the cycles of images, geometries and appearances. At 10 they hold the first map that they find."""
    gram: NonNegativeFloat = 1.0
    """Weight of the texture shared with the translation: else colours pair up by chance. random wants 100 to 1000."""
    texture: Literal["vgg", "random"] = "vgg"
    """Features of the texture: VGG-16, whose weights torchvision fetches, or random convolutions."""
    anchor: NonNegativeFloat = 0.0
    """Weight of what the other domain's detector finds on an image itself; falls to 0 in the last stage."""
    shared: bool = False
    """One detector, one autoencoder and common components for both domains; geometries start as copies."""
    inject: Inject = "film"
    """How an appearance enters the decoder: film by every norm, concat beside the deepest features."""
    width: Width = 64
    """Channels or units of the first layer of all networks; the landmark detector has half."""

    def __post_init__(self) -> None:
        super().__post_init__()
        Bounds(1, 2 * self.landmarks).check("method.components", self.components)
        if min(self.stages) < 0 or sum(self.stages) > 1:
            shares = "takes two shares, at least 0, which add up to at most 1"
            raise UserError(f"{setting('method.stages', self.stages)}: it {shares}")


@final
class TransGaGa(Method[Unpaired]):
    """Images are taken apart into landmarks and appearance, and each is translated by itself: shapes may change.

    min_{E,D,Φ} max_D  Σ_d  L_CVAE + L_prior + L_con^a + L_cyc^a + L_cyc^g + L_cyc^pix + L_adv^a + L_adv^g + L_adv^pix

    Terms:
        AE/recon: mean |D(u, a) - x|, u the landmarks of x, a drawn around its appearance (all terms: both domains)
        AE/kl: divergence of the appearance's distribution from N(0, I), sum over its numbers, mean over the images
        AE/prior_separation: exp(-d²/2σ²) of the distances d between landmarks, mean over the pairs
        AE/prior_concentration: variance of the landmarks' maps
        AE/equivariance: squared distance of the landmarks of a turned, recoloured copy from where they should be
        D/image: discriminators on images and on translations of now or earlier
        D/geometry: on components z of landmarks and on translated ones
        D/appearance: on appearances a and on translated ones
        G/gan_image: the discriminators should take translations for real
        G/gan_geometry: the same for translated z
        G/gan_appearance: the same for translated a
        G/cycle_image: mean |x' - x|, x' from the translation, taken apart and translated back
        G/cycle_geometry: mean |Φ^g(Φ^g(z)) - z|
        G/cycle_appearance: mean |Φ^a(Φ^a(a)) - a|
        G/gram: Gram matrices of features of x and of its translation, from which its landmarks do not learn
        G/anchor: mean |Φ^g(z) - z'|, z' of the landmarks that the other domain's detector puts on x itself
        G/recon: as AE/recon, in the last stage
        G/kl: as AE/kl, in the last stage

    Differs from the paper:
        No code was released; layers, weights, rates and lengths are Instar's own choice.
        Appearances are drawn towards N(0, I). Landmarks do not learn from the encoder of appearances that sees them.
        An appearance enters every norm of the decoder: laid beside features, instance norm takes it away.
        Principal components are whitened, and those beyond 95 % of the variance left out.
        anchor, equivariance and swap of the preset robust: the paper's terms leave open which geometries are a pair.
    """

    options = Config
    cfg: Config
    paper = Paper(
        "TransGaGa: Geometry-Aware Unsupervised Image-to-Image Translation",
        "Wu, Cao, Li, Qian, Loy",
        2019,
        "https://arxiv.org/abs/1904.09571",
    )
    data = Unpaired
    holds_input = {"cycle": "all", "gram": "colours"}
    targets = ("a", "b")
    translators = ("E_g", "vae", "phi")
    fitted = ("pca",)
    exempt = {"the_style_drawn_is_one_for_the_batch": "without a style, each image's own appearance is translated"}
    presets = {
        "robust": Preset(about="128 px, geometries held; days on a GPU", method=ROBUST, data=DATA, train=TRAIN),
        "paper": Preset(about="128 px, the paper's terms alone; days on a GPU", data=DATA, train=TRAIN),
        "shared": Preset(about="for shapes that are alike", method={**ROBUST, "shared": True}, data=DATA, train=TRAIN),
        "small": Preset(
            about="64 px on a CPU: over an hour on one core, two thirds of one with bf16",
            method={
                "width": 24,  # for an hour on one core
                "landmarks": 16,
                "code": 32,
                "components": 12,
                "texture": "random",  # VGG-16 takes most of a step at this size
                "gram": 100.0,  # random features are that much smaller
                "optim": {"lr": 5e-4},  # a run of thousands of steps
                **ROBUST,
            },
            data={"size": 64, "zoom": 1.03},
            train={"steps": 4000, "batch": 4, "ema": 5000, "save_every": 500, "preview_every": 500},
        ),
        "tiny": Preset(
            about="32 px, for tests: seconds",
            method={"width": 4, "landmarks": 4, "code": 8, "components": 4, "texture": "random", **ROBUST},
            data={"size": 32},
            train={"steps": 20, "batch": 2, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        C, W, K, S, M = cfg.channels, cfg.width, cfg.landmarks, cfg.code, cfg.components
        self.E_g = PerDomain(lambda: LandmarkDetector(C, -(-W // 2), K), shared=cfg.shared)
        self.vae = PerDomain(lambda: ConditionalVAE(C, W, K, S, inject=cfg.inject), shared=cfg.shared)
        self.phi = PerDomain(lambda: Transformers(M, S, W, residual_geometry=cfg.shared))
        self.D = PerDomain(lambda: Discriminators(C, M, S, W))
        self.pca = PerDomain(lambda: PCA(2 * K, M))
        self.pool = PerDomain(lambda: ImagePool(50))
        self.texture = Texture(cfg.texture, C, W)
        self.size_divisor = ConditionalVAE.size_divisor
        self.at = Progress(0, 1)
        """The step that the objectives are of, on which the learning rates depend."""

    def check(self, config: RunConfig) -> str:
        """Tell of weights to be fetched."""
        return self.texture.note() if self.cfg.gram else ""

    @classmethod
    def trains_on(cls, cfg: Config) -> tuple[str, ...]:
        """Name VGG-16, if textures are compared in its features."""
        return (EXTRACTOR,) if cfg.gram and cfg.texture == "vgg" else ()

    def untrained(self) -> tuple[str, ...]:
        """Return what takes images apart, if the first stage is left out."""
        return () if self.cfg.stages[0] else ("E_g", "vae")

    def phase(self, at: Progress) -> str:
        """Name the stage."""
        return ("disentangle", "translate", "joint")[stage(at, self.cfg.stages)[0]]

    def optim(self, network: str) -> Optim:
        """Return the settings of the present step: each stage has its rates, and they fall within it."""
        number, now = stage(self.at, self.cfg.stages)
        factor = RATES[number].get(network, 1.0) * linear(now, self.cfg.optim.hold)
        return replace(self.cfg.optim, lr=factor * self.cfg.optim.lr, hold=1.0)

    def prepare(self, phase: str, batches: Iterable[Unpaired]) -> None:
        """After the first stage, measure the principal components of the training images' landmarks."""
        if phase == "disentangle":
            self.pca.a.fitted.fill_(False)  # of a run that this one starts from, whose detectors move on here
        elif not self.pca.a.fitted:
            self.pipeline.measure(((batch.a, batch.b) for batch in batches), together=self.cfg.shared)

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move detectors and autoencoders; later the discriminators, then transformers, at last with autoencoders."""
        self.at = at
        number, now = stage(at, self.cfg.stages)
        if number == 0:
            loss = over_domains(self.autoencoder_loss("a", batch.a, now), self.autoencoder_loss("b", batch.b, now))
            yield Objective("AE", over=(self.E_g, self.vae), loss=loss)
        else:
            yield from self.translation(batch.a, batch.b, now, joint=number == 2)

    def translation(self, a: Tensor, b: Tensor, now: Progress, *, joint: bool) -> Objectives:
        """Yield the objectives of the second stage, or of the third, in which autoencoders move too."""
        pipeline, twice = self.pipeline, self.cfg.gram > 0
        with torch.set_grad_enabled(joint), frozen(self.E_g):
            parts_a, parts_b = pipeline.disentangle("a", a), pipeline.disentangle("b", b)
        to_a = pipeline.transform(parts_b.z, parts_b.a.detach(), "a")
        to_b = pipeline.transform(parts_a.z, parts_a.a.detach(), "b")
        fake_a = pipeline.draw("a", to_a, b.shape, twice=twice)
        fake_b = pipeline.draw("b", to_b, a.shape, twice=twice)
        loss = over_domains(
            self.discriminator_loss("a", a, parts_a, fake_a[: len(a)], to_a),
            self.discriminator_loss("b", b, parts_b, fake_b[: len(b)], to_b),
        )
        yield Objective("D", over=(self.D,), loss=loss)

        anchor = self.cfg.anchor * (1 - now.fraction if joint else 1)
        loss = over_domains(
            self.generator_loss("a", a, parts_a, fake_b, to_b, anchor),
            self.generator_loss("b", b, parts_b, fake_a, to_a, anchor),
        )
        if joint:
            kl = self.cfg.kl
            loss += over_domains(self.vae_loss("a", a, parts_a, kl), self.vae_loss("b", b, parts_b, kl))
        yield Objective("G", over=(self.phi, self.vae) if joint else (self.phi,), loss=loss)

    def autoencoder_loss(self, domain: Domain, x: Tensor, now: Progress) -> Loss:
        """Return the loss of detector and autoencoder in the first stage, `now` in it, for images of a domain."""
        w, n = self.cfg, len(x)
        change = random_affine(x)
        copy = change.image(x) if w.equivariance or w.swap else x
        points, variance = self.E_g[domain](torch.cat([x, random_colours(copy)]) if w.equivariance else x)
        u = points[:n]
        mu, logvar = self.vae[domain].appearance(*((copy, change.points(u)) if w.swap else (x, u)))
        kl = w.kl * min(1.0, max(0.0, (now.fraction - 0.4) / 0.2))
        loss = (
            self.vae_loss(domain, x, Parts(u, u, mu, logvar), kl)
            + w.prior * term("prior_separation", separation(u))
            + w.prior * term("prior_concentration", concentration(variance[:n]))
        )
        if w.equivariance:
            loss += w.equivariance * term("equivariance", equivariance(points[n:], change.points(u)))
        return loss

    def vae_loss(self, domain: Domain, x: Tensor, parts: Parts, kl: float) -> Loss:
        """Return the loss of the conditional VAE for images and their parts; `kl` is the weight of the divergence."""
        out = self.pipeline.draw(domain, parts.noisy(), x.shape)
        return self.cfg.recon * term("recon", l1(out, x)) + kl * term("kl", kl_to_standard(parts.a, parts.logvar))

    def discriminator_loss(self, domain: Domain, x: Tensor, parts: Parts, fake: Tensor, translated: Parts) -> Loss:
        """Return the loss of a domain's discriminators, which see real and translated things of a kind in one pass.

        Args:
            domain: of the discriminators.
            x: images (N, C, H, W) of the domain.
            parts: what they were taken apart into.
            fake: translations (N, C, H, W) into the domain.
            translated: the parts that they were drawn from.
        """
        z = torch.cat([parts.z, translated.z]).detach()
        a = torch.cat([parts.a, translated.a]).detach()
        on = self.D[domain](torch.cat([x, self.pool[domain](fake)]), z, a)
        return (
            term("image", real_and_fake(on.image))
            + term("geometry", real_and_fake(on.geometry))
            + term("appearance", real_and_fake(on.appearance))
        )

    def generator_loss(
        self, domain: Domain, x: Tensor, parts: Parts, fakes: Tensor, translated: Parts, anchor: float
    ) -> Loss:
        """Return the loss of the transformers for images of a domain.

        Args:
            domain: of the images.
            x: (N, C, H, W).
            parts: what they were taken apart into.
            fakes: their translations (N, C, H, W), with `gram` once more without a way to their landmarks.
            translated: the parts that these were drawn from.
            anchor: weight of the anchor at this step.
        """
        w, pipeline, other = self.cfg, self.pipeline, OTHER[domain]
        fake, textured = fakes[: len(x)], fakes[len(x) :]
        on = self.D[other](fake, translated.z, translated.a)
        gan_image, gan_geometry, gan_appearance = (gan.generator(p) for p in on)
        found = pipeline.disentangle(other, fake)
        back = pipeline.transform(translated.z, translated.a, domain)
        again = pipeline.draw(domain, pipeline.transform(found.z, found.a, domain), x.shape)
        loss = (
            w.gan * term("gan_image", gan_image)
            + w.gan * term("gan_geometry", gan_geometry)
            + w.gan * term("gan_appearance", gan_appearance)
            + w.cycle * term("cycle_image", l1(again, x))
            + w.cycle * term("cycle_geometry", self.pca[domain].distance(back.z, parts.z))
            + w.cycle * term("cycle_appearance", l1(back.a, parts.a.detach()))
        )
        if w.gram:
            loss += w.gram * term("gram", self.texture.distance(textured, x))
        if w.anchor:
            wanted = parts.z if w.shared else pipeline.geometry(other, x)
            loss += anchor * term("anchor", self.pca[other].distance(translated.z, wanted))
        return loss

    @property
    def pipeline(self) -> Pipeline:
        """The way of an image through the networks as they are now."""
        return Pipeline(self.E_g, self.vae, self.phi, self.pca)

    def landmarks(self, x: Tensor, *, domain: Domain) -> Tensor:
        """Return the landmarks (N, K, 2) of images (N, C, H, W) of a domain, x to the right, y down, in (-1, 1)."""
        return self.pipeline.points(domain, x)

    def sample_style(self, n: int, generator: Generator | None = None, *, to: Domain = "b") -> Tensor:
        """Draw appearances (n, S) from N(0, I)."""
        mean = self.pca.a.mean
        return moved(torch.randn(n, self.cfg.code, generator=generator).to(mean.dtype), mean.device)

    def encode_style(self, reference: Tensor, *, domain: Domain) -> Tensor:
        """Return the appearances (N, S) of images (N, C, H, W) of a domain."""
        return self.pipeline.disentangle(domain, reference).a

    def encode(self, x: Tensor, *, domain: Domain) -> Tensor:
        """Return geometries and appearances (N, M + S, H / 32, W / 32) of images, with the same code everywhere."""
        return self.pipeline.encode(domain, x)

    def decode(self, code: Tensor, *, to: Domain) -> Tensor:
        """Translate what codes of the other domain stand for: images (N, C, H, W) in [-1, 1]."""
        return self.pipeline.decode(code, to)

    def move(
        self, x: Tensor, by: Tensor, *, to: Domain = "b", style: Tensor | None = None, source: Domain | None = None
    ) -> tuple[Tensor, Tensor]:
        """Translate x with its landmarks moved by (K, 2) or (N, K, 2), or draw it anew if it is of `to` itself."""
        parts = self.pipeline.translate_parts(x, to, by, source)
        if style is not None:
            parts = parts._replace(a=style)
        return self.pipeline.draw(to, parts, x.shape), parts.points

    def translate(
        self, x: Tensor, *, to: Domain = "b", style: Tensor | None = None, generator: Generator | None = None
    ) -> Tensor:
        """Translate landmarks into domain `to`, and the appearance too, or take the appearances (N, S) of `style`."""
        return self.move(x, x.new_zeros(()), to=to, style=style)[0]


def over_domains(of_a: Loss, of_b: Loss) -> Loss:
    """Return the loss of both domains, which have the same terms with the same weights: each is summed."""
    pairs = list(zip(of_a.terms, of_b.terms, strict=True))
    assert all((a.name, a.weight) == (b.name, b.weight) for a, b in pairs)
    return Loss(*(Term(a.name, torch.stack([a.value, b.value]).sum(), a.weight) for a, b in pairs))


def real_and_fake(outputs: Tensor) -> Tensor:
    """Return the loss of a discriminator's outputs, of which the first half of the batch is real, the other fake."""
    on_real, on_fake = outputs.chunk(2)
    return 0.5 * (gan.real(on_real) + gan.fake(on_fake))
