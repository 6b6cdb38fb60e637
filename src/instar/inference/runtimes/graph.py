"""What an exported model is to those who use it, whichever runtime computes it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from instar.inference.card import Card


class Graph(Protocol):
    """A graph that Instar has exported.

    Attributes:
        card: what its file says of it.
        bytes: of its file.
    """

    card: Card
    bytes: int

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Return `translation` (N, C, H, W) for the inputs that the card names."""


def threads() -> int:
    """Return how many threads are to compute: as many as PyTorch takes, or those of its environment; 0 leaves it open.

    PyTorch is asked only where it is loaded.
    """
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    named = os.environ.get("OMP_NUM_THREADS", "")
    return int(named) if named.isdecimal() else 0
