"""StarGAN v2: Diverse Image Synthesis for Multiple Domains."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import torch
from torch import Generator as Chance
from torch import Tensor
from torch.nn.functional import interpolate
from torch.nn.functional import l1_loss as l1

from instar.core.batch import Domain, ManyDomains
from instar.core.config import ManyDomainsConfig, Optim, Preset, RunConfig
from instar.core.device import moved
from instar.core.errors import UserError, setting
from instar.core.method import Method, Objectives, Paper, same_side
from instar.core.objective import Loss, Objective, term
from instar.core.progress import Progress
from instar.core.settings import NonNegativeFloat, Width
from instar.losses.gan import r1
from instar.losses.gan import vanilla as gan
from instar.methods.starganv2.networks import Discriminator, Generator, MappingNetwork, StyleEncoder


@dataclass(frozen=True, kw_only=True)
class Config(ManyDomainsConfig):
    """Options of StarGAN v2."""

    optim: Optim = field(default_factory=lambda: Optim(lr=1e-4, betas=(0.0, 0.99), hold=1.0, weight_decay=1e-4))
    """Adam of the generator, the style encoder and the discriminator, at a constant rate."""
    optim_f: Optim = field(default_factory=lambda: Optim(lr=1e-6, betas=(0.0, 0.99), hold=1.0, weight_decay=1e-4))
    """Adam of the mapping network, a hundredth as fast."""
    style: NonNegativeFloat = 1.0
    """λ_sty, weight of the style found again in a translation."""
    diversity: NonNegativeFloat = 1.0
    """λ_ds, weight of the distance between translations of an image in two styles, which the generator makes large; it
    goes to 0 over the run. 2 for AFHQ."""
    cycle: NonNegativeFloat = 1.0
    """λ_cyc, weight of the image drawn again from its translation, in its own style."""
    r1: NonNegativeFloat = 1.0
    """γ, weight of half the discriminator's squared gradient at real images."""
    side: int = 256
    """Side of the images, on which the networks depend: 32, 64, 128, 256, ..."""
    width: Width = 64
    """Channels after the first convolution of the generator, the style encoder and the discriminator."""
    widest: Width = 512
    """Most channels of these."""
    latent_dim: Width = 16
    """Numbers of noise that make a style."""
    style_dim: Width = 64
    """Numbers in a style."""
    hidden: Width = 512
    """Width of the mapping network's layers."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 32 <= self.side <= 16_384 or self.side & (self.side - 1):
            raise UserError(f"{setting('method.side')} must be a power of 2 from 32 to 16384, not {self.side}")
        if not self.style and not self.cycle:
            off = f"{setting('method.style', 0)} and {setting('method.cycle', 0)}"
            raise UserError(f"{off} leave the style encoder untrained")


@final
class StarGANv2(Method[ManyDomains]):
    """One generator for any number of domains: it draws an image in a style of another domain, made of noise or read.

    min_{G,F,E} max_D  L_adv + λ_sty L_sty - λ_ds L_ds + λ_cyc L_cyc     (eq. 5)

    y is the domain of x, y~ another one or the same. F makes a style of y~ out of noise z, E reads it off a reference.
    A step goes round four times: D with styles of F, D with styles of E, G with F and E with styles of F, G alone with
    styles of E.

    Terms:
        D/real: head y of D on x, cross entropy
        D/fake: head y~ of D on translations G(x, F(z, y~)) (eq. 1)
        D/r1: squared gradient of D at x
        D_ref/real: head y of D on x, after D has moved
        D_ref/fake: head y~ of D on translations G(x, E(x_ref, y~))
        D_ref/r1: squared gradient of D at x, after D has moved
        G/gan: head y~ of D should take the translation in a style of F for real
        G/style: mean |E(G(x, s), y~) - s|, the style s found again (eq. 2)
        G/diversity: mean |G(x, s) - G(x, s')| for two styles, made large (eq. 3)
        G/cycle: mean |G(G(x, s), E(x, y)) - x| (eq. 4)
        G_ref/gan: the same four with styles that E reads off references, after G, F and E have moved
        G_ref/style: mean |E(G(x, s), y~) - s|
        G_ref/diversity: mean |G(x, s) - G(x, s')| for two references of a domain
        G_ref/cycle: mean |G(G(x, s), E(x, y)) - x|

    Differs from the paper:
        Where paper and code disagree this is the code: G gets no gradient from the second translation of the diversity
        term, E none from references, and Adam has a weight decay of 1e-4; here it pulls kernels and matrices only.
        No high-pass skip, and no heat maps of a network for landmarks of faces, which the authors add for CelebA-HQ.
        Images are resized and cropped, as everywhere here; the authors crop half of them to 80 to 100 % of the area and
        squeeze all of them to squares.
        Domains of a batch are as balanced as their number allows; the authors draw them with equal chance. References
        come in pairs that are drawn anew in each round; the authors pair them once.
        Translations are kept in [-1, 1]. Averages have the half-life of the authors' decay of 0.999, ramped up.
    """

    options = Config
    cfg: Config
    title = "StarGAN v2"
    paper = Paper(
        "StarGAN v2: Diverse Image Synthesis for Multiple Domains",
        "Choi, Uh, Yoo, Ha",
        2020,
        "https://arxiv.org/abs/1912.01865",
    )
    data = ManyDomains
    normal_styles = False
    holds_input = {"cycle": "all"}
    translators = ("G", "F", "E")
    presets = {
        "paper": Preset(
            about="256 px, as the paper trains on AFHQ: three days on a V100",
            method={"diversity": 2.0},
            train={"steps": 100_000, "batch": 8, "ema": 5542},
        ),
        "small": Preset(
            about="64 px on a CPU: twenty minutes on one core with bf16",
            method={
                "side": 64,
                "width": 16,  # a sixteenth of what the authors' rule gives at 64 px, for a core
                "widest": 64,
                "latent_dim": 8,
                "style_dim": 16,
                "hidden": 64,
                "optim": {"lr": 4e-4},  # a run of thousands of steps
                "optim_f": {"lr": 4e-5},
            },
            data={"size": 64},
            train={"steps": 2000, "batch": 6, "ema": 2000, "save_every": 200, "preview_every": 200},
        ),
        "tiny": Preset(
            about="32 px, for tests: seconds",
            method={
                "side": 32,
                "width": 4,
                "widest": 8,
                "latent_dim": 4,
                "style_dim": 8,
                "hidden": 8,
                "optim_f": {"lr": 1e-4},
            },
            data={"size": 32},
            train={"steps": 20, "batch": 3, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        self.targets = tuple(self.kind_of(cfg).parts)
        domains = len(self.targets)
        sizes = (cfg.channels, cfg.width, cfg.side)
        self.G = Generator(*sizes, widest=cfg.widest, style=cfg.style_dim)
        self.F = MappingNetwork(cfg.latent_dim, cfg.style_dim, domains, hidden=cfg.hidden)
        self.E = StyleEncoder(*sizes, widest=cfg.widest, style=cfg.style_dim, domains=domains)
        self.D = Discriminator(*sizes, widest=cfg.widest, domains=domains)
        self.size_divisor = self.G.size_divisor
        self.stochastic = True

    def check(self, config: RunConfig) -> str:
        """Refuse other sizes than the networks'."""
        same_side(config, self.cfg.side)
        return ""

    def optim(self, network: str) -> Optim:
        """Return the settings of the mapping network, or of the others."""
        return self.cfg.optim_f if network == "F" else self.cfg.optim

    def objectives(self, batch: ManyDomains, at: Progress) -> Objectives:
        """Move D, then the others, each with styles made of noise and with styles read off references."""
        x, y, to = batch.x, batch.y, batch.y_ref
        z, z2 = self.noise(len(x)), self.noise(len(x))
        style = self.F(z, to)
        fake = self.G(x, style)
        yield Objective("D", over=(self.D,), loss=self.discriminator_loss(x, y, fake.detach(), to))

        with torch.no_grad():
            by_reference = self.G(x, self.E(batch.x_ref, to))
        yield Objective("D_ref", over=(self.D,), loss=self.discriminator_loss(x, y, by_reference, to))

        loss = self.generator_loss(x, fake, style, self.F(z2, to), self.E(x, y), to, at)
        yield Objective("G", over=(self.G, self.F, self.E), loss=loss)

        with torch.no_grad():
            style, style2, own = self.E(batch.x_ref, to), self.E(batch.x_ref2, to), self.E(x, y)
        loss = self.generator_loss(x, self.G(x, style), style, style2, own, to, at)
        yield Objective("G_ref", over=(self.G,), loss=loss)

    def discriminator_loss(self, x: Tensor, y: Tensor, fake: Tensor, to: Tensor) -> Loss:
        """Return the loss of D on images x of domains y (N,), and on fakes of domains `to` (N,)."""
        w = self.cfg
        real = x.detach().requires_grad_()
        on_real = self.D(real, y)
        loss = term("real", gan.real(on_real)) + term("fake", gan.fake(self.D(fake, to)))
        if w.r1:
            loss += w.r1 / 2 * term("r1", r1(on_real, real))
        return loss

    def generator_loss(
        self, x: Tensor, fake: Tensor, style: Tensor, style2: Tensor, own: Tensor, to: Tensor, at: Progress
    ) -> Loss:
        """Return the loss of G, and of F and E with it where their styles have gradients.

        Args:
            x: images (N, C, side, side).
            fake: their translations into domains `to`.
            style: the styles (N, style_dim) in which these were drawn.
            style2: other styles (N, style_dim) of these domains.
            own: the styles (N, style_dim) of x.
            to: domains (N,).
            at: where the run stands.
        """
        w = self.cfg
        loss = term("gan", gan.generator(self.D(fake, to)))
        if w.style:
            loss += w.style * term("style", l1(self.E(fake, to), style))
        if w.diversity:
            with torch.no_grad():
                other = self.G(x, style2)
            loss -= w.diversity * (1 - at.fraction) * term("diversity", l1(fake, other))
        if w.cycle:
            loss += w.cycle * term("cycle", l1(self.G(fake, own), x))
        return loss

    def noise(self, n: int, generator: Chance | None = None) -> Tensor:
        """Draw noise (n, latent_dim) from N(0, I), on the method's device."""
        weight = next(self.F.parameters())
        return moved(torch.randn(n, self.cfg.latent_dim, dtype=weight.dtype, generator=generator), weight.device)

    def sample_style(self, n: int, generator: Chance | None = None, *, to: Domain = "b") -> Tensor:
        """Draw styles (n, style_dim) of a domain: those that F makes of noise."""
        z = self.noise(n, generator)
        styles: Tensor = self.F(z, self._numbers(to, z))
        return styles

    def encode_style(self, reference: Tensor, *, domain: Domain) -> Tensor:
        """Read the styles (N, style_dim) of images (N, C, H, W) of a domain, squeezed to the size of the training."""
        side = self.cfg.side
        if reference.shape[2:] != (side, side):
            reference = interpolate(reference, (side, side), mode="bilinear", antialias=True).clamp(-1, 1)
        styles: Tensor = self.E(reference, self._numbers(domain, reference))
        return styles

    def translate(
        self, x: Tensor, *, to: Domain = "b", style: Tensor | None = None, generator: Chance | None = None
    ) -> Tensor:
        """Draw x, of any domain, in styles (N, style_dim); without one, in one of `to` that is drawn for all of x."""
        style = self.sample_style(1, generator, to=to).expand(len(x), -1) if style is None else style
        out: Tensor = self.G(x, style)
        return out.clamp(-1, 1)

    def _numbers(self, domain: Domain, of: Tensor) -> Tensor:
        """Return the number of a domain for each of N rows, (N,) int64."""
        return torch.full(of.shape[:1], self.targets.index(domain), device=of.device)
