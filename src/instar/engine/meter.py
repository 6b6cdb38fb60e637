"""Means of what is minimised, over the steps between two lines of the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from instar.core.objective import Objective


class Meter:
    """Means of the terms since the last reading, kept on the device until they are read."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, objective: Objective, total: Tensor, norm: Tensor) -> None:
        """Take in every term, the total, and the gradient norm of a minimised objective."""
        values = {term.name: term.value for term in objective.loss.terms} | {"total": total, "grad_norm": norm}
        added = {f"{objective.name}/{name}": value.detach().float() for name, value in values.items()}
        known = [key for key in added if key in self.sums]
        if known:
            sums = torch._foreach_add([self.sums[key] for key in known], [added[key] for key in known])
            added |= zip(known, sums, strict=True)
        self.sums |= added
        for key in added:
            self.counts[key] = self.counts.get(key, 0) + 1

    def mark(self) -> Callable[[], None]:
        """Return what goes back to this moment."""
        kept = dict(self.sums), dict(self.counts)

        def back() -> None:
            self.sums, self.counts = dict(kept[0]), dict(kept[1])

        return back

    def read(self, fabric: Fabric) -> dict[str, float]:
        """Return the means, over all processes too, and start anew."""
        means = {key: float(total) / self.counts[key] for key, total in self.sums.items()}
        self.sums, self.counts = {}, {}
        if fabric.world_size == 1 or not means:
            return means
        mine = torch.tensor(list(means.values()), device=fabric.device)
        everyones = cast(Tensor, fabric.all_reduce(mine, reduce_op="mean"))
        return dict(zip(means, everyones.tolist(), strict=True))

    def state(self) -> dict[str, tuple[float, int]]:
        """Return sums and counts for a checkpoint."""
        return {key: (float(total), self.counts[key]) for key, total in self.sums.items()}

    def load(self, state: dict[str, tuple[float, int]], device: torch.device) -> None:
        """Put back what `state` returned."""
        self.sums = {key: torch.tensor(total, device=device) for key, (total, _) in state.items()}
        self.counts = {key: count for key, (_, count) in state.items()}
