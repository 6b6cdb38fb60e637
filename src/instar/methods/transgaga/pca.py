"""Principal components as buffers: measured once, then a fixed, differentiable change of coordinates."""

from __future__ import annotations

import torch
from torch import Tensor, distributed, nn

from instar.core.precision import without_autocast

FLOOR = 1e-6
"""Added to every variance, so that a direction without any is not blown up."""


class PCA(nn.Module):
    r"""Whitened coefficients \(z = \Lambda^{-1/2} V^T (u - m)\), and back: \(u = m + V \Lambda^{1/2} z\).

    A component that does not vary, or that the share of variance to keep does without, is switched off: its
    coefficient is always 0. Until `fit` the components are the first coordinates as they are.
    """

    mean: Tensor
    directions: Tensor
    scale: Tensor
    active: Tensor
    fitted: Tensor

    def __init__(self, dim: int, size: int) -> None:
        """Build the buffers.

        Args:
            dim: length of the vectors.
            size: components, at most `dim`.
        """
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("directions", torch.eye(dim, size))
        self.register_buffer("scale", torch.ones(size))
        self.register_buffer("active", torch.ones(size))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def fit(self, vectors: Tensor, share: float = 1.0) -> int:
        """Measure mean and components; with several processes of the vectors of all of them.

        Args:
            vectors: (M, dim).
            share: keep the first components that explain this share of the variance; 1 keeps all that vary.

        Returns:
            How many components are switched on.
        """
        size = len(self.scale)
        mean, covariance = _moments(vectors)
        values, columns = torch.linalg.eigh(covariance)
        values, columns = values.flip(0).clamp(min=0), columns.flip(1)
        largest = columns.abs().argmax(0)
        columns = columns * columns[largest, torch.arange(len(largest))].sign()  # or the sign would be chance
        explained = values.cumsum(0) / values.sum().clamp(min=torch.finfo(values.dtype).tiny)
        needed = int((explained < share - 1e-9).sum()) + 1
        varying = int((values > 1e-9 * values[0]).sum())
        count = max(1, min(size, needed, varying))
        self.mean.copy_(mean)
        self.directions.copy_(columns[:, :size])
        self.scale.copy_((values[:size] + FLOOR).sqrt())
        self.active.copy_(torch.arange(size) < count)
        self.fitted.fill_(True)
        return count

    def forward(self, vectors: Tensor) -> Tensor:
        """Map (N, dim) to coefficients (N, size)."""
        with without_autocast(vectors.device.type):
            return (vectors - self.mean) @ self.directions / self.scale * self.active

    def inverse(self, coefficients: Tensor) -> Tensor:
        """Map coefficients (N, size) to (N, dim)."""
        with without_autocast(coefficients.device.type):
            return self.mean + (coefficients * self.active * self.scale) @ self.directions.T

    def distance(self, z: Tensor, other: Tensor) -> Tensor:
        """Return the mean absolute difference of coefficients (N, size), of those switched on."""
        return (z - other).abs().sum(1).mean() / self.active.sum()


def _moments(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean (dim,) and population covariance (dim, dim) in double precision on the CPU."""
    # Around the first vector, not around 0: the sums of products then lose no digits.
    origin = vectors[0].clone()
    together = distributed.is_available() and distributed.is_initialized()
    if together:
        distributed.broadcast(origin, 0)
    x = vectors.cpu().double() - origin.cpu().double()
    moments = torch.cat([x.new_tensor([len(x)]), x.sum(0), (x.T @ x).flatten()])
    if together:
        everyones = moments.to(vectors.device)
        distributed.all_reduce(everyones)
        moments = everyones.cpu()
    dim = x.shape[1]
    offset = moments[1 : dim + 1] / moments[0]
    covariance = moments[dim + 1 :].view(dim, dim) / moments[0] - offset[:, None] * offset
    return origin.cpu().double() + offset, covariance
