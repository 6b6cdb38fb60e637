"""DistanceGAN: One-Sided Unsupervised Domain Mapping, by distances between images or within one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor
from torch.nn.functional import l1_loss as l1

from instar.core.batch import Domain, Unpaired
from instar.core.config import Preset, RunConfig
from instar.core.errors import UserError, setting
from instar.core.method import Method, Objectives, Paper, compares_domains
from instar.core.objective import Loss, Objective, term
from instar.core.progress import Progress
from instar.core.settings import NonNegativeFloat, NonNegativeInt, PositiveInt
from instar.losses.gan import lsgan as gan
from instar.methods.distancegan.distance import Between, all_distances, distances
from instar.methods.distancegan.image_sample import ImageSample
from instar.methods.distancegan.standard_scaler import StandardScaler
from instar.modules.init import normal
from instar.modules.pool import ImagePool
from instar.networks.resnet_patchgan import SMALL, ResnetConfig, patch_discriminator, resnet_generator


@dataclass(frozen=True, kw_only=True)
class Config(ResnetConfig):
    """Options of DistanceGAN."""

    removed: ClassVar[Mapping[str, tuple[object, ...]]] = {
        "net": ("resnet",),
        "layers": (3, 4, 5),  # of the networks that are gone
        "adversarial": ("least-squares",),
        "matching": (0.0,),
        "mix": (None,),
        "mix_steps": (10_000,),
        "interval": (1,),
    }

    distance_x: NonNegativeFloat = 1.0
    """Weight of the distances that G has to keep; 0 leaves them out (with both at 0: the paper's GAN alone)."""
    distance_y: NonNegativeFloat = 1.0
    """Weight of the distances that F has to keep."""
    between: Between = "images"
    """Distances between the images of a batch, or (self-distance) between the halves of each image."""
    normalise: bool = True
    """Distances in standard units of their domain, measured before training."""
    max_items: PositiveInt = 900
    """Training images per domain on which the standard units are measured; all of them are held in memory."""
    two_sided: bool = True
    """Learn F: Y to X as well. Off builds and trains only G and its discriminator, unless there are cycles."""
    cycle: NonNegativeFloat = 0.0
    """Weight of the cycles F(G(x)) = x and G(F(y)) = y (10 in the paper); one-sided, F learns from them alone."""
    identity: NonNegativeFloat = 0.0
    """Weight of G(y) = y and F(x) = x, against inverted colours: distances do not notice them."""
    pool: NonNegativeInt = 50
    """Past fakes shown to each discriminator; 0 shows only the current ones."""


@final
class DistanceGAN(Method[Unpaired]):
    """A generator that keeps distances: images as unlike as usual in X become images as unlike as usual in Y.

    min_G max_{D_Y}  L_GAN(G, D_Y) + λ L_distance(G)
    L_distance(G) = E |(d(x, x') - μ_X) / σ_X - (d(G(x), G(x')) - μ_Y) / σ_Y|,  d(u, v) = mean |u - v|

    Terms:
        G/gan_g: D_Y should take G(x) for real
        G/distance_x: how far G changes the distances between two x, or between the halves of each x
        G/gan_f: D_X should take F(y) for real (two-sided)
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
        Two-sided unless `method.two_sided` is off, as in the authors' code.
        μ and σ are those of pairs of images, as in the paper; the authors' code for 256 px and for digits compares
        whole batches, so that its σ is too small and its loss too large.
        Each file is measured once, as cropped for its first step; with several processes each measures its share.
        Self-distance takes each image by itself; the authors' code averages the batch before it compares.
        Networks of CycleGAN's later code: reflect padding, norms without scale and shift, discriminators padded
        by 1; the authors' pad with zeros, learn scales and shifts, and pad by 2.
        Each image is mirrored or not by itself; the authors' code mirrors all images of a step or none.
        The identity terms are an addition.
        The loss on CycleGAN's networks only; the paper also has it on those of DiscoGAN, and for digits on small ones.
        The length is fixed in steps: 200 epochs of horse2zebra's 1,334 images.
        Images that are not square are resized by their short side, and averaged weights translate (`train.ema` 0 for
        the trained ones); the authors' code squeezes images to a square, and averages nothing.
    """

    options = Config
    cfg: Config
    paper = Paper("One-Sided Unsupervised Domain Mapping", "Benaim, Wolf", 2017, "https://arxiv.org/abs/1706.00826")
    data = Unpaired
    holds_input = {"distance_x": "all", "distance_y": "all", "cycle": "all", "identity": "colours"}
    presets = {
        "paper": Preset(about="256 px as in the authors' code", train={"steps": 133_400, "batch": 2}),
        "self-distance": Preset(
            about="as paper, of image halves", method={"between": "top-bottom"}, train={"steps": 133_400, "batch": 2}
        ),
        "small": Preset(
            about="one-sided, 64 px on a CPU: 25 minutes on one core with bf16",
            method={**SMALL, "antialias": True, "two_sided": False},  # two generators would take twice as long
            data={"size": 64, "zoom": 1.03},
            # After a quarter of these steps cats have got noses and spots, but there are no dogs.
            train={"steps": 8000, "batch": 2, "ema": 5000, "save_every": 1000, "preview_every": 1000},
        ),
        "tiny": Preset(
            about="32 px, with all terms, for tests: seconds",
            method={"width": 4, "blocks": 1, "identity": 5.0, "cycle": 10.0},
            data={"size": 32},
            train={"steps": 20, "batch": 2, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    one_number_of_channels = ""

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        compares_domains(cfg, "identity", cfg.identity, "G(y) with y")
        self.G = normal(resnet_generator(cfg))
        self.D_Y = normal(patch_discriminator(cfg))
        self.pool_y = ImagePool(cfg.pool)
        if cfg.two_sided or cfg.cycle:
            self.F = normal(resnet_generator(cfg, "a"))
        if cfg.two_sided:
            self.D_X = normal(patch_discriminator(cfg, "a"))
            self.pool_x = ImagePool(cfg.pool)
        self.units_x = StandardScaler()
        self.units_y = StandardScaler()
        self.targets = ("a", "b") if cfg.two_sided else ("b",)
        self.translators = ("G", "F") if cfg.two_sided else ("G",)
        self.size_divisor = self.G.size_divisor
        self.keeps_distances = bool(cfg.distance_x or (cfg.two_sided and cfg.distance_y))

    def check(self, config: RunConfig) -> str:
        """Refuse a single image where two are compared."""
        w, batch, two_each = self.cfg, config.train.batch, 2 * config.train.parts
        if batch < two_each and self.keeps_distances and w.between == "images":
            enough, halves = setting("train.batch", two_each), setting("method.between", "top-bottom")
            raise UserError(
                f"{setting('train.batch', batch)}: the images of a batch are compared; take {enough} or more, or "
                f"compare the halves of each image: {halves}"
            )
        note = f"before the first step, distances are measured on up to {w.max_items} images per domain"
        return note if self.keeps_distances and w.normalise else ""

    @torch.no_grad()
    def prepare(self, phase: str, batches: Iterable[Unpaired]) -> None:
        """Measure μ and σ of both domains, each file once, however the loader batches them."""
        w = self.cfg
        if not (self.keeps_distances and w.normalise):
            return
        x, y = ImageSample(w.max_items), ImageSample(w.max_items)
        for batch in batches:
            n = len(batch.a)
            x.add(batch.a, batch.names[:n])
            y.add(batch.b, batch.names[n:])
            if x.done and y.done:
                break
        for domain, sample, units in (("a", x, self.units_x), ("b", y, self.units_y)):
            units.fit(all_distances(sample.levels(), w.between))
            if not units.deviation > 0:
                equal = f"all distances among the {len(sample)} training images of domain {domain} are equal"
                raise UserError(f"{equal}: add images or take {setting('method.normalise', False)}")

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move the generators, then the discriminators, which see the fakes made before."""
        w, x, y = self.cfg, batch.a, batch.b
        loss, fake_x, fake_y = self.generator_loss(x, y)
        yield Objective("G", over=(self.G, self.F) if w.two_sided or w.cycle else (self.G,), loss=loss)
        loss = self.discriminator_loss(x, y, fake_x, fake_y)
        yield Objective("D", over=(self.D_Y, self.D_X) if w.two_sided else (self.D_Y,), loss=loss)

    def generator_loss(self, x: Tensor, y: Tensor) -> tuple[Loss, Tensor, Tensor]:
        """Translate images x and y, and return the loss of the generators, F(y), which is empty without F, and G(x)."""
        w, n = self.cfg, len(x)
        extra = n if w.identity else 0
        fake_y, same_y = self.G(torch.cat([x, y]) if extra else x).split([n, extra])
        loss = term("gan_g", gan.generator(self.D_Y(fake_y)))
        kept = Loss()
        if w.identity:
            kept += w.identity * term("identity_y", l1(same_y, y))
        if w.distance_x:
            kept += w.distance_x * term("distance_x", self.distance_x(x, fake_y))
        if not (w.two_sided or w.cycle):
            return loss + kept, y[:0], fake_y

        cycle, extra = n if w.cycle else 0, n if w.identity and w.two_sided else 0
        given = torch.cat([y, fake_y[:cycle], *([x] if extra else [])])
        fake_x, back_x, same_x = self.F(given).split([n, cycle, extra])
        if w.two_sided:
            loss += term("gan_f", gan.generator(self.D_X(fake_x)))
            if w.identity:
                kept += w.identity * term("identity_x", l1(same_x, x))
            if w.distance_y:
                kept += w.distance_y * term("distance_y", self.distance_y(y, fake_x))
        if w.cycle:
            kept += w.cycle * term("cycle_x", l1(back_x, x))
            kept += w.cycle * term("cycle_y", l1(self.G(fake_x), y))
        return loss + kept, fake_x, fake_y

    def discriminator_loss(self, x: Tensor, y: Tensor, fake_x: Tensor, fake_y: Tensor) -> Loss:
        """Return the loss of the discriminators on real images and on fakes of now or earlier."""
        on_real, on_fake = self.D_Y(torch.cat([y, self.pool_y(fake_y)])).chunk(2)
        loss = 0.5 * term("y_real", gan.real(on_real)) + 0.5 * term("y_fake", gan.fake(on_fake))
        if self.cfg.two_sided:
            on_real, on_fake = self.D_X(torch.cat([x, self.pool_x(fake_x)])).chunk(2)
            loss += 0.5 * term("x_real", gan.real(on_real)) + 0.5 * term("x_fake", gan.fake(on_fake))
        return loss

    def distance_x(self, x: Tensor, fake_y: Tensor) -> Tensor:
        """Return how far G changes the distances between two x, or between the halves of each x."""
        before, after = distances(x, self.cfg.between), distances(fake_y, self.cfg.between)
        return l1(self.units_x(before), self.units_y(after)) if self.cfg.normalise else l1(before, after)

    def distance_y(self, y: Tensor, fake_x: Tensor) -> Tensor:
        """Return how far F changes the distances between two y, or between the halves of each y."""
        before, after = distances(y, self.cfg.between), distances(fake_x, self.cfg.between)
        return l1(self.units_y(before), self.units_x(after)) if self.cfg.normalise else l1(before, after)

    def translate(self, x: Tensor, *, to: Domain = "b") -> Tensor:
        """Translate with G towards b, with F towards a (two-sided only)."""
        if to not in self.targets:
            one_sided = setting("method.two_sided", False)
            raise UserError(f"{setting('to', to)}: this model was trained one-sided ({one_sided})")
        out: Tensor = self.G(x) if to == "b" else self.F(x)
        return out
