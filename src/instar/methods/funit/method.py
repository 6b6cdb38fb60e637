"""FUNIT: Few-Shot Unsupervised Image-to-Image Translation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import torch
from torch import Generator as Chance
from torch import Tensor
from torch.nn.functional import l1_loss as l1

from instar.core.batch import Domain, ManyDomains
from instar.core.config import ManyDomainsConfig, Optim, Preset
from instar.core.method import Method, Objectives, Paper
from instar.core.objective import Loss, Objective, term
from instar.core.precision import full_precision
from instar.core.progress import Progress
from instar.core.settings import Depth, NonNegativeFloat, PositiveInt, Width
from instar.losses.gan import hinge as gan
from instar.losses.gan import r1
from instar.methods.funit.networks import Discriminator, Generator
from instar.modules.style_memory import StyleMemory


@dataclass(frozen=True, kw_only=True)
class Config(ManyDomainsConfig):
    """Options of FUNIT."""

    optim: Optim = field(default_factory=lambda: Optim(lr=1e-4, betas=(0.0, 0.99), hold=1.0, weight_decay=1e-4))
    """Adam at a constant rate, without a mean of gradients: the authors' RMSprop."""
    recon: NonNegativeFloat = 0.1
    """λ_R, weight of an image drawn again by its own class code; 0.2 against collapse."""
    features: NonNegativeFloat = 1.0
    """λ_F, weight of the distances between the discriminator's mean features."""
    r1: NonNegativeFloat = 10.0
    """Weight of the discriminator's squared gradient at real images."""
    width: Width = 64
    """Channels after the first convolution of all networks."""
    downs: Depth = 3
    """Halvings of the sides down to the content."""
    style_dim: Width = 64
    """Numbers in a class code."""
    mlp: Width = 256
    """Width of the perceptron from a class code to the decoder."""
    memory: PositiveInt = 1000
    """Class codes of the last training images from which one is drawn where no image is given."""


