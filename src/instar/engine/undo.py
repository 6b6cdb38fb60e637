"""What a step writes before it is known whether its loss is finite: where it is not, nothing of it stays."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from instar.modules.pool import ImagePool


class Undo:
    """Running means and variances of batch norms, with a copy to go back to, and pools of generated images."""

    def __init__(self, module: nn.Module) -> None:
        """Find them in a module and its children."""
        self._norms = [part for part in module.modules() if isinstance(part, _NormBase)]
        self._pools = [part for part in module.modules() if isinstance(part, ImagePool)]
        self._kept: list[Tensor] = []

    def keep(self) -> None:
        """Copy the statistics as they are before a step."""
        self._kept = [buffer.clone() for buffer in self._statistics()]

    def __call__(self) -> None:
        """Make the statistics what they were, and take images that are not finite out of the pools."""
        for buffer, kept in zip(self._statistics(), self._kept, strict=True):
            buffer.copy_(kept)
        for pool in self._pools:
            pool.drop_not_finite()

    def _statistics(self) -> list[Tensor]:
        return [buffer for norm in self._norms for buffer in norm.buffers()]
