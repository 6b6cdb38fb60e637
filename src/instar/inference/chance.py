"""Random numbers without PyTorch: styles are those that it draws from the same generator.

PyTorch's generator for the CPU is MT19937 with the seeding of its authors, as NumPy's legacy one. Below 16 normal
numbers are made by pairs in double precision, from 16 on by blocks of 16 in single precision (ATen,
DistributionTemplates.h). Up to rounding of logarithms and cosines they are equal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from instar.core.seed import mix

_BLOCK = 16


class Chance:
    """A generator, a function of some non-negative integers such as a seed and a number."""

    def __init__(self, *numbers: int) -> None:
        self._bits = np.random.RandomState(mix(*numbers) & 0xFFFFFFFF)

    def normal(self, count: int) -> NDArray[np.float32]:
        """Draw normal numbers (count,), as `torch.randn` does for the CPU."""
        return self._pairs(count) if count < _BLOCK else self._blocks(count)

    def below(self, high: int) -> int:
        """Draw a whole number from 0 on, as `torch.randint` does for one that is below 2^32."""
        return int(self._raw(1)[0]) % high

    def uniform(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Draw numbers in [0, 1) with 24 bits."""
        return self._single(int(np.prod(shape))).reshape(shape)

    def _pairs(self, count: int) -> NDArray[np.float32]:
        pairs = -(-count // 2)
        words = self._raw(4 * pairs).reshape(-1, 2)
        bits = ((words[:, 0] << np.uint64(32)) | words[:, 1]) & np.uint64(2**53 - 1)
        turns, u = (bits.astype(np.float64) * 2.0**-53).reshape(pairs, 2).T
        radius = np.sqrt(-2 * np.log1p(-u))
        both = np.stack([radius * np.cos(2 * np.pi * turns), radius * np.sin(2 * np.pi * turns)], axis=1)
        return both.ravel()[:count].astype(np.float32)

    def _blocks(self, count: int) -> NDArray[np.float32]:
        drawn = self._single(count)
        whole = count // _BLOCK * _BLOCK
        out = np.empty(count, np.float32)
        out[:whole] = _normal(drawn[:whole])
        if whole < count:  # the last block is drawn anew, over the end of the one before
            out[-_BLOCK:] = _normal(self._single(_BLOCK))
        return out

    def _single(self, count: int) -> NDArray[np.float32]:
        bits: NDArray[np.float32] = (self._raw(count) & np.uint64(2**24 - 1)).astype(np.float32)
        bits *= np.float32(2.0**-24)
        return bits

    def _raw(self, count: int) -> NDArray[np.uint64]:
        return self._bits.randint(0, 2**32, count, dtype=np.uint32).astype(np.uint64)


def _normal(uniform: NDArray[np.float32]) -> NDArray[np.float32]:
    blocks = uniform.reshape(-1, 2, _BLOCK // 2)
    radius = np.sqrt(np.float32(-2) * np.log(1 - blocks[:, 0]))
    angle = np.float32(2 * np.pi) * blocks[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()
