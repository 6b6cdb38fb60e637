"""What a server takes, and how much of it at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from instar.core.settings import Fraction, NonNegativeFloat, PositiveInt, Settings


@dataclass(frozen=True, kw_only=True)
class Limits(Settings):
    """What clients may ask for, and what the server holds."""

    megabytes: NonNegativeFloat = 20.0
    """Largest body of a request, in MB."""
    megapixels: NonNegativeFloat = 16.0
    """Largest image, in millions of pixels."""
    waiting: PositiveInt = 64
    """Most requests that wait for a model; more are told to come again later (503)."""
    batch: PositiveInt = 8
    """Most images of one size that go through a model together."""
    gather: NonNegativeFloat = 0.01
    """Seconds that an image waits for others of its size, unless as many as `batch` are there before."""
    timeout: NonNegativeFloat = 60.0
    """Seconds after which a request is given up (504)."""
    upload: NonNegativeFloat = 15.0
    """Seconds in which the body of a request must have come (408)."""
    memory: Fraction = 0.5
    """Share of the machine's memory that weights may take: models that were not asked for longest are put away. One
    model is always held."""

    @property
    def largest_side(self) -> int:
        """Of a square of so many pixels."""
        return int(math.sqrt(self.megapixels * 1e6))
