"""What the images of a domain are, and which of their values are -1 and 1 for networks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from instar.core.settings import IF_SET

FULL = (np.dtype(np.uint8), np.dtype(np.uint16))
"""Types of which all values are usually meant: 0 is one end, the largest the other."""


@dataclass(frozen=True, kw_only=True)
class DomainFormat:
    """What the images of a domain are, and how their values become the numbers of networks.

    Without a type it is plain: images of 8 bits, or of 16 bits of gray, each over the whole range of its own type.

    Attributes:
        channels: that networks take. Gray files serve three, and colour files one.
        bands: of the files, without opacity.
        dtype: of the files, by NumPy's name; "" if plain.
        low: value that becomes -1.
        high: value that becomes 1; below `low` if 0 is white.
        band_ranges: these two values for each channel, where bands differ in them; `low` and `high` then are the
            smallest and the largest of all.
    """

    channels: int
    bands: int = 0
    dtype: str = ""
    low: float = 0.0
    high: float = 0.0
    band_ranges: tuple[tuple[float, float], ...] = field(default=(), metadata=IF_SET)

    @property
    def plain(self) -> bool:
        """Whether images go by their own types alone."""
        return not self.dtype

    @property
    def type(self) -> np.dtype[Any]:
        """Type of the values in files."""
        return np.dtype(self.dtype)

    @property
    def whole_type(self) -> bool:
        """Whether the range is that of the type, so that images of another type are measured by theirs."""
        one = not self.band_ranges
        return one and self.type in FULL and sorted((self.low, self.high)) == [0, np.iinfo(self.type).max]

    @property
    def inverted(self) -> bool:
        """Whether the lowest value is white."""
        return self.low > self.high

    @property
    def ranges(self) -> tuple[tuple[float, float], ...]:
        """The values that become -1 and 1: of each channel where they differ, else once for all."""
        return self.band_ranges or ((self.low, self.high),)

    def of_first(self, channels: int) -> DomainFormat:
        """Return the format of the first channels alone."""
        return replace(self, band_ranges=self.band_ranges[:channels])

    def typed(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values of any type in the type of the files, as training keeps them."""
        if values.dtype == self.type:
            return values
        if self.whole_type and values.dtype in FULL:
            return _to_type(values * (np.iinfo(self.type).max / np.iinfo(values.dtype).max), self.type)
        return _to_type(values, self.type)

    def outside(self, values: NDArray[Any]) -> tuple[float, ...]:
        """Return which share of values (..., C) lies outside of each of `ranges`, and is clipped."""
        low, high = np.sort(self._ends(values), axis=0)
        found = (values < low) | (values > high)
        return tuple(found.reshape(-1, len(self.ranges)).mean(axis=0).tolist())

    def scaled(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Return values (..., C) in [-1, 1]: those outside of the range are clipped, what is no number is the low end.

        Where bands have one range, axes may be in any order.
        """
        low, high = self._ends(values)
        found: NDArray[Any]
        if values.dtype.itemsize > 2:  # float32 would round large integers before they are shifted
            found = (values.astype(np.float64) - low) * (2 / (high - low)) - 1
        else:
            scale = (2 / (high - low)).astype(np.float32)
            found = (values.astype(np.float32) - low.astype(np.float32)) * scale - np.float32(1)
        if not np.isfinite(found).all():
            found = np.nan_to_num(found, nan=-1.0)
        clipped: NDArray[np.float32] = found.clip(-1, 1).astype(np.float32, copy=False)
        return clipped

    def _ends(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return which of these values become -1 and 1: (2,), or (2, C) where bands differ."""
        if self.whole_type and values.dtype in FULL:
            top = float(np.iinfo(values.dtype).max)
            return np.array((top, 0.0) if self.inverted else (0.0, top))
        return self._own_ends()

    def _own_ends(self) -> NDArray[np.float64]:
        return np.array(self.band_ranges).T if self.band_ranges else np.array((self.low, self.high))

    def unscaled(self, unit: NDArray[np.float64]) -> NDArray[Any]:
        """Return numbers (..., C) in [0, 1], from the low to the high end, as values of the files' type."""
        low, high = self._own_ends()
        return _to_type(low + unit * (high - low), self.type)


def whole_range(dtype: DTypeLike, *, inverted: bool = False) -> tuple[float, float]:
    """Return which values of a type are black and white where nobody says: of floats 0 and 1."""
    kind = np.dtype(dtype)
    low, high = (np.iinfo(kind).min, np.iinfo(kind).max) if kind.kind in "iu" else (0, 1)
    return (float(high), float(low)) if inverted else (float(low), float(high))


def own_format(dtype: DTypeLike, bands: int, channels: int, *, inverted: bool = False) -> DomainFormat:
    """Return the format of an image of which only its type is known."""
    low, high = whole_range(dtype, inverted=inverted)
    return DomainFormat(channels=channels, bands=bands, dtype=np.dtype(dtype).name, low=low, high=high)


def _to_type(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "f":
        return values.astype(dtype)
    ends = np.iinfo(dtype)
    found = np.nan_to_num(values, nan=ends.min) if values.dtype.kind == "f" else values
    if found.dtype.kind == "f":
        found = np.rint(found)
    # The largest integers of 32 bits are no float32, but float64 has them.
    return found.clip(ends.min, ends.max).astype(dtype)
