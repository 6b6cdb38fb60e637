"""The formats of a run's domains, found from its training images: bands, type, and the range of values."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instar.core.batch import Domain
from instar.core.config import DataConfig
from instar.core.errors import UserError, setting
from instar.core.evenly import evenly
from instar.core.formats import FULL, DomainFormat, whole_range
from instar.core.images import to_array
from instar.core.raster import Header, fits
from instar.core.rasters import image_bands, raster_bands
from instar.core.reading import UnreadableImage
from instar.data.refs import ImageRef
from instar.data.selection import Selection

PROBED = 256
"""Images of a domain whose headers say what it holds, spread evenly over all."""
MEASURED = 64
"""Those of them whose values are looked at, where a type's range says nothing."""
VALUES = 2**16
"""Of each of them, spread evenly over its pixels."""


@dataclass(frozen=True)
class Formats:
    """What was found.

    Attributes:
        of: the format of each domain.
        notes: what a user should know of ranges, a line each.
    """

    of: Mapping[Domain, DomainFormat]
    notes: tuple[str, ...] = ()


def find_formats(found: Selection, cfg: DataConfig, channels: Mapping[Domain, int]) -> Formats:
    """Look at some training images of each domain.

    Args:
        found: the images of the run.
        cfg: with the ranges that are given, and what is to be measured.
        channels: of the networks, by domain.

    Raises:
        UserError: the bands of a domain do not serve its networks, or none of its images can be read.
    """
    sources = found.kind.sources()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        probed = {d: [one for one in pool.map(_header, evenly(found.train[d], PROBED)) if one] for d in sources}
    ranges = cfg.ranges_of({domain: channels[domain] for domain in found.kind.parts})
    alike = len({channels[domain] for domain in sources}) == 1  # else a result has other bands than its input
    if alike and not any(_differs(probed[d], channels[d], ranges[d], cfg) for d in sources):
        return Formats({d: DomainFormat(channels=channels[d]) for d in found.kind.parts})
    made, notes = {}, []
    for domain in sources:
        look = _Domain(found.names[domain], domain, channels[domain], probed[domain])
        made[domain], said = look.format(ranges[domain], cfg)
        notes += said
    by_rows = {found.kind.parts[d].order: d for d in sources}
    # A domain that shows the images of another one has its format.
    return Formats({d: made.get(d) or made[by_rows[part.order]] for d, part in found.kind.parts.items()}, tuple(notes))


Probed = tuple[ImageRef, Header]
Ranges = tuple[tuple[float, float], ...]
"""Black and white of all bands, or of each."""


def _header(ref: ImageRef) -> Probed | None:
    try:
        return ref, ref.probe()
    except UnreadableImage:  # told where it is decoded
        return None


def _differs(probed: Sequence[Probed], channels: int, given: Ranges, cfg: DataConfig) -> bool:
    """Tell whether a domain is more than images of 8 bits or 16 bits of gray."""
    unlike = (not header.plain for _, header in probed)
    return bool(given) or cfg.measure or cfg.per_band or channels not in (1, 3) or any(unlike)


