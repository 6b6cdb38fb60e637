"""What generators leave behind in pictures: spots, casts of colour, coloured fringes, values at the ends of the range.

Each is measured against real images of the target, so that what the target has is no artefact: teeth are no spots, and
grass where there is grass is no cast.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, interpolate, max_pool2d

_SIDE = 64
"""Side to which images are brought to look for spots, in whose pixels the following are given."""
_RADII = (1.5, 2.5, 4.0, 6.0)
"""Of spots."""
_STRONG = 60.0
"""Grey levels by which a spot is at least brighter or darker than its surroundings, and than the input there."""
_ALONE = 0.4
"""Change around a spot, by that on it, at most: where everything changes nothing is a spot."""
_ABOUT = 4
"""How far real images may have a contrast away from a place for it to be usual there."""
_USUAL = 0.99
"""Share of real images whose contrast at a place is called usual there."""
_MANY = 0.95
"""Share of real images without an artefact."""
_CELLS = 8
"""A side's parts in which colours are compared."""
_MOST = 0.9
"""A cast is what this share of the cells stays below, so that a small thing of another colour is none."""
_NEIGHBOURS = 5
"""A colour that so many real images come nearer to at a place is one that the target has there."""
_LOOKED_AT = 256
"""Real images, evenly spread, that are looked at."""
_PAIRS = 100
"""Of a source image and a real one, in which spots are counted."""
_DETAIL = 0.02
"""Share of the pixels, those with the strongest detail of colour, of which fringes are the mean."""
_END = 2
"""Grey levels from the ends of the range that count as at the ends, as JPEG moves them."""


class Artefacts(NamedTuple):
    """Artefacts of each translation (N,)."""

    spots: Tensor
    """Strength of the strongest spot; above `ArtefactDetector.spot_limit` there is one."""
    casts: Tensor
    """Grey levels of colour that neither the input nor real images have there; see `ArtefactDetector.cast_limit`."""
    fringes: Tensor
    """Strength of the colours' finest detail, by what 95 of 100 real images stay below: above 1 it is unusual."""
    ends: Tensor
    """Share of the pixels at the ends of the range, 0..1."""


