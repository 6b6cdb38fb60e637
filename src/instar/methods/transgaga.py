"""TransGaGa: Geometry-Aware Unsupervised Image-to-Image Translation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, final

import torch
from torch import Generator, Tensor
from torch.nn.functional import l1_loss as l1

from instar.core.batch import Domain, Unpaired
from instar.core.config import MethodConfig, Optim, Preset, RunConfig
from instar.core.errors import UserError
from instar.core.method import Method, Objectives, Paper
from instar.core.objective import Loss, Objective, term
from instar.core.progress import Progress
from instar.core.schedule import linear, stage
from instar.core.settings import within
from instar.losses.gan import lsgan as gan
from instar.losses.kl import kl_to_standard
from instar.losses.landmarks import concentration, equivariance, separation
from instar.losses.texture import Texture
from instar.modules.affine import random_affine, recoloured
from instar.modules.domains import Both
from instar.modules.grad import frozen
from instar.modules.pca import PCA
from instar.modules.pool import ImagePool
from instar.networks.transgaga import ConditionalVAE, Inject, LandmarkDetector
from instar.networks.transgaga_codes import OTHER, Flow, Judges, Parts, Transformers

Values = dict[str, Tensor]
RATES: tuple[dict[str, float], ...] = ({}, {"phi": 2.0, "D": 2.0}, {"vae": 0.1})
"""Learning rates of each stage's networks, in units of `optim.lr`; 1 where none is given."""


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    """Options of TransGaGa."""

    optim: Optim = field(default_factory=lambda: Optim(lr=1e-4))
    """Adam. The rate is that of the first stage; `hold` counts within each of the three stages."""
    stages: tuple[float, float] = (0.4, 0.2)
    """Shares of the run in which images are taken apart, and then translated with that held; the rest is joint. A first
    share of 0 needs the networks of a run that took images apart (--train.start-from)."""
    landmarks: int = 30
    """Landmarks of an image."""
    code: int = 128
    """Numbers of an appearance."""
    components: int = 16
    """Principal components of the landmarks that are translated, at most."""
    variance: float = 0.95
    """Share of the landmarks' variance after which further components are left out as noise; 1 keeps them."""
    recon: float = 10.0
    """Weight of an image's reconstruction from its own landmarks and appearance."""
    kl: float = 0.01
    """Weight of the appearances' divergence from N(0, I): 0 for 40 % of the first stage, whole from 60 % on."""
    prior: float = 1.0
    """Weight of the landmarks' separation and of their concentration."""
    equivariance: float = 0.0
    """Weight of landmarks that follow a turned and recoloured copy of the image."""
    swap: bool = False
    """Read the appearance from a turned copy in the first stage, so that it cannot tell where things are."""
    gan: float = 1.0
    """Weight of the adversarial terms of images, geometries and appearances."""
    cycle: float = 1.0
    """Weight of the cycles of images, geometries and appearances. At 10 they hold the first map that they find."""
    gram: float = 1.0
    """Weight of the texture shared with the translation: else colours pair up by chance. random wants 100 to 1000."""
    texture: Literal["vgg", "random"] = "vgg"
    """Features of the texture: VGG-16, whose weights torchvision fetches, or random convolutions."""
    anchor: float = 0.0
    """Weight of what the other domain's detector finds on an image itself; falls to 0 in the last stage."""
    shared: bool = False
    """One detector, one autoencoder and common components for both domains; geometries start as copies."""
    inject: Inject = "film"
    """How an appearance enters the decoder: film by every norm, concat beside the deepest features."""
    width: int = 64
    """Channels or units of the first layer of all networks; the landmark detector has half."""

    def __post_init__(self) -> None:
        super().__post_init__()
        least = {"landmarks": 2, "code": 1, "width": 1}
        for name in ("recon", "kl", "prior", "equivariance", "gan", "cycle", "gram", "anchor", "variance", *least):
            within(f"method.{name}", getattr(self, name), least.get(name, 0), 1 if name == "variance" else None)
        within("method.components", self.components, 1, 2 * self.landmarks)
        if min(self.stages) < 0 or sum(self.stages) > 1:
            raise UserError("--method.stages takes two shares, at least 0, which add up to at most 1")


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
        Principal components are whitened, and those beyond a share of the variance left out (`--method.variance`).
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
    targets = ("a", "b")
    translators = ("E_g", "vae", "phi")
    fitted = ("pca",)
    exempt = {"the_style_drawn_is_one_for_the_batch": "without a style, each image's own appearance is translated"}
    _robust = {"anchor": 5.0, "equivariance": 10.0, "swap": True}
    _size, _long = {"size": 128, "zoom": 1.1}, {"steps": 250_000, "batch": 8}
    presets = {
        "robust": Preset(about="128 px, geometries held; days on a GPU", method=_robust, data=_size, train=_long),
        "paper": Preset(about="128 px, the paper's terms alone; days on a GPU", data=_size, train=_long),
        "shared": Preset(about="for shapes that are alike", method=_robust | {"shared": True}, data=_size, train=_long),
        "small": Preset(
            about="64 px on a CPU: over an hour on one core, two thirds of one with bf16",
            method={"width": 24, "landmarks": 16, "code": 32, "components": 12, "texture": "random"}
            | {"gram": 100.0, "optim": {"lr": 5e-4}, **_robust},
            data={"size": 64, "zoom": 1.03},
            train={"steps": 4000, "batch": 4, "ema": 5000, "save_every": 500, "preview_every": 500},
        ),
        "tiny": Preset(
            about="32 px, for tests: seconds",
            method={"width": 4, "landmarks": 4, "code": 8, "components": 4, "texture": "random", **_robust},
            data={"size": 32},
            train={"steps": 20, "batch": 2, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        C, W, K, S, M = cfg.channels, cfg.width, cfg.landmarks, cfg.code, cfg.components
        self.E_g = Both(lambda: LandmarkDetector(C, -(-W // 2), K), shared=cfg.shared)
        self.vae = Both(lambda: ConditionalVAE(C, W, K, S, inject=cfg.inject), shared=cfg.shared)
        self.phi = Both(lambda: Transformers(M, S, W, residual_geometry=cfg.shared))
        self.D = Both(lambda: Judges(C, M, S, W))
        self.pca, self.pool = Both(lambda: PCA(2 * K, M)), Both(lambda: ImagePool(50))
        self.texture = Texture(cfg.texture, C, W)
        self.size_divisor, self.at = ConditionalVAE.size_divisor, Progress(0, 1)

    def check(self, config: RunConfig) -> str:
        """Tell of weights to be fetched."""
        return self.texture.note() if self.cfg.gram else ""

    def untrained(self) -> tuple[str, ...]:
        """Return what takes images apart, if the first stage is left out."""
        return () if self.cfg.stages[0] else ("E_g", "vae")

    def phase(self, at: Progress) -> str:
        """Name the stage."""
        return ("disentangle", "translate", "joint")[stage(at, self.cfg.stages)[0]]

    def optim(self, network: str) -> Optim:
        """Return the settings of the step being played: each stage has its rates, and they fall within it."""
        number, now = stage(self.at, self.cfg.stages)
        factor = RATES[number].get(network, 1.0) * linear(now, self.cfg.optim.hold)
        return replace(self.cfg.optim, lr=factor * self.cfg.optim.lr, hold=1.0)

    def prepare(self, phase: str, batches: Iterable[Unpaired]) -> None:
        """After the first stage, measure the principal components of the training images' landmarks."""
        if phase == "disentangle":
            self.pca.a.fitted.fill_(False)  # of a run that this one starts from, whose detectors move on here
        elif not self.pca.a.fitted:
            self.flow.measure(((b.a, b.b) for b in batches), self.cfg.variance, together=self.cfg.shared)

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move detectors and autoencoders; later the discriminators, then transformers, at last with autoencoders."""
        self.at, w, (number, now) = at, self.cfg, stage(at, self.cfg.stages)
        x: dict[Domain, Tensor] = {"a": batch.a, "b": batch.b}
        if number == 0:
            kl = w.kl * min(1.0, max(0.0, (now.fraction - 0.4) / 0.2))
            values = [self.disentangled(d, x[d]) for d in x]
            yield Objective("AE", over=(self.E_g, self.vae), loss=self.weighed(values, kl=kl))
            return
        flow, joint = self.flow, number == 2
        with torch.set_grad_enabled(joint), frozen(self.E_g):
            seen = {d: flow.apart(d, x[d]) for d in x}
        made = {d: flow.over(seen[OTHER[d]].z, seen[OTHER[d]].a.detach(), d) for d in x}
        drawn = {d: flow.draw(d, made[d], x[OTHER[d]].shape, twice=w.gram > 0) for d in x}
        values = [self.judged(d, x[d], seen[d], made[d], drawn[d][: len(x[d])]) for d in x]
        yield Objective("D", over=(self.D,), loss=self.weighed(values))

        values = [self.translated(d, x[d], seen[d], made[OTHER[d]], drawn[OTHER[d]]) for d in x]
        if joint:
            values = [value | self.rebuilt(d, x[d], seen[d]) for d, value in zip(x, values, strict=True)]
        loss = self.weighed(values, anchor=w.anchor * (1 - now.fraction if joint else 1))
        yield Objective("G", over=(self.phi, self.vae) if joint else (self.phi,), loss=loss)

    def disentangled(self, d: Domain, x: Tensor) -> Values:
        """Return the terms of the first stage for images of a domain."""
        w, n = self.cfg, len(x)
        change = random_affine(x)
        copy = change.image(x) if w.equivariance or w.swap else x
        points, variance = self.E_g[d](torch.cat([x, recoloured(copy)]) if w.equivariance else x)
        u = points[:n]
        mu, logvar = self.vae[d].appearance(*((copy, change.points(u)) if w.swap else (x, u)))
        values = self.rebuilt(d, x, Parts(u, u, mu, logvar))
        values |= {"prior_separation": separation(u), "prior_concentration": concentration(variance[:n])}
        if w.equivariance:
            values["equivariance"] = equivariance(points[n:], change.points(u))
        return values

    def rebuilt(self, d: Domain, x: Tensor, parts: Parts) -> Values:
        """Return the terms of the conditional VAE for images and what they were taken apart into."""
        out = self.flow.draw(d, parts.noisy(), x.shape)
        return {"recon": l1(out, x), "kl": kl_to_standard(parts.a, parts.logvar)}

    def judged(self, d: Domain, x: Tensor, seen: Parts, made: Parts, image: Tensor) -> Values:
        """Return what a domain's discriminators make of its images and of translations, each kind in one pass."""
        z, a = torch.cat([seen.z, made.z]).detach(), torch.cat([seen.a, made.a]).detach()
        scores = self.D[d](torch.cat([x, self.pool[d](image)]), z, a)
        return {kind: 0.5 * (gan.real(p[: len(x)]) + gan.fake(p[len(x) :])) for kind, p in scores.items()}

    def translated(self, d: Domain, x: Tensor, seen: Parts, made: Parts, drawn: Tensor) -> Values:
        """Return the transformers' terms for images of a domain, made into the other and drawn there once or twice."""
        w, flow, o = self.cfg, self.flow, OTHER[d]
        image, textured = drawn[: len(x)], drawn[len(x) :]
        values = {f"gan_{kind}": gan.real(score) for kind, score in self.D[o](image, made.z, made.a).items()}
        found, back = flow.apart(o, image), flow.over(made.z, made.a, d)
        values["cycle_image"] = l1(flow.draw(d, flow.over(found.z, found.a, d), x.shape), x)
        values["cycle_geometry"] = self.pca[d].distance(back.z, seen.z)
        values["cycle_appearance"] = l1(back.a, seen.a.detach())
        if w.gram:
            values["gram"] = self.texture.distance(textured, x)
        if w.anchor:
            values["anchor"] = self.pca[o].distance(made.z, seen.z if w.shared else flow.geometry(o, x))
        return values

    def weighed(self, values: Sequence[Values], **changed: float) -> Loss:
        """Return the terms, summed over the domains, each with the weight of the option its name begins with, or 1."""
        sums = {name: torch.stack([value[name] for value in values]).sum() for name in values[0]}
        weights = vars(self.cfg) | changed
        return sum((weights.get(name.split("_")[0], 1.0) * term(name, both) for name, both in sums.items()), Loss())

    @property
    def flow(self) -> Flow:
        """The way of images through the networks as they are now."""
        return Flow(self.E_g, self.vae, self.phi, self.pca)

    def landmarks(self, x: Tensor, *, domain: Domain) -> Tensor:
        """Return the landmarks (N, K, 2) of images (N, C, H, W) of a domain, x to the right, y down, in (-1, 1)."""
        return self.flow.points(domain, x)

    def sample_style(self, n: int, generator: Generator | None = None) -> Tensor:
        """Draw appearances (n, S) from N(0, I)."""
        return torch.randn(n, self.cfg.code, generator=generator).to(self.pca.a.mean)

    def encode_style(self, reference: Tensor, *, domain: Domain) -> Tensor:
        """Return the appearances (N, S) of images (N, C, H, W) of a domain."""
        return self.flow.apart(domain, reference).a

    def encode(self, x: Tensor, *, domain: Domain) -> Tensor:
        """Return geometries and appearances (N, M + S, H / 32, W / 32) of images, with the same code everywhere."""
        return self.flow.encode(domain, x)

    def decode(self, code: Tensor, *, to: Domain) -> Tensor:
        """Translate what codes of the other domain stand for: images (N, C, H, W) in [-1, 1]."""
        return self.flow.decode(code, to)

    def move(
        self, x: Tensor, by: Tensor, *, to: Domain = "b", style: Tensor | None = None, source: Domain | None = None
    ) -> tuple[Tensor, Tensor]:
        """Translate x with its landmarks moved by (K, 2) or (N, K, 2), or draw it anew if it is of `to` itself."""
        made = self.flow.made(x, to, by, source)
        made = made if style is None else made._replace(a=style)
        return self.flow.draw(to, made, x.shape), made.points

    def translate(
        self, x: Tensor, *, to: Domain = "b", style: Tensor | None = None, generator: Generator | None = None
    ) -> Tensor:
        """Carry landmarks over to domain `to`, and the appearance too, or take the appearances (N, S) of `style`."""
        return self.move(x, x.new_zeros(()), to=to, style=style)[0]