@dataclass(frozen=True)
class _Domain:
    name: str
    key: Domain
    channels: int
    probed: Sequence[Probed]

    def format(self, given: Ranges, cfg: DataConfig) -> tuple[DomainFormat, list[str]]:
        """Return the format, and what is to be told of its range."""
        fitting = [(ref, header) for ref, header in self.probed if fits(header, self.channels)]
        if not fitting:
            raise self._unfit()
        headers = [header for _, header in fitting]
        bands = Counter(h.bands if h.bands == self.channels else self._bands(h) for h in headers).most_common(1)[0][0]
        dtype = np.result_type(*{header.dtype for header in headers})
        inverted = sum(header.inverted for header in headers) * 2 > len(headers)
        own = DomainFormat(channels=self.channels, bands=bands, dtype=dtype.name)
        whole = _with_ranges(own, (whole_range(dtype, inverted=inverted),))
        measured = cfg.measure or cfg.per_band
        if dtype in FULL and not given and not measured:
            return whole, []
        values = self._values(fitting)
        if given:
            if len(given) > 1 and bands != self.channels:
                raise self._few(bands, given)
            return _with_ranges(own, given), self._told(values, given, "as given")
        if dtype.kind == "f" and not measured and values.size and 0 <= np.nanmin(values) <= np.nanmax(values) <= 1:
            return whole, []
        apart = values if cfg.per_band and bands == self.channels else values.reshape(-1, 1)
        ranges = tuple(_measured(one, cfg.percentiles, inverted) for one in apart.T)
        first, last = cfg.percentiles
        return _with_ranges(own, ranges), self._told(values, ranges, f"percentiles {first:g} and {last:g}")

    def _few(self, bands: int, given: Ranges) -> UserError:
        has = f"{self.name}: its files have {bands} band{'s' * (bands > 1)}, for {self.channels} channels"
        return UserError(f"{has}; give one range, not {len(given)}, or {setting('method.channels', bands)}")

    def _bands(self, header: Header) -> int:
        return self.channels if header.bands + header.alpha == self.channels else header.bands

    def _values(self, fitting: Sequence[Probed]) -> NDArray[Any]:
        """Return values (N, C) of some images; NaN is what is no number."""
        refs = [ref for ref, _ in evenly(fitting, MEASURED)]
        found = [values for ref in refs for values in self._some(ref)]
        if not found:
            raise UserError(f"{self.name}: no image can be read to measure its values; the first is {refs[0].name}")
        return np.concatenate(found)

    def _some(self, ref: ImageRef) -> Iterator[NDArray[Any]]:
        try:
            with ref.decoded() as image:
                if isinstance(image, Image.Image):
                    channels = self.channels
                    pixels: NDArray[Any] = (to_array if channels in (1, 3) else image_bands)(image, channels)
                else:
                    pixels = raster_bands(image, self.channels)
                step = max(1, pixels.size // VALUES)  # of whole pixels, so that every band is seen
                some = pixels.reshape(-1, pixels.shape[2])[::step].astype(np.float64)
        except UserError:
            return
        some[~np.isfinite(some)] = np.nan
        yield some

    def _told(self, values: NDArray[Any], ranges: Ranges, how: str) -> list[str]:
        """Return a line for all bands, or for each."""
        if len(ranges) == 1:
            return [f"{self.name}: {_clipping(values, *ranges[0], how)}"]
        return [
            f"{self.name}, band {number}: {_clipping(one, *ends, how)}"
            for number, (one, ends) in enumerate(zip(values.T, ranges, strict=True), 1)
        ]

    def _unfit(self) -> UserError:
        if not self.probed:
            return UserError(f"{self.name}: none of its images can be read")
        ref, header = self.probed[0]
        has = f"{header.bands} band{'s' * (header.bands > 1)}{' and opacity' * header.alpha}"
        name = "method.channels" if self.key == "a" else "method.target_channels"
        remedy = f"set {setting(name, header.bands)}"
        return UserError(f"{ref.name} has {has}, where networks of {self.name} have {self.channels} channels: {remedy}")


def _with_ranges(form: DomainFormat, ranges: Ranges) -> DomainFormat:
    """Return a format with one range for all bands, or one for each."""
    low, high = ranges[0] if len(ranges) == 1 else (min(map(min, ranges)), max(map(max, ranges)))
    each = tuple((float(first), float(last)) for first, last in ranges) if len(ranges) > 1 else ()
    return replace(form, low=float(low), high=float(high), band_ranges=each)


def _clipping(values: NDArray[Any], low: float, high: float, how: str) -> str:
    numbers = values[np.isfinite(values)]
    if not numbers.size:
        return f"no value is a number, the range is {low:g} to {high:g}, {how}"
    first, last = sorted((low, high))
    share = float(((numbers < first) | (numbers > last)).mean())
    clipped = f"{share:.2%} of the values lie outside and are clipped" if share else "no value lies outside"
    there = f"values from {numbers.min():g} to {numbers.max():g}"
    return f"{there}, the range is {low:g} to {high:g}, {how}; {clipped}"


def _measured(values: NDArray[Any], percentiles: tuple[float, float], inverted: bool) -> tuple[float, float]:
    numbers = values[np.isfinite(values)]
    low, high = (float(one) for one in np.percentile(numbers, percentiles)) if numbers.size else (0.0, 1.0)
    if low == high:
        high = low + 1
    return (high, low) if inverted else (low, high)
