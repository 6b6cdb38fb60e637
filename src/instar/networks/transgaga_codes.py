"""TransGaGa's networks between domains: they act on short codes, so that linear layers stand for convolutions.

And the way of an image through all networks: taken apart, carried over, drawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from instar.core.batch import Domain
from instar.modules.domains import Both
from instar.modules.init import kaiming, normal
from instar.modules.landmarks import kept_inside
from instar.modules.pca import PCA
from instar.networks.patchgan import PatchGAN
from instar.networks.transgaga import ConditionalVAE, LandmarkDetector, full

OTHER: dict[Domain, Domain] = {"a": "b", "b": "a"}


class Parts(NamedTuple):
    """Where things are and how they look: an image taken apart, or a translation before it is drawn."""

    points: Tensor
    """Landmarks (N, K, 2)."""
    z: Tensor
    """Their principal components (N, M)."""
    a: Tensor
    """Appearance (N, S); of an image, the mean."""
    logvar: Tensor
    """Log variance (N, S) of an image's appearance; of a translation -inf, there is nothing to draw."""

    def noisy(self) -> Parts:
        """Draw an image's appearance around its mean."""
        return self._replace(a=self.a + (0.5 * self.logvar).exp() * torch.randn_like(self.a))


class Transformer(nn.Module):
    """Φ: a code of one domain to a code of the other. A ResNet generator of linear layers."""

    def __init__(self, size: int, width: int = 64, *, residual: bool = False) -> None:
        """Build the network.

        Args:
            size: numbers in a code.
            width: of the first layer; in the middle it is four times as much.
            residual: add the code itself to the result, which is the identity at first.
        """
        super().__init__()
        self.residual = residual
        layers: list[nn.Module] = []
        for cin, cout in pairwise([size, width, 2 * width, 4 * width]):
            layers += [nn.Linear(cin, cout), nn.ReLU(inplace=True)]
        layers += [Residual(4 * width) for _ in range(6)]
        for cin, cout in pairwise([4 * width, 2 * width, width]):
            layers += [nn.Linear(cin, cout), nn.ReLU(inplace=True)]
        last = nn.Linear(width, size)
        self.body = kaiming(nn.Sequential(*layers, last), 0.2)
        # Without norms six blocks would make codes eight times as large, and landmarks would start outside the image.
        starts_at_0 = [module.body[2] for module in layers if isinstance(module, Residual)] + [last] * residual
        for layer in starts_at_0:
            nn.init.zeros_(layer.weight)  # type: ignore[arg-type]

    def forward(self, code: Tensor) -> Tensor:
        """Map (N, size) to the same shape, in float32 or better."""
        out = full(self.body(code))
        return code + out if self.residual else out


class Residual(nn.Module):
    """x + Linear(ReLU(Linear(x))), at first x."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width) to the same shape."""
        out: Tensor = x + self.body(x)
        return out


class Transformers(nn.Module):
    """The two ways into a domain: Φ^g for the principal components of landmarks, Φ^a for appearance codes."""

    def __init__(self, components: int, code: int, width: int = 64, *, residual_geometry: bool = False) -> None:
        super().__init__()
        self.geometry = Transformer(components, width, residual=residual_geometry)
        self.appearance = Transformer(code, width, residual=True)


class Judges(nn.Module):
    """A domain's discriminators: of images, of the principal components of landmarks, of appearance codes."""

    def __init__(self, channels: int, components: int, code: int, width: int = 64) -> None:
        """Build the networks.

        Args:
            channels: of the images.
            components: numbers of a geometry.
            code: numbers of an appearance.
            width: of the first layers, at most eight times as much later.
        """
        super().__init__()
        self.image = normal(PatchGAN(channels, width))
        self.geometry = code_discriminator(components, width)
        self.appearance = code_discriminator(code, width)

    def forward(self, image: Tensor, z: Tensor, a: Tensor) -> dict[str, Tensor]:
        """Return raw outputs for images (N, C, H, W), components (N, M) and appearances (N, S)."""
        return {"image": self.image(image), "geometry": self.geometry(z), "appearance": self.appearance(a)}


