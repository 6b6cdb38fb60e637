"""Time and memory of translating files, each run in a process of its own.

    python benchmarks/translate.py RUN IMAGE... [--sides 256 1024] [--precisions 32 bf16] [--exported FILE...]
        [--against CHECKOUT] [--turns 3]

The images are cropped to squares, resized to each side, and written as PNG; each file is decoded, translated and
encoded as `instar translate` does. Rows are the run in each precision, and files that `instar export` has made of it.
They take turns; numbers are medians over these. Seconds are those of the processor for an image, all threads together,
after the first image was translated; start is all of the processor until then, Python and imports included; memory is
the peak of the process. Results are compared with those of the first row, which is the other checkout if there is one:
"equal" to the last bit, or the difference in gray levels, mean and largest.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image, ImageOps


def main() -> None:
    """Print a table of all sides, checkouts and precisions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("images", type=Path, nargs="*")
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 1024])
    parser.add_argument("--count", type=int, default=4, help="images of each side")
    parser.add_argument("--precisions", nargs="+", default=["32"], choices=("32", "bf16"))
    parser.add_argument("--exported", type=Path, nargs="*", default=[], help="files of the run's model")
    parser.add_argument("--against", type=Path, help="another checkout of Instar")
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measured(given.run, Path(given.one[0]), Path(given.one[1]), given.one[2])))
        return
    here = Path(__file__).parent.parent
    rows = [Row("run, other checkout", given.run, "32", given.against)] * bool(given.against)
    rows += [Row("run", given.run, precision, here) for precision in given.precisions]
    rows += [Row(file.name, file, "32", here) for file in given.exported]
    print("| px | model | precision | CPU s an image | of it in the kernel | to start | GB | results |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for side in given.sides:
        with TemporaryDirectory() as folder:
            images, out = Path(folder) / "in", Path(folder)
            draw(given.images, side, given.count, images)
            found: list[list[dict[str, float]]] = [[] for _ in rows]
            for turn in range(given.turns):
                for number, row in enumerate(rows):
                    found[number].append(in_process(row, images, out / f"{turn} {number}"))
            for number, (row, turns) in enumerate(zip(rows, found, strict=True)):
                taken = (median(one[key] for one in turns) for key in ("seconds", "kernel", "start", "gigabytes"))
                cells = (side, row.name, row.precision, *(f"{one:.2f}" for one in taken))
                apart = difference(out / "0 0", out / f"0 {number}")
                print(f"| {' | '.join(map(str, cells))} | {apart} |", flush=True)


@dataclass(frozen=True)
class Row:
    """What is measured: a model in a precision, by the code of a checkout."""

    name: str
    model: Path
    precision: str
    checkout: Path


def draw(images: list[Path], side: int, count: int, out: Path) -> None:
    """Write as many squares as asked for, of the images in turn."""
    out.mkdir()
    for number in range(count + 1):
        with Image.open(images[number % len(images)]) as image:
            ImageOps.fit(image.convert("RGB"), (side, side)).save(out / f"{number:03d}.png")


def in_process(row: Row, images: Path, out: Path) -> dict[str, float]:
    """Measure in a new process."""
    command = [sys.executable, __file__, str(row.model), "--one", str(images), str(out), row.precision]
    environment = {**os.environ, "PYTHONPATH": str(row.checkout / "src")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(run: Path, images: Path, out: Path, precision: str) -> dict[str, float]:
    """Translate all images but the first, after it, and return what an image took."""
    import instar

    files = sorted(images.iterdir())
    options: Any = {} if precision == "32" else {"precision": precision}  # earlier code knows none
    model = instar.load(run, "cpu", **options)
    instar.translate(model, files[0], out / "first")
    before = resource.getrusage(resource.RUSAGE_SELF)
    done = instar.translate(model, files[1:], out)
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert done.translated == len(files) - 1, done.failed
    user, kernel = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    count = done.translated
    return {
        "seconds": (user + kernel) / count,
        "kernel": kernel / count,
        "start": before.ru_utime + before.ru_stime,
        "gigabytes": after.ru_maxrss / 1e6,
    }


def difference(first: Path, out: Path) -> str:
    """Say how the results in two folders differ."""
    names = sorted(path.name for path in first.glob("*.png"))
    pixels = [[np.asarray(Image.open(folder / name), np.int16) for name in names] for folder in (first, out)]
    apart = np.abs(np.stack(pixels[0]) - np.stack(pixels[1]))
    return "equal" if not apart.any() else f"{apart.mean():.2f}, at most {apart.max()}"


if __name__ == "__main__":
    main()
