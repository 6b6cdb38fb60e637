"""A kind of batch of three domains, and a small method that translates among them: all of it in this file.

One network redraws an image with shifts of its features that are learned for each domain; a discriminator looks at
patches. It shows how kinds of batches are made, and is no published method.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor, nn
from torch.nn.functional import l1_loss

from instar.core.batch import Batch, Domain, Part
from instar.core.config import MethodConfig, Preset
from instar.core.method import Method, Objectives, Paper
from instar.core.objective import Loss, Objective, term
from instar.core.progress import Progress


@dataclass(frozen=True)
class ThreeDomains(Batch):
    """Images of three domains, which have nothing to do with each other."""

    a: Tensor
    b: Tensor
    c: Tensor
    names: tuple[str, ...] = ()

    needs = "three folders, unpaired"
    parts = {"a": Part(order=0, crop=0), "b": Part(order=1, crop=1), "c": Part(order=2, crop=2)}


class Redraw(nn.Module):
    """Two convolutions, and a shift of the features between them for each domain."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(channels, width, 3, padding=1)
        self.shifts = nn.ModuleDict({domain: nn.Linear(1, width, bias=False) for domain in ThreeDomains.parts})
        self.draw = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, x: Tensor, to: Domain) -> Tensor:
        """Return images (N, C, H, W) in [-1, 1] in the way of a domain."""
        shift = self.shifts[to](x.new_ones(1))
        drawn: Tensor = self.draw((self.look(x) + shift[:, None, None]).relu()).tanh()
        return drawn


@dataclass(frozen=True, kw_only=True)
class Config(MethodConfig):
    """Options of the example."""

    width: int = 32
    """Channels of the features."""


@final
class ThreeWays(Method[ThreeDomains]):
    """Adversarial translation among three domains, with cycles.

    min_G max_D  sum over domains k of L_GAN(G, D_k), and 10 times the cycles

    Terms:
        D/real_a, D/real_b, D/real_c: mean (D_k(x_k) - 1)^2
        D/fake_a, D/fake_b, D/fake_c: mean D_k(G(x, k))^2
        G/gan_a, G/gan_b, G/gan_c: mean (D_k(G(x, k)) - 1)^2
        G/cycle_a, G/cycle_b, G/cycle_c: mean |G(G(x_k, j), k) - x_k|

    Differs from the paper:
        There is none.
    """

    options = Config
    cfg: Config
    paper = Paper("Three domains, an example", "Instar's authors", 2026, "https://example.org/three-domains")
    data = ThreeDomains
    targets = ("a", "b", "c")
    translators = ("G",)
    presets = {
        "example": Preset(about="128 px", data={"size": 128}),
        "small": Preset(about="64 px on a CPU", data={"size": 64}, train={"steps": 2000, "batch": 4}),
        "tiny": Preset(
            about="32 px, for tests", method={"width": 4}, data={"size": 32}, train={"steps": 20, "ema": 100}
        ),
    }

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg)
        self.G = Redraw(cfg.channels, cfg.width)
        self.D = nn.ModuleDict(
            {
                domain: nn.Sequential(nn.Conv2d(cfg.channels, cfg.width, 4, 2), nn.ReLU(), nn.Conv2d(cfg.width, 1, 4))
                for domain in ThreeDomains.parts
            }
        )

    def objectives(self, batch: ThreeDomains, at: Progress) -> Objectives:
        """Move the discriminators, then the generator."""
        x = batch.images
        loss = Loss()
        for source, to in zip("abc", "bca", strict=True):
            loss += term(f"real_{to}", (self.D[to](x[to]) - 1).square().mean())
            loss += term(f"fake_{to}", self.D[to](self.G(x[source], to).detach()).square().mean())
        yield Objective("D", over=(self.D,), loss=loss)
        loss = Loss()
        for source, to in zip("abc", "bca", strict=True):
            made = self.G(x[source], to)
            loss += term(f"gan_{to}", (self.D[to](made) - 1).square().mean())
            loss += 10.0 * term(f"cycle_{source}", l1_loss(self.G(made, source), x[source]))
        yield Objective("G", over=(self.G,), loss=loss)

    def translate(self, x: Tensor, *, to: Domain = "b") -> Tensor:
        """Redraw images of any domain in the way of another."""
        out: Tensor = self.G(x, to)
        return out