@final
class FUNIT(Method[ManyDomains]):
    """A generator for any class: it draws what one image shows as one of the class of another image, seen or unseen.

    min_G max_D  L_GAN(D, G) + λ_R L_R(G) + λ_F L_F(G)     (eq. 3)

    x is an image of class y, x_ref one of class y_ref. E reads a class code off an image; of several images it is the
    mean. Classes are many in training, so that E learns what classes are, not which ones there are.

    Terms:
        D/real: map y_ref of D on x_ref
        D/fake: map y_ref of D on G(x, E(x_ref))
        D/r1: squared gradient of D at x_ref
        G/gan: map y_ref of D should take the translation for real
        G/gan_recon: map y of D should take G(x, E(x)) for real
        G/recon: mean |G(x, E(x)) - x| (eq. 5)
        G/features: mean difference of D's mean features of the translation and of x_ref (eq. 6)
        G/features_recon: the same of G(x, E(x)) and of x

    Differs from the paper:
        Losses and weights are those of the authors' code: half of each adversarial term, features of reconstructions
        too.
        The penalty is that of each image's mean output; the authors' code takes the mean over the images of a GPU
        before it squares, with 8 of them a 64th as much.
        Adam without a mean of gradients in place of RMSprop, which differ in the first steps alone; weight decay
        leaves biases alone.
        Domains of a batch are as balanced as their number allows; the authors draw images from a list.
        Averages have the half-life of the authors' decay of 0.999, ramped up.
    """

    options = Config
    cfg: Config
    paper = Paper(
        "Few-Shot Unsupervised Image-to-Image Translation",
        "Liu, Huang, Mallya, Karras, Aila, Lehtinen, Kautz",
        2019,
        "https://arxiv.org/abs/1905.01723",
    )
    data = ManyDomains
    normal_styles = False
    holds_input = {"recon": "all"}
    translators = ("G",)
    also_used = ("codes",)
    one_number_of_channels = "its generator draws images of all domains"
    exempt = {"directions_differ": "before the first step no domain has a class code, and all are drawn alike"}
    presets = {
        "paper": Preset(
            about="128 px, as the paper trains on 119 animals: eight GPUs",
            data={"size": 128, "zoom": 140 / 128},
            train={"steps": 100_000, "batch": 64, "ema": 44_338},
        ),
        "small": Preset(
            about="64 px on a CPU: half an hour on one core with bf16",
            method={
                "width": 16,
                "downs": 2,
                "style_dim": 16,
                "mlp": 64,
                "recon": 1.0,  # at the paper's weight little of the input is kept in a short run
                "optim": {"lr": 5e-4},  # a run of thousands of steps
            },
            data={"size": 64},
            train={"steps": 2000, "batch": 8, "ema": 2000, "save_every": 200, "preview_every": 200},
        ),
        "tiny": Preset(
            about="32 px, for tests: seconds",
            method={"width": 2, "downs": 2, "style_dim": 8, "mlp": 8, "memory": 10},
            data={"size": 32},
            train={"steps": 20, "batch": 2, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        self.targets = tuple(self.kind_of(cfg).parts)
        self.G = Generator(cfg.channels, cfg.width, downs=cfg.downs, style=cfg.style_dim, mlp=cfg.mlp)
        self.D = Discriminator(cfg.channels, cfg.width, len(self.targets))
        self.codes = StyleMemory(cfg.memory, cfg.style_dim, len(self.targets))
        self.size_divisor = self.G.size_divisor
        self.stochastic = True

    def objectives(self, batch: ManyDomains, at: Progress) -> Objectives:
        """Move D, then G, on translations into the classes of the references and on reconstructions."""
        x, y, ref, to = batch.x, batch.y, batch.x_ref, batch.y_ref
        content, code = self.G.content(x), self.G.style(torch.cat([ref, x]))
        fake, same = self.G.decode(torch.cat([content, content]), code).chunk(2)
        yield Objective("D", over=(self.D,), loss=self.discriminator_loss(ref, fake.detach(), to))
        yield Objective("G", over=(self.G,), loss=self.generator_loss(x, y, ref, to, fake, same))
        self.codes.push(code.detach()[: len(x)], to)

    def discriminator_loss(self, ref: Tensor, fake: Tensor, to: Tensor) -> Loss:
        """Return the loss of D on references and on fakes, (N, C, H, W) both, of domains `to` (N,)."""
        w = self.cfg
        real = ref.detach().requires_grad_()
        on_real, on_fake = self.D(real, to)[0], self.D(fake, to)[0]
        loss = term("real", gan.real(on_real)) + term("fake", gan.fake(on_fake))
        if w.r1:
            loss += w.r1 * term("r1", r1(full_precision(on_real).mean((1, 2)), real))
        return loss

    def generator_loss(self, x: Tensor, y: Tensor, ref: Tensor, to: Tensor, fake: Tensor, same: Tensor) -> Loss:
        """Return the loss of G.

        Args:
            x: images (N, C, H, W) of domains y (N,).
            y: these domains.
            ref: references (N, C, H, W) of domains `to` (N,).
            to: these domains.
            fake: translations of x.
            same: reconstructions of x.
        """
        w = self.cfg
        (on_fake, of_fake), (on_same, of_same) = self.D(fake, to), self.D(same, y)
        loss = (
            0.5 * term("gan", gan.generator(on_fake))
            + 0.5 * term("gan_recon", gan.generator(on_same))
            + w.recon * term("recon", l1(same, x))
        )
        if w.features:
            with torch.no_grad():
                of_ref, of_x = self.D(ref, to)[1], self.D(x, y)[1]
            loss += w.features * term("features", l1(full_precision(of_fake), full_precision(of_ref)))
            loss += w.features * term("features_recon", l1(full_precision(of_same), full_precision(of_x)))
        return loss

    def sample_style(self, n: int, generator: Chance | None = None, *, to: Domain = "b") -> Tensor:
        """Draw the class codes (n, style_dim) of n of the last training images of a domain; normal numbers if none."""
        return self.codes.sample(n, generator, self.targets.index(to))

    def encode_style(self, reference: Tensor, *, domain: Domain) -> Tensor:
        """Read the class codes (N, style_dim) of images (N, C, H, W) of any class, seen in training or not."""
        codes: Tensor = self.G.style(reference)
        return full_precision(codes)

    def translate(
        self, x: Tensor, *, to: Domain = "b", style: Tensor | None = None, generator: Chance | None = None
    ) -> Tensor:
        """Draw x, of any class, by class codes (N, style_dim); without one, by one of `to` for all of x."""
        style = self.sample_style(1, generator, to=to).expand(len(x), -1) if style is None else style
        out: Tensor = self.G(x, style)
        return out
