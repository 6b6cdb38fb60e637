"""What objectives count: over how many of its groups a method spreads the images, and which of them stay empty."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from instar.core.objective import Objective

WINDOW = 100
"""Images for each group after which one without any is named. A group of a tenth of a fair share expects ten of
them: by chance it has none once in 20,000 times (e^-10)."""


class Counts:
    """Sums of the counts since the last reading, kept on the device until they are read."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.watched: dict[str, list[int]] = {}
        """Counts since empty groups were last looked for."""
        self.empty: dict[str, set[int]] = {}
        """Groups that were named and have had no image since."""

    def add(self, objective: Objective) -> None:
        """Take in what a minimised objective has counted."""
        for name, counts in objective.counts.items():
            counted = counts.detach().long()
            self.sums[name] = self.sums[name] + counted if name in self.sums else counted

    def mark(self) -> Callable[[], None]:
        """Return what goes back to this moment, if nothing was read since."""
        kept = dict(self.sums)

        def back() -> None:
            self.sums = dict(kept)

        return back

    def read(self, fabric: Fabric) -> dict[str, list[int]]:
        """Return the sums, over all processes, and start anew."""
        sums, self.sums = self.sums, {}
        if fabric.world_size > 1:
            sums = {name: cast(Tensor, fabric.all_reduce(part, reduce_op="sum")) for name, part in sums.items()}
        return {name: part.tolist() for name, part in sums.items()}

    def watch(self, counts: dict[str, list[int]]) -> list[str]:
        """Return a line for groups that had none of the last `WINDOW` images for each, once until they have some."""
        lines = []
        for name, new in counts.items():
            so_far = self.watched.get(name, [0] * len(new))
            window = [a + b for a, b in zip(so_far, new, strict=True)]
            self.watched[name] = window
            if sum(window) < WINDOW * len(window):
                continue
            empty = {i for i, count in enumerate(window) if not count}
            fresh = sorted(empty - self.empty.get(name, set()))
            if fresh:
                listed = ", ".join(map(str, fresh))
                lines.append(f"{name} {listed}: none of the last {sum(window)} images")
            self.watched[name], self.empty[name] = [0] * len(new), empty
        return lines

    def state(self) -> dict[str, list[int]]:
        """Return the sums for a checkpoint."""
        return {name: part.tolist() for name, part in self.sums.items()}

    def load(self, state: dict[str, list[int]], device: torch.device) -> None:
        """Put back what `state` returned."""
        self.sums = {name: torch.tensor(part, device=device) for name, part in state.items()}
