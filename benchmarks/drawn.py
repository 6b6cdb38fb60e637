"""How often the oracles of drawn sets see a change that is not there, and miss one that is.

    python benchmarks/drawn.py [--count 100] [--size 64] [--kinds coat ...] [--levels easy cluttered]

For scenes that no set holds: copies of the input, as they are and through casts of colour, noise, blur and the like,
blends with the truth, and the truth, as it is and through a poor camera. Prints Markdown: the share that is called the
target, and in brackets the mean strength, by kind and level.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from instar.data.drawn.kinds import KINDS, Kind
from instar.data.drawn.oracle import Oracle
from instar.data.drawn.setting import Level

Pixels = NDArray[np.uint8]
Change = Callable[[Pixels, np.random.Generator], Pixels]


def rounded(values: NDArray[np.floating]) -> Pixels:
    return np.rint(values.clip(0, 255)).astype(np.uint8)


def tinted(x: Pixels, rng: np.random.Generator) -> Pixels:
    """Return gains of 0.75 to 1.25 and offsets of 25 grey levels, each colour its own."""
    return rounded(x * rng.uniform(0.75, 1.25, 3) + rng.uniform(-25, 25, 3))


def noisy(deviation: float) -> Change:
    return lambda x, rng: rounded(x + rng.normal(0, deviation, x.shape))


def blurred(radius: float) -> Change:
    """Return a Gaussian blur of `radius` pixels of a picture of 64."""
    return lambda x, _: np.asarray(Image.fromarray(x).filter(ImageFilter.GaussianBlur(radius * len(x) / 64)))


def compressed(quality: int) -> Change:
    def change(x: Pixels, _: np.random.Generator) -> Pixels:
        file = io.BytesIO()
        Image.fromarray(x).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))

    return change


def spotted(x: Pixels, rng: np.random.Generator) -> Pixels:
    """Return six black or white discs somewhere on the picture."""
    out, (rows, columns) = x.copy(), np.mgrid[: len(x), : len(x)]
    for _ in range(6):
        (row, column), radius = rng.uniform(0, len(x), 2), rng.uniform(1.5, 4) * len(x) / 64
        out[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = rng.choice([0, 255])
    return out


def grey(x: Pixels, _: np.random.Generator) -> Pixels:
    return np.asarray(Image.fromarray(x).convert("L").convert("RGB"))


def moved(x: Pixels, rng: np.random.Generator) -> Pixels:
    step = max(1, len(x) // 64)
    return np.roll(x, rng.choice([-step, step], 2), (0, 1))


COPIES: dict[str, Change] = {
    "as it is": lambda x, _: x,
    "cast": tinted,
    "noise 20": noisy(20),
    "blur 1.5": blurred(1.5),
    "blur 3": blurred(3),
    "JPEG 50": compressed(50),
    "spots": spotted,
    "brighter": lambda x, _: rounded(255 * (x / 255.0) ** 0.6),
    "grey": grey,
    "hues turned": lambda x, _: x[:, :, [2, 0, 1]],
    "inverted": lambda x, _: 255 - x,
    "only noise": lambda x, rng: rng.integers(0, 256, x.shape).astype(np.uint8),
    "black": lambda x, _: x * 0,
}
TRUTHS: dict[str, Change] = {
    "as it is": lambda x, _: x,
    "cast": tinted,
    "noise 15": noisy(15),
    "blur 1": blurred(1),
    "blur 1.5": blurred(1.5),
    "moved by 1 px": moved,
    "JPEG 60": compressed(60),
}
BLENDS = (0.25, 0.5, 0.85)


def pictures(drawn: Kind, level: Level, index: int, oracle: Oracle, size: int) -> Iterator[tuple[str, str, Pixels]]:
    """Yield group, name and picture of all translations of a scene."""
    rng = np.random.default_rng(index)
    x, truth = oracle.picture, drawn.draw(drawn.truth(level, "train", index), size)
    for name, change in COPIES.items():
        yield "copies of the input", name, change(x, rng)
    for share in BLENDS:
        yield "blends with the truth", f"{share:.2f}", rounded((1 - share) * x + share * truth)
    for name, change in TRUTHS.items():
        yield "the truth", name, change(truth, rng)
    scene = drawn.scene(level, "train", "A", index)
    yield "the truth", "another form", drawn.draw(drawn.changed(scene, rng), size)


def main() -> None:
    """Print a table for each group of translations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--levels", nargs="+", default=["easy", "cluttered"], choices=["easy", "cluttered"])
    given = parser.parse_args()
    found: dict[str, dict[str, dict[str, list[tuple[bool, float]]]]] = {}
    for name in given.kinds:
        for level in given.levels:
            drawn = KINDS[name]
            for index in range(given.count):
                oracle = Oracle(drawn, drawn.scene(level, "train", "A", index), given.size)
                for group, column, picture in pictures(drawn, level, index, oracle, given.size):
                    reading = oracle.read(picture)
                    cells = found.setdefault(group, {}).setdefault(f"{name}, {level}", {})
                    cells.setdefault(column, []).append((reading.target, reading.strength))
    for group, rows in found.items():
        columns = list(next(iter(rows.values())))
        print(f"\n| {group} | {' | '.join(columns)} |\n|{' --- |' * (len(columns) + 1)}")
        for row, cells in rows.items():
            means = [np.mean(cells[column], axis=0) for column in columns]
            print(f"| {row} | {' | '.join(f'{target:.2f} ({strength:.2f})' for target, strength in means)} |")


if __name__ == "__main__":
    main()
