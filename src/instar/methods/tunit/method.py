"""TUNIT: Rethinking the Truly Unsupervised Image-to-Image Translation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, final

import torch
from torch import Generator as Chance
from torch import Tensor
from torch.nn.functional import l1_loss as l1

from instar.core.batch import Domain, Unlabelled
from instar.core.config import MethodConfig, Optim, Preset, RunConfig
from instar.core.errors import UserError, setting
from instar.core.method import Method, Objectives, Paper, same_side, two_each
from instar.core.objective import Loss, Objective, term
from instar.core.progress import Progress
from instar.core.settings import Bounds, Fraction, NonNegativeFloat, NonNegativeInt, PositiveInt, Width
from instar.losses.contrastive import MOMENTUM, info_nce
from instar.losses.gan import hinge, r1
from instar.methods.tunit.clustering import cluster_sizes, clusters_in_use, iic, label_cross_entropy, probabilities
from instar.methods.tunit.head_restarts import restart_head
from instar.methods.tunit.labels import visible_labels
from instar.methods.tunit.networks import Discriminator, Generator, GuidingNetwork, linear
from instar.methods.tunit.views import random_view
from instar.modules.ema import Average
from instar.modules.style_memory import StyleMemory
from instar.modules.vector_queue import VectorQueue


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    """Options of TUNIT."""

    removed: ClassVar[Mapping[str, tuple[object, ...]]] = {
        "gan_recon": (True,),
        "normalize": (False,),
        "tau": (0.07,),
    }

    optim: Optim = field(default_factory=lambda: Optim(lr=1e-4, betas=(0.0, 0.99), hold=1.0, weight_decay=1e-4))
    """Of the generator and the discriminator: without the first average Adam is RMSprop."""
    optim_c: Optim = field(default_factory=lambda: Optim(lr=1e-4, betas=(0.9, 0.999), hold=1.0, weight_decay=1e-3))
    """Adam of the guiding network."""
    mode: Literal["joint", "separate", "semi", "sup"] = "joint"
    """joint: all networks learn together once clusters are found. separate: the guiding network then rests (ablation).
    semi: it also learns from labels (`data.labelled`). sup: domains are the folders' classes."""
    domains: Annotated[int, Bounds(2)] = 10
    """K, pseudo domains to look for; for semi and sup the number of classes."""
    cluster: Fraction = 0.325
    """Share of the run for the guiding network alone: 65,000 of 200,000 steps; 0.175 for semi. sup has none."""
    mi: NonNegativeFloat = 5.0
    """λ_MI, weight of the mutual information of the domains of two views."""
    contrast: NonNegativeFloat = 1.0
    """Weight of the contrast between the style of a view and those of other images."""
    guide: Annotated[float, Bounds(1e-3)] = 0.1
    """Factor of the guiding network's own loss once the generator learns."""
    recon: NonNegativeFloat = 0.1
    """λ_rec, weight of the images' reconstruction from their own content and style."""
    style: NonNegativeFloat = 0.01
    """λ_style, weight of the contrast between the style found in a translation and those of other images."""
    r1: NonNegativeFloat = 10.0
    """Weight of the discriminator's squared gradient at real images, without a factor of one half."""
    colour: NonNegativeFloat = 1.0
    """Strength of the changes of colour in the second views; 0 where domains differ in colours alone."""
    area: Annotated[tuple[float, float], Bounds(0.01)] = (0.9, 1.1)
    """Least and largest part of an image's area that a view shows."""
    both: bool = False
    """C learns from two views of each image, instead of the image and a view."""
    restarts: NonNegativeInt = 0
    """Heads H tried in the middle of C's phase alone, on its features; that with most mutual information goes on."""
    std: NonNegativeFloat = 0.01
    """Of the weights of H at the start. 0.5 for short trainings: more domains are in use from the first step."""
    queue: PositiveInt = 1024
    """Styles of earlier views that each contrast has as negatives."""
    side: int = 128
    """Side of the images, on which the networks depend: 32, 64, 128, 256, ..."""
    width: Width = 64
    """Channels after the first convolution of the generator and the discriminator; 32 at 256 px."""
    guide_width: Width = 64
    """Channels after the first convolution of the guiding network."""
    style_dim: Width = 128
    """Numbers in a style."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 32 <= self.side <= 16_384 or self.side & (self.side - 1):
            raise UserError(f"{setting('method.side')} must be a power of 2 from 32 to 16384, not {self.side}")
        if not self.mi and not self.contrast:
            off = f"{setting('method.mi', 0)} and {setting('method.contrast', 0)}"
            raise UserError(f"{off} leave the guiding network untrained")
        if self.restarts and self.mode in ("semi", "sup"):
            raise UserError(f"{setting('method.restarts')}: in mode {self.mode} domains are classes; leave it 0")


@final
class TUNIT(Method[Unlabelled]):
    """One folder without labels: C finds domains and styles in it, G draws any image in the style of any other.

    min_D  -L_adv,   min_G  L_adv + λ_rec L_rec + λ_style L_style^G,   min_C  L_G - λ_MI L_MI + L_style^C

    x' is another view of x; y the likeliest domain of x by C and the layer H on it, s its style by C, k the style of x'
    by C_ema, a moving average of C; x~, y~, s~ are those of other images of the batch.

    Terms:
        C/contrast: s should pick its k out of the queue of earlier k
        C/mi: minus the mutual information of the domains of x and x', at least -ln K
        C/label: cross entropy of the domains of x (semi: and of x') by H where a class is known (semi, sup)
        C/used: domains over which the batch is spread, 1 to K (weight 0: it is only logged)
        D/real: head y of D on x, hinge loss
        D/fake: head y~ of D on translations G(x, s~)
        D/r1: squared gradient of D at x
        G/gan: head y~ of D should take translations for real
        G/gan_recon: head y of D should take reconstructions for real
        G/recon: mean |G(x, s) - x|
        G/style: the style of a translation by C should pick that of x~ by C_ema out of the queue

    Differs from the paper:
        Where paper and code disagree this is the code: hinge loss instead of log loss, D sees reconstructions too.
        The queue lasts through the run (by a slip the code starts each epoch with the same batch), and C_ema keeps its
        own statistics of the norms, of real images only; the code copies C's, in which fakes are.
        Adam without its first average instead of RMSprop: shorter first steps. Weight decay pulls kernels only.
        A view is one affine map, black outside; its colours change in a fixed order. Images are cropped, not squeezed.
        No code of separate was released: C rests in eval mode, the queue takes the styles of x. `restarts` is ours.
        In semi all batches are mixed, and L_MI weighs a tenth from the start; the code takes turns between batches with
        labels and others. In sup, H learns the classes without moving C, to name the domain of an image later.
        Images are resized bicubically, in the authors' code bilinearly.
    """

    options = Config
    cfg: Config
    paper = Paper(
        "Rethinking the Truly Unsupervised Image-to-Image Translation",
        "Baek, Choi, Uh, Yoo, Shim",
        2021,
        "https://arxiv.org/abs/2006.06500",
    )
    data = Unlabelled
    normal_styles = False
    targets = ("b",)
    translators = ("G",)
    presets = {
        "paper": Preset(
            about="128 px, ten domains, as the paper trains on animal faces; days on a GPU",
            data={"size": 128, "zoom": 1.0},
            train={"steps": 200_000, "batch": 32, "ema": 22_000},
        ),
        "digits": Preset(
            about="32 px, gray: clusters of digits, no generator; on a CPU",
            method={
                "channels": 1,
                "side": 32,
                "width": 4,
                "guide_width": 16,
                "cluster": 1,
                "restarts": 48,
                # Views that zoom and brighten, or domains are how bold strokes are.
                "both": True,
                "area": (0.4, 1.0),
                "colour": 1.5,
                "optim_c": {"lr": 1e-3},
            },
            data={"size": 32, "zoom": 1.0, "flip": False},
            train={"steps": 1800, "batch": 256, "ema": 0, "save_every": 600, "preview_every": 1800},
        ),
        "small": Preset(
            about="64 px on a CPU: an hour on one core with bf16",
            method={
                "side": 64,
                "width": 16,  # a quarter of the paper's, for an hour on one core
                "guide_width": 16,
                "cluster": 0.5,
                "std": 0.5,  # or most domains stay empty
                "r1": 0.2,  # 10 silences D for the first thousand steps
                "recon": 2.0,  # poses are kept from the start
                "optim": {"lr": 4e-4},  # a run of thousands of steps
                "optim_c": {"lr": 5e-4},
            },
            data={"size": 64, "zoom": 1.0},
            train={"steps": 3000, "batch": 16, "ema": 5000, "save_every": 300, "preview_every": 300},
        ),
        "tiny": Preset(
            about="32 px, for tests: seconds",
            method={"side": 32, "width": 4, "guide_width": 4, "style_dim": 8, "domains": 3, "queue": 8},
            data={"size": 32, "zoom": 1.0},
            train={"steps": 20, "batch": 4, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    variants = {"semi": {"mode": "semi"}}

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        self.C = GuidingNetwork(cfg.channels, cfg.guide_width, cfg.style_dim)
        self.H = linear(self.C.features, cfg.domains, cfg.std)  # apart: the generator's objective moves C alone
        self.C_ema = Average(self.C)
        self.H_ema = Average(self.H)
        self.G = Generator(cfg.channels, cfg.width, cfg.side, style=cfg.style_dim)
        self.D = Discriminator(cfg.channels, cfg.width, cfg.side, cfg.domains)
        self.queue = VectorQueue(cfg.queue, cfg.style_dim)
        self.gallery = StyleMemory(2048, cfg.style_dim, cfg.domains)  # so called in checkpoints
        self.size_divisor = self.G.size_divisor
        self.stochastic = True

    def check(self, config: RunConfig) -> str:
        """Refuse other sizes than the networks', and batches without statistics."""
        same_side(config, self.cfg.side)
        two_each(config, "batch norm and other images' styles need")
        return ""

    def untrained(self) -> tuple[str, ...]:
        """Return the guiding network, where it rests from the start."""
        return ("C", "H") if self.cfg.mode == "separate" and not self.cfg.cluster else ()

    def phase(self, at: Progress) -> str:
        """Learn from labels alone (semi), find clusters, find a better H (restarts), translate."""
        w = self.cfg
        clustering = 0 if w.mode == "sup" else round(w.cluster * at.steps)
        if w.mode == "semi" and at.step < round(clustering * 20 / 35):  # thousands, in the authors' code
            return "label"
        if at.step >= clustering:
            return "translate"
        return "settle" if w.restarts and at.step >= clustering / 2 else "cluster"

    def prepare(self, phase: str, batches: Iterable[Unlabelled]) -> None:
        """Put a first batch into the queue; find a better H; let C_ema be C where that stays as it is."""
        if not len(self.queue):
            self.queue.push(self.C_ema.net(self.random_view(next(iter(batches)).b)))
        if phase == "settle":
            self.C.eval()
            views = (self.random_view(torch.cat([batch.a, batch.b])) for batch in batches)
            restart_head(self.H, (self.C.encode(view)[0] for view in views), self.cfg.restarts, iic)
            self.H_ema.update(self.H, 0.0)  # not C_ema: keys that jump make the contrast explode
        if phase == "translate" and self.cfg.mode == "separate":
            self.C_ema.update(self.C, 0.0)
            self.H_ema.update(self.H, 0.0)

    def optim(self, network: str) -> Optim:
        """Return the settings of the guiding network, or of the others."""
        return self.cfg.optim_c if network in ("C", "H") else self.cfg.optim

    def objectives(self, batch: Unlabelled, at: Progress) -> Objectives:
        """Move C with H on its own loss, counting the images of each domain; once they are found D, and G with C."""
        w, x, phase = self.cfg, batch.a, self.phase(at)
        resting = w.mode == "separate" and phase == "translate"
        labels = visible_labels(batch, w.mode, w.domains)
        self.C.train(not resting)
        if resting:
            yield from self.translation(x, labels, resting=True)
            return
        view = self.random_view(batch.b)
        key = self.C_ema.net(view)
        loss, sizes = self.guiding_loss(self.random_view(x) if w.both else x, view, key, labels, phase)
        yield Objective("C", over=(self.C, self.H), loss=loss, counts={"domains": sizes})
        if phase == "translate":
            yield from self.translation(x, labels, resting=False)
        self.queue.push(key)
        self.C_ema.update(self.C, MOMENTUM, buffers=False)
        self.H_ema.update(self.H, MOMENTUM)

    def translation(self, x: Tensor, labels: Tensor, *, resting: bool) -> Objectives:
        """Move D, then G and C (unless it rests), on images and the styles of others of the batch."""
        with torch.set_grad_enabled(not resting):
            features, style = self.C.encode(x)
        domain = torch.where(labels < 0, self.H(features.detach()).argmax(1), labels)
        key = style.detach() if resting else self.C_ema.net(x)
        other = torch.randperm(len(x), device=x.device)
        content = self.G.content(x)
        out = self.G.decode(torch.cat([content, content]), torch.cat([style[other], style]))
        fake, same = out.chunk(2)
        sizes = {"domains": cluster_sizes(domain, self.cfg.domains)} if resting else {}
        loss = self.discriminator_loss(x, domain, fake.detach(), domain[other])
        yield Objective("D", over=(self.D,), loss=loss, counts=sizes)

        on_fake, on_same = self.D(out, torch.cat([domain[other], domain])).chunk(2)
        loss = self.generator_loss(x, same, fake, key[other], on_fake, on_same)
        yield Objective("G", over=(self.G,) if resting else (self.G, self.C), loss=loss)
        if resting:
            self.queue.push(key)
        self.gallery.push(key, domain)

    def guiding_loss(self, x: Tensor, view: Tensor, key: Tensor, labels: Tensor, phase: str) -> tuple[Loss, Tensor]:
        """Return the loss of C and H, and the sizes (K,) of the domains.

        Args:
            x: images (N, C, side, side).
            view: other views of them.
            key: the styles (N, style_dim) of the views by C_ema.
            labels: (N,), -1 where the class is not known.
            phase: that of the step.
        """
        w = self.cfg
        features, style = self.C.encode(x)
        contrast = info_nce(style, key, self.queue.vectors())
        if w.mode == "sup":
            logits = self.H(features.detach())
            loss = w.guide * w.contrast * term("contrast", contrast)
            loss += term("label", label_cross_entropy(logits, labels))
            return loss, cluster_sizes(logits.argmax(1), w.domains)
        logits, of_view = self.H(features), self.H(self.C.encode(view)[0])
        whole = w.guide if phase == "translate" else 1.0
        loss = whole * w.contrast * term("contrast", contrast)
        if w.mode == "semi":
            label = label_cross_entropy(logits, labels) + label_cross_entropy(of_view, labels)
            loss += whole * w.mi * term("label", label)
        if phase != "label":
            share = w.guide if w.mode == "semi" and phase == "cluster" else 1.0
            loss += whole * w.mi * share * term("mi", iic(probabilities(logits), probabilities(of_view)))
        loss += 0.0 * term("used", clusters_in_use(probabilities(logits.detach())))
        return loss, cluster_sizes(logits.argmax(1), w.domains)

    def discriminator_loss(self, x: Tensor, domain: Tensor, fake: Tensor, fake_domain: Tensor) -> Loss:
        """Return the loss of D on images of domains (N,), and on fakes of theirs."""
        w = self.cfg
        real = x.detach().requires_grad_()
        on_real, on_fake = self.D(real, domain), self.D(fake, fake_domain)
        loss = term("real", hinge.real(on_real)) + term("fake", hinge.fake(on_fake))
        if w.r1:
            loss += w.r1 * term("r1", r1(on_real, real))
        return loss

    def generator_loss(
        self, x: Tensor, same: Tensor, fake: Tensor, key: Tensor, on_fake: Tensor, on_same: Tensor
    ) -> Loss:
        """Return the loss of G, and of C with it.

        Args:
            x: images (N, C, side, side).
            same: their reconstructions.
            fake: their translations.
            key: the styles (N, style_dim) by C_ema in which they were drawn.
            on_fake: D's outputs (N,) for the translations.
            on_same: those for the reconstructions.
        """
        w = self.cfg
        return (
            term("gan", hinge.generator(on_fake))
            + term("gan_recon", hinge.generator(on_same))
            + w.recon * term("recon", l1(same, x))
            + w.style * term("style", info_nce(self.C(fake), key, self.queue.vectors()))
        )

    def random_view(self, images: Tensor) -> Tensor:
        """Return a random view of each image."""
        return random_view(images, self.cfg.colour, self.cfg.area)

    def sample_style(self, n: int, generator: Chance | None = None, *, to: Domain = "b") -> Tensor:
        """Draw the styles (n, style_dim) of n of the last training images; normal numbers before there are any."""
        return self.gallery.sample(n, generator)

    def encode_style(self, reference: Tensor, *, domain: Domain) -> Tensor:
        """Read the styles (N, style_dim) of any images (N, C, H, W)."""
        return self.C_ema.net.encode(reference)[1]

    def cluster(self, x: Tensor) -> Tensor:
        """Return the probabilities (N, domains) of the pseudo domains of images (N, C, H, W)."""
        return probabilities(self.H_ema.net(self.C_ema.net.encode(x)[0]))

    def cluster_styles(self) -> Tensor:
        """Return the mean style (domains, style_dim) of the last images of each domain; not finite without any."""
        return self.gallery.means()

    def translate(
        self, x: Tensor, *, to: Domain = "b", style: Tensor | None = None, generator: Chance | None = None
    ) -> Tensor:
        """Draw what x shows in styles (N, style_dim); without one, in that of one training image for all of x."""
        style = self.sample_style(1, generator).expand(len(x), -1) if style is None else style
        return self.G.decode(self.G.content(x), style)