class ArtefactDetector:
    """Knows what real images look like."""

    def __init__(self, source: Tensor, real: Tensor) -> None:
        """Look at real training images of both domains.

        Args:
            source: (N, 3, H, W) in [-1, 1], images such as are translated, N >= 10.
            real: (M, 3, H, W), images of the target, M >= 10.

        Raises:
            ValueError: they are not of that shape, or there are fewer than ten.
        """
        if (
            real.ndim != 4
            or real.shape[1] != 3
            or source.shape[1:] != real.shape[1:]
            or min(len(source), len(real)) < 10
        ):
            shapes = f"{tuple(source.shape)} and {tuple(real.shape)}"
            raise ValueError(f"artefacts need ten real images (N, 3, H, W) of each domain or more, got {shapes}")
        self._shape = real.shape[1:]
        levels = _levels(real[:: -(-len(real) // _LOOKED_AT)])
        self._usual = dict(_usual_contrasts(_small(levels)))
        self._cells = _colour_cells(levels)
        self._fringe = float(torch.quantile(_fringes(levels), _MANY))
        left_out = _distances(self._cells, self._cells, _NEIGHBOURS + 1)
        self.cast_limit = float(torch.quantile(torch.quantile(left_out.flatten(1), _MOST, dim=1), _MANY))
        """Grey levels of `Artefacts.casts` that 95 of 100 real images stay below."""
        pairs = min(len(source), len(real), _PAIRS)
        x, y = (_small(_levels(images[:: len(images) // pairs][:pairs])) for images in (source, real))
        self.spot_limit = max(1.0, float(torch.quantile(self._spots(x, y), _MANY)))
        """Strength of `Artefacts.spots` that 95 of 100 pairs of a source image and any real one stay below: where all
        changes, things look like spots that are none."""

    def find(self, x: Tensor, out: Tensor) -> Artefacts:
        """Look for artefacts in translations.

        Args:
            x: inputs (N, 3, H, W) in [-1, 1].
            out: their translations, of the same size as the real images.

        Raises:
            ValueError: the shapes are others.
        """
        if x.shape != out.shape or out.shape[1:] != self._shape:
            found = f"{tuple(x.shape)} and {tuple(out.shape)}"
            raise ValueError(f"inputs and translations must be images of {tuple(self._shape)}, got {found}")
        a, b = _levels(x), _levels(out)
        cells = _colour_cells(b)
        unlike_input = (cells - _colour_cells(a)).norm(dim=1).flatten(1)
        strange = torch.minimum(unlike_input, _distances(cells, self._cells, _NEIGHBOURS).flatten(1))
        return Artefacts(
            spots=self._spots(_small(a), _small(b)),
            casts=torch.quantile(strange, _MOST, dim=1),
            fringes=_fringes(b) / max(self._fringe, 1e-6),
            ends=ends(out),
        )

    def find_spots(self, x: Tensor, out: Tensor) -> Tensor:
        """Return what `find` says of spots alone (N,), in a fraction of its time; arguments as there."""
        return self._spots(_small(_levels(x)), _small(_levels(out)))

    def _spots(self, a: Tensor, b: Tensor) -> Tensor:
        change, best = b - a, torch.zeros(len(a))
        for radius in _RADII:
            changed, contrast = _inside(change, radius), _inside(b, radius) - _around(b, radius)
            beside = _around(change.abs().amax(1, keepdim=True), radius)[:, 0]
            for sign in (1, -1):
                usual = self._usual[radius, sign].clamp(min=1)
                strength = torch.stack(
                    [
                        (torch.minimum(sign * contrast, sign * changed) / _STRONG).amax(1),
                        (sign * contrast).amax(1) / usual,
                        _ALONE * (sign * changed).amax(1) / beside.clamp(min=1),
                    ]
                )
                best = torch.maximum(best, strength.amin(0).flatten(1).amax(1))
        return best


def _usual_contrasts(levels: Tensor) -> Iterator[tuple[tuple[float, int], Tensor]]:
    """Yield the contrast (H, W) usual at each place, for each radius, of what is brighter (1) and darker (-1)."""
    for radius in _RADII:
        contrast = _inside(levels, radius) - _around(levels, radius)
        for sign in (1, -1):
            near = max_pool2d((sign * contrast).amax(1, keepdim=True), 2 * _ABOUT + 1, 1, _ABOUT)
            yield (radius, sign), torch.quantile(near[:, 0], _USUAL, dim=0)


def ends(images: Tensor) -> Tensor:
    """Return the share of the pixels of images (N, C, H, W) in [-1, 1] with any colour at an end of the range (N,)."""
    levels = _levels(images)
    return ((levels <= _END) | (levels >= 255 - _END)).any(1).float().mean((1, 2))


def _levels(images: Tensor) -> Tensor:
    return ((images.detach().float().cpu().clamp(-1, 1) + 1) * 127.5).round()


def _small(levels: Tensor) -> Tensor:
    return interpolate(levels, (_SIDE, _SIDE), mode="bilinear", antialias=True)


def _colours(levels: Tensor) -> Tensor:
    """Return colours (N, 3, H, W) without their brightness: red less green, and yellow less blue (N, 2, H, W)."""
    red, green, blue = levels.unbind(1)
    return torch.stack([red - green, (red + green) / 2 - blue], dim=1)


def _colour_cells(levels: Tensor) -> Tensor:
    """Return mean colours (N, 2, 8, 8)."""
    return adaptive_avg_pool2d(_colours(levels), _CELLS)


def _distances(cells: Tensor, real: Tensor, neighbour: int) -> Tensor:
    """Return the distance (N, 8, 8) of each cell's colour to the `neighbour`-th nearest that real images have there."""
    found = [(one - real).norm(dim=1).kthvalue(min(neighbour, len(real)), dim=0).values for one in cells]
    return torch.stack(found)


def _fringes(levels: Tensor) -> Tensor:
    """Return the mean of the strongest detail of the colours, that of single pixels (N,)."""
    colours = _colours(levels)
    smooth = avg_pool2d(colours, 3, 1, 1, count_include_pad=False)
    detail = (colours - smooth).norm(dim=1).flatten(1)
    strongest: Tensor = detail.topk(max(1, round(_DETAIL * detail.shape[1])), dim=1).values
    return strongest.mean(1)


def _inside(planes: Tensor, radius: float) -> Tensor:
    """Return the mean (N, C, H, W) over a disc about each place."""
    return _mean(planes, radius, 0.0)


def _around(planes: Tensor, radius: float) -> Tensor:
    """Return the mean (N, C, H, W) over a ring from twice to three times the radius."""
    return _mean(planes, 3 * radius, 2 * radius)


def _mean(planes: Tensor, outer: float, inner: float) -> Tensor:
    reach = int(outer) + 1
    places = torch.arange(-reach, reach + 1, dtype=torch.float32)
    away = (places.square()[:, None] + places.square()).sqrt()
    kernel = (outer + 0.5 - away).clamp(0, 1)
    if inner:
        kernel = kernel * (away - inner + 0.5).clamp(0, 1)
    # By Fourier transforms: the rings are wide. Beyond the edge there is nothing: the mean is over what is there.
    sums, counts = (_convolved(each, kernel) for each in (planes, torch.ones(1, 1, *planes.shape[2:])))
    return sums / counts


def _convolved(planes: Tensor, kernel: Tensor) -> Tensor:
    """Return the sums (N, C, H, W) of planes under an odd kernel about each place, zeros beyond the edges."""
    height, width = planes.shape[2:]
    size = [-(-(side + len(kernel) - 1) // 16) * 16 for side in (height, width)]  # of small factors, for speed
    whole: Tensor = torch.fft.irfft2(torch.fft.rfft2(planes, size) * torch.fft.rfft2(kernel, size), size)
    reach = len(kernel) // 2
    return whole[:, :, reach : reach + height, reach : reach + width]
