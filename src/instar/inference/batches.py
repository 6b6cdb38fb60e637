"""At which size images go through a network, and how many together."""

from __future__ import annotations

from collections.abc import Mapping

SMALLEST_SIZE = 8
"""Least short side, in pixels, to work at."""
BATCH = 8
"""Most images of one size."""
PIXELS = 4 * 2**20
"""Most pixels of all; an image that has more goes alone."""
PIXELS_CPU = 2**15
"""On a CPU larger batches outgrow the caches: eight images of 256 px take half as long again as one by one."""

SizeAndVariant = tuple[int, int, int]
"""Width and height, and which of several results is made."""


def pixels_for(device: str) -> int:
    """Return the most pixels of a batch on a kind of device."""
    return PIXELS_CPU if device == "cpu" else PIXELS


def at_once(width: int, height: int, most: int, pixels: int) -> int:
    """Return how many images of a size go together: at most `most` of them, of `pixels` together, but at least one."""
    return max(1, min(most, pixels // (width * height)))


def chunks(sizes: Mapping[int, SizeAndVariant], most: int, pixels: int) -> list[list[int]]:
    """Group images of equal size and variant into batches, ordered by their first image.

    Args:
        sizes: by the image's number, ascending.
        most: images in a batch.
        pixels: in a batch; an image above it goes alone.
    """
    alike: dict[SizeAndVariant, list[int]] = {}
    for number, size in sizes.items():
        alike.setdefault(size, []).append(number)
    found = []
    for (width, height, _), members in alike.items():
        step = at_once(width, height, most, pixels)
        found += [members[i : i + step] for i in range(0, len(members), step)]
    return sorted(found)