def code_discriminator(size: int, width: int = 64) -> nn.Sequential:
    """Return a discriminator of codes (N, size): four linear layers with LeakyReLU 0.2, and raw outputs (N, 1)."""
    layers: list[nn.Module] = []
    for cin, cout in pairwise([size, width, 2 * width, 4 * width, 8 * width]):
        layers += [nn.Linear(cin, cout), nn.LeakyReLU(0.2, inplace=True)]
    return normal(nn.Sequential(*layers, nn.Linear(8 * width, 1)))


@dataclass(frozen=True)
class Flow:
    """The way of images through the networks of both domains; it owns none of them."""

    E_g: Both[LandmarkDetector]
    vae: Both[ConditionalVAE]
    phi: Both[Transformers]
    pca: Both[PCA]

    def points(self, domain: Domain, x: Tensor) -> Tensor:
        """Return the landmarks (N, K, 2) of images (N, C, H, W) of a domain."""
        points: Tensor = self.E_g[domain](x)[0]
        return points

    @torch.no_grad()
    def measure(self, images: Iterable[tuple[Tensor, Tensor]], share: float, *, together: bool) -> None:
        """Measure the principal components of landmarks.

        Args:
            images: batches (N, C, H, W) of domain a and of domain b.
            share: of the variance that the components are to explain.
            together: give both domains those of all images.
        """
        found = [(self.points("a", a), self.points("b", b)) for a, b in images]
        seen = [torch.cat(points).flatten(1) for points in zip(*found, strict=True)]
        for domain, points in zip(OTHER, seen, strict=True):
            self.pca[domain].fit(torch.cat(seen) if together else points, share)

    @torch.no_grad()
    def geometry(self, domain: Domain, x: Tensor) -> Tensor:
        """Return the components (N, M) of the landmarks of images (N, C, H, W) of any domain, without gradient."""
        z: Tensor = self.pca[domain](self.points(domain, x).flatten(1))
        return z

    def apart(self, domain: Domain, x: Tensor) -> Parts:
        """Take images (N, C, H, W) of a domain apart."""
        points = self.points(domain, x)
        return Parts(points, self.pca[domain](points.flatten(1)), *self.vae[domain].appearance(x, points))

    def over(self, z: Tensor, a: Tensor, to: Domain) -> Parts:
        """Carry components (N, M) and appearances (N, S) of the other domain over into domain `to`."""
        z = self.phi[to].geometry(z) * self.pca[to].active
        points = kept_inside(self.pca[to].inverse(z).view(len(z), -1, 2))
        a = self.phi[to].appearance(a)
        return Parts(points, z, a, torch.full_like(a, -torch.inf))

    def made(self, x: Tensor, to: Domain, by: Tensor | float = 0.0, source: Domain | None = None) -> Parts:
        """Return what becomes of images in domain `to`, before it is drawn.

        Args:
            x: images (N, C, H, W) of `source`, the other domain if None; of `to` itself they are only taken apart.
            to: the domain.
            by: what their landmarks are moved by, (K, 2) or (N, K, 2).
            source: domain of x.
        """
        source = source or OTHER[to]
        seen = self.apart(source, x)
        points = seen.points + by
        if source == to:
            return seen._replace(points=points)
        return self.over(self.pca[source](points.flatten(1)), seen.a, to)

    def draw(self, domain: Domain, parts: Parts, size: torch.Size, *, twice: bool = False) -> Tensor:
        """Draw parts in a domain; arguments as those of `ConditionalVAE.draw`."""
        return self.vae[domain].draw(parts.points, parts.a, size, twice=twice)

    def encode(self, domain: Domain, x: Tensor) -> Tensor:
        """Return components and appearance (N, M + S, H / 32, W / 32), the same everywhere: so they tell the size."""
        seen, multiple = self.apart(domain, x), ConditionalVAE.size_divisor
        code = torch.cat([seen.z, seen.a], 1)[..., None, None]
        return code.expand(-1, -1, x.shape[2] // multiple, x.shape[3] // multiple)

    def decode(self, code: Tensor, to: Domain) -> Tensor:
        """Carry what codes of the other domain stand for over into domain `to`, and draw it: (N, C, H, W)."""
        z, a = code[:, : len(self.pca[to].scale), 0, 0], code[:, len(self.pca[to].scale) :, 0, 0]
        size = torch.Size([*code.shape[:2], *(ConditionalVAE.size_divisor * side for side in code.shape[2:])])
        return self.draw(to, self.over(z, a, to), size)
