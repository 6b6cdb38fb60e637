"""Memory and time of translating large images with the ResNet generator of the papers, whole and in tiles.

    python benchmarks/tiles.py [--sizes 1024 2048] [--tiles none 1024] [--free 8 2] [--blocks 9]
        [--threads 1]

Weights are random. Each case runs in a process of its own. Its largest resident memory, before the image and all in
all, is shown beside the estimate that users are told before it starts. `--free` is the memory, in GB, that it takes to
be free: what tiles keep between two operations fills half of it, and goes to disk beyond. The image, 8-bit RGB, goes in
and comes out as an array. Memory does not depend on the number of residual blocks, time does.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np
import torch

import instar
from instar.core.events import Event, Noted
from instar.core.method import defaults
from instar.core.settings import with_changes
from instar.inference import memory
from instar.inference.tiles import whole
from instar.inference.translator import Translator


def main() -> None:
    """Measure every case, or one, in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=[1024, 2048])
    parser.add_argument("--tiles", nargs="+", default=["none", "1024"])
    parser.add_argument("--free", nargs="+", type=float, default=[8.0, 2.0])
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.sizes[0], args.tiles[0], args.free[0], args.blocks, args.threads)))
        return
    print("| Side | Tiles | Free | Before | Largest memory | CPU seconds | Estimate |\n|" + " --- |" * 7)
    for size in args.sizes:
        for tile in args.tiles:
            for free in args.free if tile != "none" else args.free[:1]:
                line = [sys.executable, __file__, "--one", "--sizes", size, "--tiles", tile, "--free", free]
                command = [*map(str, line), "--blocks", str(args.blocks), "--threads", str(args.threads)]
                done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                cells = [size, tile, f"{free:g} GB" if tile != "none" else ""]
                cells += [f"{done[key]:.2f} GB" for key in ("before", "memory")]
                cells += [f"{done['seconds']:.0f}", done["note"]]
                print("|", " | ".join(map(str, cells)), "|", flush=True)


def measure(size: int, tile: str, free: float, blocks: int, threads: int) -> dict[str, Any]:
    """Translate an image of noise and return the largest memory in GB, the processor's seconds and the estimate."""
    torch.set_num_threads(threads)
    if tile != "none":
        whole.free_bytes = memory.free_bytes = lambda _: int(free * 2**30)
    kind = instar.get("cyclegan")
    config = defaults("cyclegan", kind, "paper")
    torch.manual_seed(0)
    method = kind(with_changes(config.method, {"blocks": blocks}))
    model = Translator(method, config, "cpu")
    image = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    notes: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Noted):
            notes.append(event.text)

    cost = model._cost("b")
    before = largest()
    began = time.process_time()
    if tile == "none":
        notes.append(f"about {whole.gigabytes(cost.bytes * size**2)} of memory")
        model.translate(image)
    else:
        model.translate(image, tile=int(tile) if tile.isdecimal() else "auto", on_event=listen)
    seconds = time.process_time() - began
    return {"before": before, "memory": largest(), "seconds": seconds, "note": "; ".join(notes)}


def largest() -> float:
    """Return the largest resident memory so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 2**30


if __name__ == "__main__":
    main()
