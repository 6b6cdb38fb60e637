"""What an export gives back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from instar.exporting.report import Parity
from instar.inference.card import Card


@dataclass(frozen=True)
class ExportResult:
    """An exported model.

    Attributes:
        path: the file.
        bytes: its size.
        card: what the file says of itself.
        parity: differences from the run, speed and memory at three sizes.
        images: what they were measured on, in words.
    """

    path: Path
    bytes: int
    card: Card
    parity: tuple[Parity, ...]
    images: str
