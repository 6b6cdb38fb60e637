"""DistanceGAN: One-Sided Unsupervised Domain Mapping, by distances between images or within one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal, final

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss as l1
from torch.nn.functional import mse_loss

from instar.core.batch import Domain, Unpaired
from instar.core.config import MethodConfig, Preset, RunConfig
from instar.core.errors import UserError
from instar.core.method import Method, Objectives, Paper
from instar.core.objective import Loss, Objective, term
from instar.core.progress import Progress
from instar.core.settings import within
from instar.losses.distance import Between, all_distances, distances
from instar.losses.gan import lsgan, vanilla
from instar.losses.matching import feature_matching
from instar.modules.pool import ImagePool
from instar.modules.sample import Sample
from instar.modules.units import StandardUnits
from instar.networks.distancegan import Net, discriminator, generator, trace


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    """Options of DistanceGAN."""

    distance_x: float = 1.0
    """Weight of the distances that G has to keep; 0 leaves them out (with both at 0: the paper's GAN alone)."""
    distance_y: float = 1.0
    """Weight of the distances that F has to keep."""
    between: Between = "images"
    """Distances between the images of a batch, or (self-distance) between the halves of each image."""
    normalise: bool = True
    """Distances in standard units of their domain, measured before training."""
    max_items: int = 900
    """Training images per domain on which the standard units are measured."""
    two_sided: bool = True
    """Learn F: Y to X as well. Off builds and trains only G and its discriminator, unless there are cycles."""
    cycle: float = 0.0
    """Weight of the cycles F(G(x)) = x and G(F(y)) = y (10 in the paper); one-sided, F learns from them alone."""
    identity: float = 0.0
    """Weight of G(y) = y and F(x) = x, against inverted colours: distances do not notice them."""
    adversarial: Literal["least-squares", "cross-entropy"] = "least-squares"
    """Adversarial loss."""
    matching: float = 0.0
    """Share of feature matching in the generators' adversarial terms (DiscoGAN: 0.9)."""
    mix: tuple[float, float] | None = None
    """DiscoGAN's r, first and later: it weighs distances and cycles, 1 - r the adversarial terms. None: no r."""
    mix_steps: int = 10_000
    """Steps until r changes."""
    interval: int = 1
    """1: all move at each step. 3: the discriminators at every third, the generators at the others (DiscoGAN)."""
    pool: int = 50
    """Past fakes shown to each discriminator; 0 shows only the current ones."""
    net: Net = "resnet"
    """Networks: CycleGAN's, DiscoGAN's (64 px or more), or the small ones for digits (32 px or more)."""
    width: int = 64
    """Channels after the first convolution of all networks."""
    blocks: int = 9
    """Residual blocks of the generators (resnet): 9 for 256 px and more, 6 for 128 px."""
    layers: int = 4
    """Convolutions of the encoders (discogan), 3 to 5: 3 for edges, 5 for the angles of cars and heads."""
    patch_norm: Literal["instance", "spectral"] = "instance"
    """Norm of the discriminators (resnet). spectral (Miyato et al. 2018) keeps sight of an image's overall colour."""
    antialias: bool = False
    """Blurred down- and upsampling instead of strided convolutions (resnet): no checkerboards."""
    skip: bool = False
    """Add the input to the ResNet's output: it starts as a copy and learns what to change. For short trainings."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("distance_x", "distance_y", "cycle", "identity", "mix_steps", "pool", "blocks"):
            within(f"method.{name.replace('_', '-')}", getattr(self, name), 0, None)
        for name in ("max_items", "interval", "width"):
            within(f"method.{name.replace('_', '-')}", getattr(self, name), 1, None)
        within("method.layers", self.layers, 3, 5)
        within("method.matching", self.matching, 0.0, 1.0)
        for r in self.mix or ():
            within("method.mix", r, 0.0, 1.0)


@final
class DistanceGAN(Method[Unpaired]):
    """A generator that keeps distances: images as unlike as usual in X become images as unlike as usual in Y.

    min_G max_{D_Y}  L_GAN(G, D_Y) + λ L_distance(G)
    L_distance(G) = E |(d(x, x') - μ_X) / σ_X - (d(G(x), G(x')) - μ_Y) / σ_Y|,  d(u, v) = mean |u - v|

    Terms:
        G/gan_g: D_Y should take G(x) for real
        G/matching_g: features in D_Y, their means over y and over G(x) (option `matching`)
        G/distance_x: how far G changes the distances between two x, or between the halves of each x
        G/gan_f: D_X should take F(y) for real (two-sided)
        G/matching_f: features in D_X, their means over x and over F(y)
        G/distance_y: how far F changes the distances between two y (two-sided)
        G/identity_y: mean |G(y) - y| (option `identity`)
        G/identity_x: mean |F(x) - x| (two-sided)
        G/cycle_x: F(G(x)) against x (option `cycle`)
        G/cycle_y: G(F(y)) against y
        D/y_real: D_Y on y
        D/y_fake: D_Y on G(x) of now or earlier
        D/x_real: D_X on x (two-sided)
        D/x_fake: D_X on F(y) of now or earlier

    Differs from the paper:
        Two-sided unless `--method.no-two-sided`, as in the authors' code.
        μ and σ are those of pairs of images, as in the paper; the authors' code for 256 px and for digits compares
        whole batches, so that its σ is too small and its loss too large.
        Each file is measured once, as cropped for its first step; with several processes each measures its share.
        Self-distance takes each image by itself; the authors' code averages the batch before it compares.
        Networks of CycleGAN's later code: reflect padding, norms without scale and shift, discriminators padded
        by 1; the authors' pad with zeros, learn scales and shifts, and pad by 2.
        Each image is mirrored or not by itself; the authors' code mirrors all images of a step or none.
        The identity terms are an addition.
        discogan, digits: both domains have the same channels, 3 or 1; each discriminator moves once for real and
        fake together; no weight decay of norms; all three features are matched; translation normalises each image
        by itself; cycles cost squared differences as in the authors' code, but of images in [-1, 1].
        The length is fixed in steps: 200 epochs of horse2zebra's 1,334 images.
    """

    options = Config
    cfg: Config
    paper = Paper("One-Sided Unsupervised Domain Mapping", "Benaim, Wolf", 2017, "https://arxiv.org/abs/1706.00826")
    data = Unpaired
    targets = ("a", "b")
    translators = ("G", "F")
    presets = {
        "paper": Preset(about="256 px as in the authors' code", train={"steps": 133_400, "batch": 2}),
        "self-distance": Preset(
            about="as paper, of image halves", method={"between": "top-bottom"}, train={"steps": 133_400, "batch": 2}
        ),
        "discogan": Preset(
            about="64 px with DiscoGAN's networks and losses, as the authors do faces and shoes",
            method={"net": "discogan", "adversarial": "cross-entropy", "matching": 0.9, "mix": (0.01, 0.5)}
            | {"interval": 3, "pool": 0, "optim": {"hold": 1.0, "weight_decay": 1e-5}},
            data={"size": 64, "zoom": 1.0, "flip": False},
            train={"steps": 100_000, "batch": 64},
        ),
        "digits": Preset(
            about="32 px with small networks, as the authors do MNIST to SVHN and back",
            method={"net": "digits", "distance_x": 0.05, "distance_y": 0.1, "max_items": 400}
            | {"pool": 0, "optim": {"hold": 1.0}},
            data={"size": 32, "zoom": 1.0, "flip": False},
            train={"steps": 40_000, "batch": 16},
        ),
        "small": Preset(
            about="one-sided, 64 px on a CPU: 25 minutes on one core with bf16",
            method={"two_sided": False, "width": 32, "blocks": 6, "patch_norm": "spectral", "antialias": True}
            | {"skip": True, "optim": {"lr": 5e-4, "hold": 0.1}},
            data={"size": 64, "zoom": 1.03},
            train={"steps": 8000, "batch": 2, "ema": 5000, "save_every": 1000, "preview_every": 1000},
        ),
        "tiny": Preset(
            about="32 px, with all terms, for tests: seconds",
            method={"width": 4, "blocks": 1, "identity": 5.0, "cycle": 10.0, "matching": 0.5},
            data={"size": 32},
            train={"steps": 20, "batch": 2, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        build = cfg.net, cfg.channels, cfg.width
        new_g = partial(generator, *build, cfg.blocks, cfg.layers, antialias=cfg.antialias, skip=cfg.skip)
        new_d = partial(discriminator, *build, norm=cfg.patch_norm, antialias=cfg.antialias)
        self.G, self.D_Y, self.pool_y = new_g(), new_d(), ImagePool(cfg.pool)
        if cfg.two_sided or cfg.cycle:
            self.F = new_g()
        if cfg.two_sided:
            self.D_X, self.pool_x = new_d(), ImagePool(cfg.pool)
        else:
            self.targets, self.translators = ("b",), ("G",)  # type: ignore[misc, assignment]
        self.units_x, self.units_y = StandardUnits(), StandardUnits()
        self.gan = lsgan if cfg.adversarial == "least-squares" else vanilla
        self.size_divisor = self.G.size_divisor
        self.keeps_any = bool(cfg.distance_x or (cfg.two_sided and cfg.distance_y))

    def check(self, config: RunConfig) -> str:
        """Refuse a single image where two are compared, and crops too small for the networks."""
        w, batch, two_each = self.cfg, config.train.batch, 2 * config.train.devices
        least = {"resnet": 0, "digits": 32, "discogan": 64}[w.net]
        if config.data.size < least:
            raise UserError(f"--size {config.data.size}: --method.net {w.net} needs at least --size {least}")
        if batch < two_each and self.keeps_any and w.between == "images":
            raise UserError(
                f"--batch {batch}: the images of a batch are compared; use --batch {two_each} or more, "
                "or compare the halves of each image: --method.between top-bottom"
            )
        if batch < two_each and w.net == "discogan" and w.layers == 5:
            raise UserError(f"--batch {batch}: --method.layers 5 needs --batch {two_each} or more")
        note = f"before the first step, distances are measured on up to {w.max_items} images per domain"
        return note if self.keeps_any and w.normalise else ""

    @torch.no_grad()
    def prepare(self, phase: str, batches: Iterable[Unpaired]) -> None:
        """Measure μ and σ of both domains, each file once, however the loader batches them."""
        w = self.cfg
        if not (self.keeps_any and w.normalise):
            return
        x, y = Sample(w.max_items), Sample(w.max_items)
        for batch in batches:
            n = len(batch.a)
            x.add(batch.a, batch.names[:n])
            y.add(batch.b, batch.names[n:])
            if x.done and y.done:
                break
        for letter, sample, units in (("a", x, self.units_x), ("b", y, self.units_y)):
            units.fit(all_distances(sample.levels(), w.between))
            if not units.deviation > 0:
                what = f"all distances among the {len(sample)} training images of domain {letter} are equal"
                raise UserError(f"{what}: add images or use --method.no-normalise")

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move the generators, then the discriminators, which see the fakes made before."""
        x, y, w = batch.a, batch.b, self.cfg
        judging = at.step % w.interval == 0
        if w.interval == 1 or not judging:
            fakes, loss = self.play(x, y, at)
            yield Objective("G", over=(self.G, self.F) if w.two_sided or w.cycle else (self.G,), loss=loss)
        else:
            with torch.no_grad():
                fakes = {"y": self.G(x), "x": self.F(y)} if w.two_sided else {"y": self.G(x)}
        if judging:
            loss = self.judge("y", self.D_Y, y, self.pool_y(fakes["y"]))
            if w.two_sided:
                loss = loss + self.judge("x", self.D_X, x, self.pool_x(fakes["x"]))
            yield Objective("D", over=(self.D_Y, self.D_X) if w.two_sided else (self.D_Y,), loss=loss)

    def play(self, x: Tensor, y: Tensor, at: Progress) -> tuple[dict[str, Tensor], Loss]:
        """Return the fakes by domain, and what the generators minimise."""
        w = self.cfg
        by_g = self.passes(self.G, fake=x, same=y if w.identity else None)
        fakes = {"y": by_g["fake"]}
        adversarial, kept = self.one_way("b", x, y, by_g)
        if w.two_sided or w.cycle:
            same = x if w.identity and w.two_sided else None
            by_f = self.passes(self.F, fake=y, back=fakes["y"] if w.cycle else None, same=same)
            if w.two_sided:
                adversarial_f, kept_f = self.one_way("a", y, x, by_f)
                adversarial, kept, fakes["x"] = adversarial + adversarial_f, kept + kept_f, by_f["fake"]
            if w.cycle:
                off = l1 if w.net == "resnet" else mse_loss
                cycles = term("cycle_x", off(by_f["back"], x)) + term("cycle_y", off(self.G(by_f["fake"]), y))
                kept = kept + w.cycle * cycles
        if w.mix is None:
            return fakes, adversarial + kept
        r = w.mix[0] if at.step < w.mix_steps else w.mix[1]
        return fakes, (1 - r) * adversarial + r * kept

    def one_way(self, to: Domain, source: Tensor, target: Tensor, out: dict[str, Tensor]) -> tuple[Loss, Loss]:
        """Return the adversarial terms of a generator, and those of what it should keep."""
        w = self.cfg
        if to == "b":
            g, x, y, judge, weight, units, other = "g", "x", "y", self.D_Y, w.distance_x, self.units_x, self.units_y
        else:
            g, x, y, judge, weight, units, other = "f", "y", "x", self.D_X, w.distance_y, self.units_y, self.units_x
        if w.matching:
            score, features = trace(judge.body, out["fake"])
            with torch.no_grad():
                wanted = trace(judge.body, target)[1]
            adversarial = (1 - w.matching) * term(f"gan_{g}", self.gan.real(score))
            adversarial = adversarial + w.matching * term(f"matching_{g}", feature_matching(wanted, features))
        else:
            adversarial = term(f"gan_{g}", self.gan.real(judge(out["fake"])))
        kept = w.identity * term(f"identity_{y}", l1(out["same"], target)) if w.identity else Loss()
        if weight:
            before, after = distances(source, w.between), distances(out["fake"], w.between)
            if w.normalise:
                before, after = units(before), other(after)
            kept = kept + weight * term(f"distance_{x}", l1(before, after))
        return adversarial, kept

    def passes(self, net: nn.Module, **images: Tensor | None) -> dict[str, Tensor]:
        """Return a network's outputs by name, of one pass unless a batch norm would mix them; None is left out."""
        given = {name: one for name, one in images.items() if one is not None}
        if self.cfg.net != "resnet":
            return {name: net(one) for name, one in given.items()}
        return dict(zip(given, net(torch.cat(list(given.values()))).chunk(len(given)), strict=True))

    def judge(self, letter: str, judge: nn.Module, real: Tensor, fake: Tensor) -> Loss:
        """Return what a discriminator minimises."""
        scores = self.passes(judge, real=real, fake=fake)
        verdicts = term(f"{letter}_real", self.gan.real(scores["real"]))
        return 0.5 * (verdicts + term(f"{letter}_fake", self.gan.fake(scores["fake"])))

    def translate(self, x: Tensor, *, to: Domain = "b") -> Tensor:
        """Translate with G towards b, with F towards a (two-sided only)."""
        if to not in self.targets:
            raise UserError("--to a: this model was trained one-sided (--method.no-two-sided)")
        out: Tensor = self.G(x) if to == "b" else self.F(x)
        return out
