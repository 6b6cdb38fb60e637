"""Drawn sets as instruments make them: other bands, types and ranges than photographs have, and the truth of each test.

python -m instar.data.drawn.instruments bands|scans|stains OUT [SIZE [TRAIN [TEST]]] [--pairs]

The same scene has one picture in each domain, and what it looks like in B follows from what is there in A: land from
its four bands, tissue from its density, a cell from its size. So a translation can be compared with the truth.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instar.core.errors import UserError, nearest
from instar.core.images import save
from instar.core.raster import Raster
from instar.core.rasters import as_pillow
from instar.data.drawn.command import drawn_into

Plane = NDArray[np.float64]
Pair = tuple[NDArray[np.generic], NDArray[np.generic]]
"""A scene as both instruments see it, (H, W, C) each."""
SMALLEST = 32

_LAND = np.array(
    [
        [600, 500, 300, 150],  # water
        [500, 900, 600, 4200],  # grass
        [300, 500, 350, 2800],  # forest
        [1200, 1600, 2100, 2700],  # soil
        [1900, 2000, 2100, 2300],  # roofs
    ],
    float,
)
"""Reflectances of blue, green, red and near infrared, in ten-thousandths."""
_WARMTH = np.array([286.0, 295.0, 292.0, 305.0, 311.0])
"""Kelvin of the same land on a summer's day."""
_TISSUES = np.array([[-1000, 0.02], [-90, 0.85], [40, 0.45], [55, 0.62], [15, 0.12], [900, 0.06]], float)
"""Air, fat, muscle, organ, fluid and bone: Hounsfield units, and brightness where water is dark and fat is bright."""


@dataclass(frozen=True)
class Instruments:
    """Two instruments that see the same scenes.

    Attributes:
        about: of both, in words.
        draw: makes the pictures of a scene: a generator, and the side in pixels.
        suffixes: of the files of A and of B.
    """

    about: str
    draw: Callable[[np.random.Generator, int], Pair]
    suffixes: tuple[str, str] = (".tif", ".tif")


def bands(rng: np.random.Generator, size: int) -> Pair:
    """Draw land as four bands, uint16 from 0 to 10000, and how warm it is, float32 in kelvin."""
    places = rng.uniform(0, size, (int(rng.integers(8, 16)), 2))
    kinds = rng.integers(0, len(_LAND), len(places))
    across, down = _grid(size)
    distance = (across[..., None] - places[:, 0]) ** 2 + (down[..., None] - places[:, 1]) ** 2
    land = kinds[distance.argmin(2)]
    light = 1 + 0.25 * _slow(rng, size)
    fields = _LAND[land] * light[..., None] * (1 + 0.08 * _slow(rng, size, 8)[..., None])
    counts = np.rint(fields + rng.normal(0, 25, fields.shape)).clip(0, 10000).astype(np.uint16)
    warmth = _WARMTH[land] + 4 * (light - 1)
    return counts, warmth[..., None].astype(np.float32)


def scans(rng: np.random.Generator, size: int) -> Pair:
    """Draw a section of a body: int16 in Hounsfield units, and float32 from 0 to 1 as another scanner shows it."""
    across, down = (2 * one / size - 1 for one in _grid(size))
    tissue = np.zeros((size, size), int)
    wide, tall = rng.uniform(0.75, 0.92), rng.uniform(0.55, 0.75)

    def fill(x: float, y: float, width: float, height: float, kind: int) -> None:
        tissue[((across - x) / width) ** 2 + ((down - y) / height) ** 2 < 1] = kind

    fill(0, 0, wide, tall, 1)
    fill(0, 0, wide - rng.uniform(0.06, 0.14), tall - rng.uniform(0.06, 0.12), 2)
    for _ in range(int(rng.integers(4, 8))):
        x, y = rng.uniform(-0.5, 0.5) * wide, rng.uniform(-0.4, 0.3) * tall
        fill(x, y, rng.uniform(0.08, 0.2), rng.uniform(0.08, 0.18), int(rng.choice([3, 3, 4])))
    spine = tall - rng.uniform(0.22, 0.28)
    fill(0, spine, 0.11, 0.1, 5)
    fill(0, spine, 0.04, 0.04, 4)
    density = _TISSUES[tissue, 0] + rng.normal(0, 12, tissue.shape)
    bright = _TISSUES[tissue, 1] * (1 + 0.1 * _slow(rng, size))
    return np.rint(density)[..., None].astype(np.int16), bright.clip(0, 1)[..., None].astype(np.float32)


