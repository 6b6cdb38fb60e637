"""What large sets of images cost: the first start, the next one, the first batch, memory, and images a second.

    python benchmarks/sets.py FOLDER PHOTOS [--counts 1000 10000 50000 200000] [--side 64] [--cache-gb 8]
                              [--against CHECKOUT] [--seconds 8]

Writes JPEGs of PHOTOS into FOLDER once, half of them in each of two domains: random parts of the photographs with some
noise, so that no two are alike and their bytes are those of photographs. Each start is a process of its own that opens
the set as a training does, asks for its first batch, and for the lines by which a checkpoint knows its images; then
batches of 16 are drawn for some seconds, and beside them those of torch's DataLoader with two workers, of the same
files with the same resizing, crops and flips. Before, one crop of each of some files is compared, which must be equal.

Seconds are those of the processor, of all threads and processes, but for the first batch, which is by the clock, since
nothing but the program had been loaded. Memory is what the largest of the process, shared pages of the cache included,
grew by. "Settled" is when a set that fits the cache is in it. Numbers that are known already are not measured again:
they lie in FOLDER/results.json. With --against another checkout does the same, and must draw the same images.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

BATCH, WORKERS, AHEAD, COMPARED = 16, 2, 8, 8
WIDER = 1.25
"""Longer side of the files by the shorter one."""


def main() -> None:
    """Measure what is not known yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10_000, 50_000, 200_000])
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--cache-gb", type=float, default=8.0)
    parser.add_argument("--against", type=Path, help="another checkout of Instar")
    parser.add_argument("--seconds", type=float, default=8.0, help="of drawing batches")
    parser.add_argument("--one", choices=["first", "again", "loader"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        doing = torch_loader if args.one == "loader" else opened
        print(json.dumps(doing(args.folder, args.side, args.cache_gb, args.seconds)))
        return
    checkouts = {"here": Path(__file__).parent.parent, **({"against": args.against} if args.against else {})}
    for count in args.counts:
        images = written(args.folder / f"{count}-{args.side}", args.photos, count, args.side)
        for name, checkout in checkouts.items():
            found = measured(args, images, name, checkout)
            print(row(count, name, found), flush=True)


def row(count: int, name: str, found: dict[str, dict[str, Any]]) -> str:
    """Return a line of the table."""
    first, again, loader = found["first"], found["again"], found["loader"]
    cells = [
        f"{count:,}",
        name,
        f"{first['first_batch']:.1f}",
        f"{first['opening']:.1f}",
        f"{first['settled']:.1f}",
        f"{again['opening']:.2f}",
        f"{again['opening'] / count * 1e6:.1f}",
        f"{again['lines']:.2f}",
        f"{again['megabytes']:.0f}",
        f"{again['rate']:,.0f} and {loader['rate']:,.0f}",
        f"{again['rate_cpu']:,.0f} and {loader['rate_cpu']:,.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def measured(args: argparse.Namespace, images: Path, name: str, checkout: Path) -> dict[str, dict[str, Any]]:
    """Return what is measured of a set with a checkout, what is known already included."""
    results = args.folder / "results.json"
    known = json.loads(results.read_text()) if results.exists() else {}
    cache = args.folder / "cache"
    mine: dict[str, dict[str, Any]] = known.setdefault(f"{images.name} {args.cache_gb:g} GB {name}", {})
    if "again" not in mine:
        shutil.rmtree(cache, ignore_errors=True)
        for which in ("first", "again"):
            mine[which] = in_process(which, images, args, checkout, cache)
        shutil.rmtree(cache, ignore_errors=True)
    if mine["first"]["drawn"] != mine["again"]["drawn"]:
        sys.exit("the first start and the next one draw other images")
    loader = known.setdefault(f"{images.name} loader", {})
    if not loader:
        loader |= in_process("loader", images, args, checkout, cache)
    results.write_text(json.dumps(known, indent=1))
    drawn = {
        one["first"]["drawn"] for key, one in known.items() if key.startswith(f"{images.name} ") and "first" in one
    }
    if len(drawn) > 1:
        sys.exit("the images drawn are not the same")
    return {**mine, "loader": loader}


def in_process(which: str, images: Path, args: argparse.Namespace, checkout: Path, cache: Path) -> dict[str, Any]:
    """Measure in a new process with the code of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src"), "INSTAR_CACHE": str(cache)}
    command = [sys.executable, __file__, str(images), "-", "--one", which, "--side", str(args.side)]
    command += ["--cache-gb", str(args.cache_gb), "--seconds", str(args.seconds)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def opened(images: Path, side: int, cache_gb: float, seconds: float) -> dict[str, Any]:
    """Open a set as a training does, and return what it took and what is drawn."""
    import torchvision.transforms  # noqa: F401  (its memory is not that of the set)

    from instar.core import registry
    from instar.core.config import DataConfig
    from instar.data.fingerprint import fingerprint
    from instar.data.open import open_data

    kind = registry.get("cyclegan").data
    held, begin, used = megabytes(), time.perf_counter(), time.process_time()
    data = open_data(DataConfig(roots=(images.absolute(),), size=side, cache_gb=cache_gb), 3, kind, BATCH, 0)
    first = data.train.batch(0)
    first_batch, opening = time.perf_counter() - begin, time.process_time() - used
    begin_lines = time.process_time()
    lines = fingerprint(data.found)
    taken = time.process_time() - begin_lines
    settle = getattr(data.train, "settle", None)
    if settle:
        settle()
    settled = time.process_time() - used
    batches = [first, *(data.train.batch(step) for step in range(1, 20))]
    pixels = [batch.images[domain].numpy().tobytes() for batch in batches for domain in sorted(batch.images)]
    drawn = hashlib.sha256(lines + b"".join(pixels)).hexdigest()
    grown = megabytes() - held
    check_equal(data, images, side)
    with data.train.stream(20) as stream:
        each, each_cpu = rate(stream, seconds)
    return {
        "first_batch": first_batch,
        "opening": opening,
        "settled": settled,
        "lines": taken,
        "megabytes": grown,
        "drawn": drawn,
        "rate": each,
        "rate_cpu": each_cpu,
    }


def check_equal(data: Any, images: Path, side: int) -> None:
    """Compare what both sides make of files: the middle of each must be equal number by number."""
    from torchvision import transforms

    files = {str(path): path for path in (images / "trainA").iterdir()}
    store = data.train.stores["a"]
    crop = transforms.CenterCrop(side)
    for i in range(min(COMPARED, len(store))):
        pixels = store[i]
        theirs = tensor(crop(resized(files[store.names[i]], side)))
        top, left = (round((extent - side) / 2) for extent in pixels.shape[:2])
        ours = pixels[top : top + side, left : left + side].transpose(2, 0, 1) / np.float32(127.5) - 1
        if not np.allclose(ours, theirs.numpy(), atol=1e-6):
            sys.exit(f"{store.names[i]}: the two loaders give other numbers")


def resized(path: Path, side: int) -> Image.Image:
    """Return an image as both sides resize it: its short side to 286/256 of the crops."""
    from torchvision import transforms

    with Image.open(path) as image:
        change = transforms.Resize(round(side * 286 / 256), transforms.InterpolationMode.BICUBIC)
        found: Image.Image = change(image.convert("RGB"))
    return found


def tensor(image: Image.Image) -> Any:
    """Return an image as numbers in [-1, 1]."""
    from torchvision import transforms

    return transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)])(image)


class Files:
    """The images of two domains, for torch's DataLoader."""

    def __init__(self, images: Path, side: int) -> None:
        from torchvision import transforms

        self.a, self.b = (sorted((images / name).iterdir()) for name in ("trainA", "trainB"))
        self.side = side
        self.cut = transforms.Compose([transforms.RandomCrop(side), transforms.RandomHorizontalFlip()])

    def __len__(self) -> int:
        return len(self.a)

    def __getitem__(self, i: int) -> Any:
        import torch

        other = self.b[int(torch.randint(len(self.b), ()))]
        return tuple(tensor(self.cut(resized(path, self.side))) for path in (self.a[i], other))


def torch_loader(images: Path, side: int, cache_gb: float, seconds: float) -> dict[str, Any]:
    """Draw batches by torch's DataLoader."""
    from torch.utils.data import DataLoader

    del cache_gb
    held = megabytes()
    files: Any = Files(images, side)
    workers = DataLoader(files, BATCH, shuffle=True, num_workers=WORKERS, drop_last=True, persistent_workers=True)

    def endless() -> Iterator[Any]:
        while True:
            yield from workers

    each, each_cpu = rate(endless(), seconds)
    return {"rate": each, "rate_cpu": each_cpu, "megabytes": megabytes() - held}


def rate(stream: Iterator[Any], seconds: float) -> tuple[float, float]:
    """Return the images a second of both domains, of the clock and of the processor, all processes counted."""
    for _ in range(AHEAD):
        next(stream)
    begin, used, calls = time.perf_counter(), processor_seconds(), 0
    while time.perf_counter() - begin < seconds:
        next(stream)
        calls += 1
    images = 2 * BATCH * calls
    return images / (time.perf_counter() - begin), images / (processor_seconds() - used)


def processor_seconds() -> float:
    """Return what this process and its workers have used."""
    me = psutil.Process()
    return sum(sum(one.cpu_times()[:2]) for one in (me, *me.children(recursive=True)))


def megabytes() -> float:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def written(root: Path, photos: Path, count: int, side: int) -> Path:
    """Write a set unless it is there: random parts of photographs, with noise, of natural bytes."""
    if (root / "done").exists():
        return root
    found = [path for path in sorted(photos.rglob("*")) if path.suffix.lower() in (".jpg", ".jpeg", ".png")][:300]
    height, width = round(side * 286 / 256), round(side * 286 / 256 * WIDER)
    pool = []
    for path in found:
        with Image.open(path) as image:
            scale = 1.6 * max(height / image.height, width / image.width)
            large = image.convert("RGB").resize((round(image.width * scale), round(image.height * scale)))
        pool.append(np.asarray(large))
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 4, (4 * height, 4 * width, 3)).astype(np.int16)
    for domain in "AB":
        (root / f"train{domain}").mkdir(parents=True, exist_ok=True)
        for number in range(count // 2):
            photo = pool[int(rng.integers(len(pool)))]
            top, left = (
                int(rng.integers(extent - part)) for extent, part in zip(photo.shape[:2], (height, width), strict=True)
            )
            down, right = int(rng.integers(3 * height)), int(rng.integers(3 * width))
            pixels = photo[top : top + height, left : left + width] + noise[down : down + height, right : right + width]
            part_of = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            part_of.save(root / f"train{domain}" / f"img_{number}.jpg", quality=90)
    (root / "done").touch()
    return root


if __name__ == "__main__":
    main()
