"""Memory and time of translating large images with the ResNet generator of the papers, whole and in tiles.

    python benchmarks/tiles.py [--sizes 1024 2048] [--tiles none 1024] [--free 8 2] [--blocks 9]
        [--statistics exact|approximate] [--files] [--threads 1]

Weights are random. Each case runs in a process of its own. Its largest resident memory, before the image and all in
all, is shown beside the estimate that users are told before it starts. `--free` is the memory, in GB, that it takes to
be free: what tiles keep between two operations fills half of it, and goes to disk beyond. The image, 8-bit RGB, goes in
and comes out as an array, or with `--files` as a tiled TIFF. Memory does not depend on the
number of residual blocks, time does.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray

import instar
from instar.core.events import Event, Noted
from instar.core.method import defaults
from instar.core.settings import with_changes
from instar.inference import memory
from instar.inference.tiles import approximate, whole
from instar.inference.translator import Translator


def main() -> None:
    """Measure every case, or one, in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=[1024, 2048])
    parser.add_argument("--tiles", nargs="+", default=["none", "1024"])
    parser.add_argument("--free", nargs="+", type=float, default=[8.0, 2.0])
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--statistics", choices=["exact", "approximate"], default="exact")
    parser.add_argument("--files", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.sizes[0], args.tiles[0], args.free[0], args)))
        return
    print("| Side | Tiles | Free | Before | Largest memory | CPU seconds | Estimate |\n|" + " --- |" * 7)
    for size in args.sizes:
        for tile in args.tiles:
            for free in args.free if tile != "none" else args.free[:1]:
                line = [sys.executable, __file__, "--one", "--sizes", size, "--tiles", tile, "--free", free]
                command = [*map(str, line), "--blocks", str(args.blocks), "--threads", str(args.threads)]
                command += ["--statistics", args.statistics, *["--files"] * args.files]
                done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                cells = [size, tile, f"{free:g} GB" if tile != "none" else ""]
                cells += [f"{done[key]:.2f} GB" for key in ("before", "memory")]
                cells += [f"{done['seconds']:.0f}", done["note"]]
                print("|", " | ".join(map(str, cells)), "|", flush=True)


def measure(size: int, tile: str, free: float, args: argparse.Namespace) -> dict[str, Any]:
    """Translate an image of noise and return the largest memory in GB, the processor's seconds and the estimate."""
    torch.set_num_threads(args.threads)
    if tile != "none":
        for module in (whole, memory, approximate):
            vars(module)["free_bytes"] = lambda _: int(free * 2**30)
    kind = instar.get("cyclegan")
    config = defaults("cyclegan", kind, "paper")
    torch.manual_seed(0)
    method = kind(with_changes(config.method, {"blocks": args.blocks}))
    model = Translator(method, config, "cpu")
    folder = tempfile.TemporaryDirectory()
    image = noise(size, Path(folder.name, "in.tif") if args.files else None)
    notes: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Noted):
            notes.append(event.text)

    cost = model._cost("b")
    before = largest()
    began = time.process_time()
    parts: dict[str, Any] = {"tile": int(tile) if tile.isdecimal() else "auto", "tile_statistics": args.statistics}
    if tile == "none":
        notes.append(f"about {whole.gigabytes(cost.bytes * size**2)} of memory")
        parts = {}
    if isinstance(image, Path):
        done = instar.translate(model, [image], Path(folder.name, "out"), **parts, on_event=listen)
        assert not done.failed, done.failed
    else:
        model.translate(image, **parts, on_event=listen)
    seconds = time.process_time() - began
    return {"before": before, "memory": largest(), "seconds": seconds, "note": "; ".join(notes)}


def noise(size: int, path: Path | None) -> NDArray[np.uint8] | Path:
    """Return an image of noise of which some parts are brighter, as an array or as a file that is made by parts."""
    rng = np.random.default_rng(0)
    light = np.linspace(0.2, 1, size)
    rows = ((rng.random((256, size, 3)) * 255 * light[:, None]).astype(np.uint8) for _ in range(-(-size // 256)))
    if path is None:
        return np.concatenate(list(rows))[:size]
    side = 256
    tiles = (row[:, left : left + side] for row in rows for left in range(0, size, side))
    tifffile.imwrite(path, tiles, shape=(size, size, 3), dtype=np.uint8, tile=(side, side), photometric="rgb")
    return path


def largest() -> float:
    """Return the largest resident memory so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 2**30


if __name__ == "__main__":
    main()
