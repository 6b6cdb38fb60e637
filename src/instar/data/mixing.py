"""Which images of several domains are mixed in a batch: as many of each, and two references for each image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

COLUMNS = 3
"""Of images in a batch: those to translate, their references, and their second references."""
_IMAGES, _REFERENCES = 0, 1
"""Numbers of what is drawn, each for itself."""
_ORDERS, _DOMAINS, _SHIFTS = 2**17, 2**17 + 2, 2**17 + 4
"""Stand for permutations of images, for those of domains, and for the way to the second reference, where the number of
an order stands in other kinds of batch."""

Picks = list[tuple[int, int]]
"""Number of a domain, and number of an image in it."""


@dataclass(frozen=True)
class Mixture:
    """A pure function of the seed and the step.

    Domains are drawn in rounds that have each of them once; the images of each in rounds that are fresh permutations.
    The second reference is another image of the same round, which comes a number of places after the first one in it.

    Attributes:
        seed: of all chance.
        counts: images of each domain, two or more.
        batch: images in a batch.
    """

    seed: int
    counts: tuple[int, ...]
    batch: int
    _order: Callable[[int, int, int], NDArray[np.int64]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        kept = 4 * len(self.counts)  # two rounds of the images, and of the references, of each domain
        object.__setattr__(self, "_order", lru_cache(kept)(partial(_order, self.seed, self.counts)))

    def picks(self, step: int) -> tuple[Picks, Picks, Picks]:
        """Return what is in the whole batch of a step: images, their references, and their second references."""
        positions = range(step * self.batch, (step + 1) * self.batch)
        images = [self._image(_IMAGES, position) for position in positions]
        references = [self._image(_REFERENCES, position) for position in positions]
        return images, references, [self._second(position) for position in positions]

    def _image(self, drawn: int, position: int, further: int = 0) -> tuple[int, int]:
        domain = self._domain(drawn, position)
        turn, place = self._place(domain, position)
        return domain, int(self._order(drawn, domain, turn)[(place + further) % self.counts[domain]])

    def _second(self, position: int) -> tuple[int, int]:
        domain = self._domain(_REFERENCES, position)
        turn, _ = self._place(domain, position)
        shift = np.random.default_rng([self.seed, _SHIFTS, domain, turn]).integers(1, self.counts[domain])
        return self._image(_REFERENCES, position, int(shift))

    def _domain(self, drawn: int, position: int) -> int:
        turn, place = divmod(position, len(self.counts))
        return int(np.random.default_rng([self.seed, _DOMAINS + drawn, turn]).permutation(len(self.counts))[place])

    def _place(self, domain: int, position: int) -> tuple[int, int]:
        """Return the round of a domain's images, and the place in it: each round of domains takes one image of each."""
        return divmod(position // len(self.counts), self.counts[domain])


def _order(seed: int, counts: tuple[int, ...], drawn: int, domain: int, turn: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, _ORDERS + drawn, domain, turn]).permutation(counts[domain])
