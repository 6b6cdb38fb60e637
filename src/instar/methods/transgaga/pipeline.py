"""The way of an image through TransGaGa: taken apart, into the other domain, drawn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from instar.core.batch import Domain
from instar.methods.transgaga.landmarks import kept_inside
from instar.methods.transgaga.networks import ConditionalVAE, LandmarkDetector
from instar.methods.transgaga.pca import PCA
from instar.methods.transgaga.per_domain import PerDomain
from instar.methods.transgaga.transformers import Transformers

OTHER: dict[Domain, Domain] = {"a": "b", "b": "a"}
SHARE = 0.95
"""Of the landmarks' variance, after which further principal components are left out as noise."""


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


@dataclass(frozen=True)
class Pipeline:
    """Takes images through the networks of both domains; it owns none of them."""

    E_g: PerDomain[LandmarkDetector]
    vae: PerDomain[ConditionalVAE]
    phi: PerDomain[Transformers]
    pca: PerDomain[PCA]

    def points(self, domain: Domain, x: Tensor) -> Tensor:
        """Return the landmarks (N, K, 2) of images (N, C, H, W) of a domain."""
        points: Tensor = self.E_g[domain](x)[0]
        return points

    @torch.no_grad()
    def measure(self, images: Iterable[tuple[Tensor, Tensor]], *, together: bool) -> None:
        """Measure the principal components of landmarks.

        Args:
            images: batches (N, C, H, W) of domain a and of domain b.
            together: give both domains those of all images.
        """
        found = [(self.points("a", a), self.points("b", b)) for a, b in images]
        points_a, points_b = (torch.cat(points).flatten(1) for points in zip(*found, strict=True))
        both = torch.cat([points_a, points_b])
        self.pca.a.fit(both if together else points_a, SHARE)
        self.pca["b"].fit(both if together else points_b, SHARE)

    @torch.no_grad()
    def geometry(self, domain: Domain, x: Tensor) -> Tensor:
        """Return the components (N, M) of the landmarks of images (N, C, H, W) of any domain, without gradient."""
        z: Tensor = self.pca[domain](self.points(domain, x).flatten(1))
        return z

    def disentangle(self, domain: Domain, x: Tensor) -> Parts:
        """Take images (N, C, H, W) of a domain apart."""
        points = self.points(domain, x)
        return Parts(points, self.pca[domain](points.flatten(1)), *self.vae[domain].appearance(x, points))

    def transform(self, z: Tensor, a: Tensor, to: Domain) -> Parts:
        """Take components (N, M) and appearances (N, S) of the other domain into domain `to`."""
        z = self.phi[to].geometry(z) * self.pca[to].active
        points = kept_inside(self.pca[to].inverse(z).view(z.shape[0], -1, 2))
        a = self.phi[to].appearance(a)
        return Parts(points, z, a, torch.full_like(a, -torch.inf))

    def translate_parts(self, x: Tensor, to: Domain, by: Tensor | float = 0.0, source: Domain | None = None) -> Parts:
        """Return what becomes of images in domain `to`, before it is drawn.

        Args:
            x: images (N, C, H, W) of `source`, the other domain if None; of `to` itself they are only taken apart.
            to: the domain.
            by: what their landmarks are moved by, (K, 2) or (N, K, 2).
            source: domain of x.
        """
        source = source or OTHER[to]
        parts = self.disentangle(source, x)
        points = parts.points + by
        if source == to:
            return parts._replace(points=points)
        return self.transform(self.pca[source](points.flatten(1)), parts.a, to)

    def draw(self, domain: Domain, parts: Parts, size: torch.Size, *, twice: bool = False) -> Tensor:
        """Draw parts in a domain; arguments as those of `ConditionalVAE.draw`."""
        return self.vae[domain].draw(parts.points, parts.a, size, twice=twice)

    def encode(self, domain: Domain, x: Tensor) -> Tensor:
        """Return components and appearance (N, M + S, H / 32, W / 32), the same everywhere: so they tell the size."""
        parts, multiple = self.disentangle(domain, x), ConditionalVAE.size_divisor
        code = torch.cat([parts.z, parts.a], 1)[..., None, None]
        return code.expand(-1, -1, x.shape[2] // multiple, x.shape[3] // multiple)

    def decode(self, code: Tensor, to: Domain) -> Tensor:
        """Take what codes of the other domain stand for into domain `to`, and draw it: (N, C, H, W)."""
        components = len(self.pca[to].scale)
        z, a = code[:, :components, 0, 0], code[:, components:, 0, 0]
        size = torch.Size([*code.shape[:2], *(ConditionalVAE.size_divisor * side for side in code.shape[2:])])
        return self.draw(to, self.transform(z, a, to), size)
