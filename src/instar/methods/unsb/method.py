"""UNSB: Unpaired Image-to-Image Translation via Neural Schrödinger Bridge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Generator, Tensor

from instar.core.batch import Domain, Unpaired
from instar.core.config import Preset, RunConfig
from instar.core.errors import UserError, setting
from instar.core.method import Method, Objectives, Paper, two_each
from instar.core.objective import Loss, Objective, term
from instar.core.precision import full_precision
from instar.core.progress import Progress
from instar.core.settings import Bounds, NonNegativeFloat, PositiveInt
from instar.losses.contrastive import patch_nce
from instar.losses.gan import lsgan as gan
from instar.methods.unsb.networks import TimedGenerator, TimedPatchGAN
from instar.methods.unsb.path import Chance, between, places
from instar.modules.init import xavier
from instar.networks.patch_heads import PatchHeads, sample_places
from instar.networks.resnet_patchgan import SMALL, ResnetConfig


@dataclass(frozen=True, kw_only=True)
class Config(ResnetConfig):
    """Options of UNSB."""

    intervals: Annotated[int, Bounds(2, 1000)] = 5
    """T, strides of the path; a step of training takes half as many passes on average."""
    evaluations: PositiveInt = 5
    """Passes through the generator for one translation, at most `method.intervals`; also of a trained model."""
    tau: NonNegativeFloat = 0.01
    """τ, variance of the noise along the path, and weight of the two terms of the bridge."""
    bridge: NonNegativeFloat = 1.0
    """λ_SB, weight of the bridge: how far G goes from a state, and the entropy of both together; 0 saves the energy."""
    nce_x: NonNegativeFloat = 1.0
    """λ_Reg, weight of the contrast between x and its translation."""
    nce_y: NonNegativeFloat = 1.0
    """Weight of the contrast between y and its translation, the identity term; 0 turns it off and saves passes."""
    layers: tuple[str, ...] = ("pixels", "down1", "down2", "block1", "block5")
    """Layers that are compared."""
    patches: PositiveInt = 256
    """Places compared in each layer."""
    antialias: bool = True
    """Blurred down- and upsampling, as in the authors' code."""
    test_noise: bool = True
    """Translations draw noise: one input has many. Off gives one fixed picture."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.evaluations > self.intervals:
            said, most = setting("method.evaluations", self.evaluations), setting("method.intervals", self.intervals)
            raise UserError(f"{said}: there are no more strides along the path than {most}")
        if self.width % 2:
            raise UserError(f"{setting('method.width', self.width)}: take an even number")


@final
class UNSB(Method[Unpaired]):
    """A generator that sees an image anywhere on its path into the other domain, and draws the end of the path.

    min_G max_D  L_adv(G, D, t) + λ_SB L_SB(G, t) + λ_Reg L_NCE(G)     (eq. 12)
    L_SB = τ E |x_t - x_1|² - τ (1 - t) H(x_t, x_1),  H the entropy, by an energy E that max_E gives

    x_1 = G(x_t, t, z). x_t is simulated: from x_0 = x each stride goes towards G's own end of the path, with noise.
    t is drawn from T places for each step. Translating is the same walk to the last place.

    Terms:
        D/real: D on y at t
        D/fake: D on x_1 at t
        E/energy: how much more energy pairs of x_t, x_1 with another image's have than with themselves
        E/square: square of the logarithm of the sum of the former
        G/gan: D should take x_1 for real
        G/path: mean (x_t - x_1)²
        G/energy: the former energy, which falls as x_1 is left more open by x_t
        G/nce_x: patches of x_1 against those of x, mean over layers and places
        G/nce_y: the same of y and of what G makes of a state on the path of y (the identity term)

    Differs from the paper:
        Losses, weights and places are those of the authors' code: the weight of the entropy falls with the number of
        strides, not with t, and stands for half of what the paper has.
        The energy compares an image of the batch with the next one; the authors' code loads a second batch for that
        and simulates its paths too. So a batch has two images or more here, all of which count in all terms.
        In each residual block the first convolution is used and the place is added after its norm. In the authors'
        code a loop leaves out the convolution and the place, so that their generator is not told where it is.
        Noise scales norms around 1; the authors' code begins around 0.
        Noise of a translation is the same for all images of a batch, so that it does not depend on the others.
        With both contrasts on, their sum is halved, as in the authors' code. They look at the same places.
        The learning rate falls at every step instead of every epoch, along the same line.
        The length is fixed in steps: 400 epochs of horse2zebra's 1,334 images, two in a batch.
    """

    options = Config
    cfg: Config
    paper = Paper(
        "Unpaired Image-to-Image Translation via Neural Schrödinger Bridge",
        "Kim, Kwon, Kim, Ye",
        2024,
        "https://arxiv.org/abs/2305.15086",
    )
    data = Unpaired
    holds_input = {"nce_x": "shapes", "bridge": "all", "nce_y": "colours"}
    one_number_of_channels = "its path leads from one image to the other"
    targets = ("b",)
    translators = ("G",)
    presets = {
        "paper": Preset(about="256 px as in the authors' code; days on a GPU", train={"steps": 266_800, "batch": 2}),
        "small": Preset(
            about="64 px on a CPU: half an hour on one core with bf16",
            method={**SMALL, "patches": 64, "intervals": 3, "evaluations": 3},
            data={"size": 64, "zoom": 1.03},
            train={"steps": 3000, "batch": 2, "ema": 5000, "save_every": 500, "preview_every": 500},
        ),
        "tiny": Preset(
            about="32 px, for tests: seconds",
            method={
                "width": 4,
                "blocks": 1,
                "layers": ("pixels", "down1", "down2", "block1"),
                "patches": 16,
                "intervals": 3,
                "evaluations": 3,
            },
            data={"size": 32},
            train={"steps": 20, "batch": 2, "ema": 100, "log_every": 5, "preview_every": 10, "save_every": 10},
        ),
    }

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        self.G = TimedGenerator(cfg.channels, cfg.width, cfg.blocks, antialias=cfg.antialias, skip=cfg.skip)
        for name in cfg.layers:
            if name not in self.G.channels:
                there, blocks = ", ".join(self.G.channels), setting("method.blocks", cfg.blocks)
                raise UserError(f"{setting('method.layers')}: with {blocks} there is no {name!r} in {there}")
        self.D = TimedPatchGAN(cfg.channels, cfg.width, norm=cfg.patch_norm, antialias=cfg.antialias)
        if cfg.bridge:
            self.E = TimedPatchGAN(4 * cfg.channels, cfg.width, norm=cfg.patch_norm, antialias=cfg.antialias)
        self.H = xavier(PatchHeads({name: self.G.channels[name] for name in cfg.layers}))
        self.size_divisor = self.G.size_divisor
        self.places = places(cfg.intervals)
        self.stochastic = cfg.test_noise

    def check(self, config: RunConfig) -> str:
        """Refuse batches of one image, which the energy could compare with none."""
        if self.cfg.bridge:
            two_each(config, "the energy compares")
        return ""

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move the discriminator, the energy, then generator and heads, at one place of the path."""
        w, x, y = self.cfg, batch.a, batch.b
        n, number = len(x), int(torch.randint(w.intervals, ()))  # on the CPU: nobody waits
        images = torch.cat([x, y]) if w.nce_y else x
        chance = Chance(len(images))
        with torch.no_grad():
            states = self.walk(images, number, chance)
        out = self.step(states, number, chance)
        state, fake = states[:n], out[:n]
        yield Objective("D", over=(self.D,), loss=self.discriminator_loss(y, fake.detach(), number))
        if w.bridge:
            yield Objective("E", over=(self.E,), loss=self.energy_loss(state, fake.detach(), number))

        z, start = chance.z(self.G.noise_dim, x), self.numbers(images, 0)
        query = self.G.encode(out, start, z, w.layers)
        with torch.no_grad():
            key = self.G.encode(images, start, z, w.layers)
        where = sample_places(query, w.patches)
        loss = self.generator_loss(state, fake, number)
        queries, keys = self.H.project(query, where), self.H.project(key, where)
        share = 0.5 if w.nce_y else 1.0
        loss += share * w.nce_x * term("nce_x", self.contrast(queries, keys, slice(None, n)))
        if w.nce_y:
            loss += share * w.nce_y * term("nce_y", self.contrast(queries, keys, slice(n, None)))
        yield Objective("G", over=(self.G, self.H), loss=loss)

    def discriminator_loss(self, y: Tensor, fake: Tensor, number: int) -> Loss:
        """Return the loss of D on real images y and on fakes, (N, C, H, W) both, at a place."""
        both = torch.cat([y, fake])
        on_real, on_fake = self.D(both, self.numbers(both, number)).chunk(2)
        return 0.5 * term("real", gan.real(on_real)) + 0.5 * term("fake", gan.fake(on_fake))

    def energy_loss(self, state: Tensor, fake: Tensor, number: int) -> Loss:
        """Return the loss of E on states (N, C, H, W) at a place and on the ends of their paths."""
        own, other = self.energies(state, fake, number)
        return term("energy", other - own) + term("square", other.square())

    def generator_loss(self, state: Tensor, fake: Tensor, number: int) -> Loss:
        """Return the loss of G, which made fakes (N, C, H, W) of states at a place, without the contrast."""
        w = self.cfg
        loss = term("gan", gan.generator(self.D(fake, self.numbers(fake, number))))
        if w.bridge:
            own, other = self.energies(state, fake, number)
            left = 1 - number / w.intervals
            loss += w.bridge * w.tau * term("path", full_precision(state - fake).square().mean())
            loss += w.bridge * w.tau * left * term("energy", other - own)
        return loss

    def energies(self, state: Tensor, fake: Tensor, number: int) -> tuple[Tensor, Tensor]:
        """Return the mean energy of pairs with themselves, and the logarithm of the sum of that with another's."""
        pair = torch.cat([state, fake], 1)
        numbers = self.numbers(pair, number)
        own = self.E(torch.cat([pair, pair], 1), numbers)
        other = self.E(torch.cat([pair, pair.roll(1, 0)], 1), numbers)
        return own.mean(), other.flatten().logsumexp(0)

    def contrast(self, query: dict[str, Tensor], key: dict[str, Tensor], rows: slice) -> Tensor:
        """Return the mean over layers of the contrast of some images of the batch."""
        return torch.stack([patch_nce(query[name][rows], key[name][rows]) for name in self.cfg.layers]).mean()

    def walk(self, x: Tensor, count: int, chance: Chance) -> Tensor:
        """Return the states of images x (N, C, H, W) after some strides."""
        for number in range(count):
            end = self.step(x, number, chance)
            x = between(x, end, self.places[number], self.places[number + 1], self.cfg.tau, chance.along(x))
            x = self.G.limit(x, end)
        return x

    def step(self, x: Tensor, number: int, chance: Chance) -> Tensor:
        """Return the ends of the paths of states x (N, C, H, W) at a place."""
        z = chance.z(self.G.noise_dim, x)
        out: Tensor = self.G(x, self.numbers(x, number), z.expand(x.shape[0], -1))
        return out

    def numbers(self, x: Tensor, number: int) -> Tensor:
        """Return the number of a place for each of the images x."""
        return torch.full(x.shape[:1], number, device=x.device)  # `len` would fix the batch of an export

    def translate(self, x: Tensor, *, to: Domain = "b", generator: Generator | None = None) -> Tensor:
        """Walk along the path of x and draw its end."""
        chance = Chance(generator=generator, still=not self.cfg.test_noise)
        last = self.cfg.evaluations - 1
        return self.step(self.walk(x, last, chance), last, chance)
