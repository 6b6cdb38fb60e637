"""The styles of the last training images, and their domains."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as nnf

from instar.core.device import moved
from instar.modules.vector_queue import VectorQueue


class StyleMemory(nn.Module):
    """Keeps styles to draw from, and gives the mean style of each domain."""

    def __init__(self, size: int, dim: int, domains: int) -> None:
        """Start empty.

        Args:
            size: images to keep.
            dim: numbers in a style.
            domains: their number.
        """
        super().__init__()
        self.dim, self.domains = dim, domains
        self.rows = VectorQueue(size, dim + domains)

    def push(self, styles: Tensor, domain: Tensor) -> None:
        """Take in styles (N, dim) and the numbers (N,) of their domains; the oldest go."""
        self.rows.push(torch.cat([styles, nnf.one_hot(domain, self.domains).to(styles)], 1))

    def sample(self, n: int, generator: Generator | None = None, domain: int | None = None) -> Tensor:
        """Draw n styles (n, dim): those of images, of a domain if one is given, or normal numbers if there are none."""
        rows = self.rows.vectors()
        known = (rows if domain is None else rows[rows[:, self.dim + domain] > 0])[:, : self.dim]
        if not len(known):
            return moved(torch.randn(n, self.dim, dtype=known.dtype, generator=generator), known.device)
        return known[moved(torch.randint(len(known), (n,), generator=generator), known.device)]

    def counts(self) -> Tensor:
        """Return how many of the images are in each domain, (domains,)."""
        return self.rows.vectors()[:, self.dim :].sum(0).long()

    def means(self) -> Tensor:
        """Return the mean style (domains, dim) of each domain; not finite where it has no image."""
        styles, domain = self.rows.vectors().tensor_split([self.dim], 1)
        return domain.T @ styles / domain.sum(0)[:, None]
