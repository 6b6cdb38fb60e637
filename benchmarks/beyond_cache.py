"""Images a second of sets larger than the cache, beside torch's DataLoader with two workers.

    python benchmarks/beyond_cache.py FOLDER [--images 1000 10000] [--batch 1 16] [--pairs 5] [--size 256]
                                      [--cache-gb 0]

Writes JPEGs of 400 x 320 px for crops of 256 into FOLDER once, smaller ones for smaller crops: the images of two
domains, each half of them. Both sides decode each image from its file each time, resize its short side to 286/256 of
the crop by bicubic interpolation, crop, mirror half of them, and give float tensors in [-1, 1] of both domains. With
--cache-gb Instar takes those that fit from its cache. They take turns; the medians are printed, and the median of
the ratios of neighbouring turns with their range: of the clock, for which the machine should have nothing else to
do, and of the seconds of processors, which others disturb less.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from instar.core.batch import Unpaired
from instar.core.config import DataConfig
from instar.data import open_data

SIDE = (400, 320)
SECONDS, AHEAD = 4.0, 8
WORKERS = 2


class Files(Dataset[Any]):
    """The images of one domain, as the authors' data sets read them."""

    def __init__(self, folder: Path, size: int) -> None:
        self.files = sorted(folder.iterdir())
        self.change = transforms.Compose(
            [
                transforms.Resize(round(size * 286 / 256), transforms.InterpolationMode.BICUBIC),
                transforms.RandomCrop(size),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize((0.5,) * 3, (0.5,) * 3),
            ]
        )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> torch.Tensor:
        found: torch.Tensor = self.change(Image.open(self.files[i]).convert("RGB"))
        return found


class Two(Dataset[Any]):
    """One image of each domain."""

    def __init__(self, root: Path, size: int) -> None:
        self.a, self.b = Files(root / "trainA", size), Files(root / "trainB", size)

    def __len__(self) -> int:
        return len(self.a)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.a[i], self.b[int(torch.randint(len(self.b), ()))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--cache-gb", type=float, default=0)
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as cache:
        os.environ["INSTAR_CACHE"] = cache
        for count in args.images:
            root = written(args.folder / f"{count}-{args.size}", count, args.size)
            cfg = DataConfig(roots=(root.absolute(),), size=args.size, cache_gb=args.cache_gb, holdout=0)
            begin = time.perf_counter()
            data = open_data(cfg, 3, Unpaired, 1, seed=0)
            cached = sum(store.cached_bytes for store in data.train.stores.values())
            seconds = time.perf_counter() - begin
            print(f"{count} images: looked at in {seconds:.1f} s before the first run, {cached / 1e9:.1f} GB cached")
            for batch in args.batch:
                compare(cfg, batch, args.pairs)


def compare(cfg: DataConfig, batch: int, pairs: int) -> None:
    loader = open_data(cfg, 3, Unpaired, batch, seed=0).train
    workers = DataLoader(
        Two(cfg.roots[0], cfg.size), batch, shuffle=True, num_workers=WORKERS, drop_last=True, persistent_workers=True
    )

    def endless() -> Iterator[Any]:
        while True:
            yield from workers

    theirs = endless()
    turns: list[tuple[Rate, Rate]] = []
    for turn in range(pairs):
        with loader.stream(turn * 1000) as stream:
            ours = rate(stream, batch)
        turns.append((ours, rate(theirs, batch)))
    print(f"  batch {batch:>2}, Instar with {loader.threads} threads, DataLoader with {WORKERS} workers")
    for what in ("wall", "processor"):
        found = [(getattr(one, what), getattr(other, what)) for one, other in turns]
        ours, other = (statistics.median(side) for side in zip(*found, strict=True))
        low, *_, high = ratios = sorted(one / two for one, two in found)
        print(
            f"    images a second of {what + ':':<11}{ours:5.0f} and {other:5.0f}, "
            f"ratio {statistics.median(ratios):.2f} ({low:.2f} to {high:.2f})"
        )


class Rate(NamedTuple):
    """Images a second, of the clock and of the processor, all processes counted."""

    wall: float
    processor: float


def rate(stream: Iterator[Any], batch: int) -> Rate:
    """Measure how fast batches of two domains come."""
    for _ in range(AHEAD):
        next(stream)
    begin, used, calls = time.perf_counter(), processor_seconds(), 0
    while time.perf_counter() - begin < SECONDS:
        next(stream)
        calls += 1
    images = 2 * batch * calls
    return Rate(images / (time.perf_counter() - begin), images / (processor_seconds() - used))


def processor_seconds() -> float:
    """Return what this process and its workers have used."""
    me = psutil.Process()
    return sum(sum(one.cpu_times()[:2]) for one in (me, *me.children(recursive=True)))


def written(root: Path, count: int, size: int) -> Path:
    """Write smooth random images, as many for each domain, unless they are there."""
    rng = np.random.default_rng(0)
    width, height = (one * size // 256 for one in SIDE)
    for domain in ("trainA", "trainB"):
        folder = root / domain
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(len(list(folder.iterdir())), count // 2):
            coarse = Image.fromarray(rng.integers(0, 256, (20, 25, 3), dtype=np.uint8))
            grain = rng.integers(-12, 13, (height, width, 3))
            pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(int) + grain
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i}.jpg", quality=90)
    return root


if __name__ == "__main__":
    main()