def stains(rng: np.random.Generator, size: int) -> Pair:
    """Draw tissue in two stains, uint8 in colour: in the second large nuclei are brown, small ones blue."""
    ground = 1 + 0.12 * _slow(rng, size, 4)
    first = np.array([232, 178, 206]) * ground[..., None]
    second = np.array([226, 224, 230]) * (1 + 0.3 * (ground - 1))[..., None]
    across, down = _grid(size)
    for _ in range(int(rng.integers(size * size // 220, size * size // 120))):
        large = rng.random() < 0.4
        radius = (rng.uniform(3.4, 4.6) if large else rng.uniform(1.7, 2.6)) * size / 64
        x, y = rng.uniform(0, size, 2)
        turn, stretch = rng.uniform(0, np.pi), rng.uniform(0.75, 1.0)
        right, up = across - x, down - y
        along = right * np.cos(turn) + up * np.sin(turn)
        aside = up * np.cos(turn) - right * np.sin(turn)
        cover = (1.5 * (1 - np.hypot(along, aside / stretch) / radius) * radius).clip(0, 1)[..., None]
        first = first * (1 - cover) + np.array([96, 62, 142]) * cover
        second = second * (1 - cover) + np.array([124, 74, 38] if large else [108, 128, 178]) * cover
    noise = rng.normal(0, 3, (2, size, size, 3))
    pictures = np.rint(np.stack([first, second]) + noise).clip(0, 255).astype(np.uint8)
    return pictures[0], pictures[1]


KINDS = {
    "bands": Instruments("four bands of land, to how warm it is", bands),
    "scans": Instruments("Hounsfield units of a section of a body, to another scanner's brightness", scans),
    "stains": Instruments("tissue in one stain, to another one that marks large nuclei", stains, (".png", ".png")),
}


def write(name: str, folder: Path, size: int = 64, train: int = 200, test: int = 50, *, pairs: bool = False) -> None:
    """Write a set: `folder`/{trainA,trainB,testA,testB}/NNNN. Test images of one name show one scene.

    Args:
        name: a key of `KINDS`.
        folder: made if it is not there.
        size: side of the pictures.
        train: pictures of each domain to train on.
        test: scenes to test with.
        pairs: whether training images of one name show one scene, too; else no scene of one domain is in the other.

    Raises:
        UserError: there is no such kind, or the pictures would be too small.
    """
    if name not in KINDS:
        raise UserError(f"there is no kind {name!r}{nearest(name, KINDS)}")
    if size < SMALLEST:
        raise UserError(f"these sets are {SMALLEST} px or more, not {size}")
    kind = KINDS[name]
    numbers = {"trainA": range(train), "testA": range(10**6, 10**6 + test)}
    numbers |= {"trainB": range(train) if pairs else range(train, 2 * train), "testB": numbers["testA"]}
    for part, scenes in numbers.items():
        side = "AB".index(part[-1])
        for place, scene in enumerate(scenes):
            pixels = kind.draw(np.random.default_rng([scene, list(KINDS).index(name)]), size)[side]
            raster = Raster(pixels)
            save(as_pillow(raster) or raster, folder / part / f"{place:04d}{kind.suffixes[side]}")


def _grid(size: int) -> tuple[Plane, Plane]:
    """Return the middles of pixels from the left and from above."""
    down, across = np.mgrid[:size, :size] + 0.5
    return across, down


def _slow(rng: np.random.Generator, size: int, waves: float = 1.5) -> Plane:
    """Return something smooth from -1 to 1 with so many waves along a side."""
    across, down = _grid(size)
    found = np.zeros((size, size))
    for _ in range(3):
        turn, phase = rng.uniform(0, 2 * np.pi, 2)
        found += np.sin(2 * np.pi * waves / size * (across * np.cos(turn) + down * np.sin(turn)) + phase) / 3
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m instar.data.drawn.instruments", description="Draw a set.")
    parser.add_argument("kind", help="; ".join(f"{name}: {kind.about}" for name, kind in KINDS.items()))
    parser.add_argument("out", type=Path, help="folder, to be made or empty")
    parser.add_argument("size", nargs="?", type=int, default=64, help="side in pixels; 64 if not given")
    parser.add_argument("train", nargs="?", type=int, default=200, help="pictures of each domain; 200 if not given")
    parser.add_argument("test", nargs="?", type=int, default=50, help="scenes to test with; 50 if not given")
    parser.add_argument("--pairs", action="store_true", help="training images of one name show one scene, too")
    given = parser.parse_args(arguments)
    return drawn_into(
        parser, given.out, lambda part: write(given.kind, part, given.size, given.train, given.test, pairs=given.pairs)
    )


if __name__ == "__main__":
    main()
