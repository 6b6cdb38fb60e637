"""Translate many small images by one process and by a Ray cluster of two nodes on this machine, one of which is killed.

    python benchmarks/cluster.py RUN FOLDER [--images 10000] [--side 64] [--ways 1 2 kill]

RUN is a trained run. Images are drawn into FOLDER/images once, and translated by one process once. Printed are seconds
and images a second of each way, and whether all results are equal bit for bit. The clock starts when the command does:
starting actors counts.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from ray.cluster_utils import Cluster

import instar
from instar.core.events import Event, Worked, ignore


def draw(folder: Path, count: int, side: int) -> None:
    """Draw images that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(len(list(folder.iterdir())), count):
        coarse = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{number:06d}.png")


def files(folder: Path) -> dict[str, bytes]:
    """Return the results of a folder, and its manifest."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".png", ".jsonl")}


def measured(args: argparse.Namespace, name: str, on_event: Callable[[Event], None] = ignore, **more: Any) -> None:
    """Translate one way, and print a line on it."""
    images = args.folder / "images"
    began = time.perf_counter()
    first: list[float] = []

    def listen(event: Event) -> None:
        if isinstance(event, Worked) and event.done and not first:
            first.append(time.perf_counter())
        on_event(event)

    out = args.folder / name.replace(" ", "-")
    done = instar.translate(args.run, images, out, device="cpu", on_event=listen, **more)
    seconds, working = time.perf_counter() - began, time.perf_counter() - first[0]
    equal = files(out) == files(args.folder / "one-process")
    print(
        f"{name}: {done.translated} of {done.total} in {seconds:.0f} s, {args.images / seconds:.1f} images/s; "
        f"{working:.0f} s from the first result on; equal: {equal}; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def main() -> None:
    """Measure each way, and print a line for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--ways", nargs="+", default=["1", "2", "kill"], choices=["1", "2", "kill"])
    args = parser.parse_args()
    images = args.folder / "images"
    draw(images, args.images, args.side)

    if not (args.folder / "one-process/manifest.jsonl").is_file():
        measured(args, "one process")
    # One cluster that grows: Ray does not like two of them in a process.
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    killing = "ray 2 nodes and a kill"
    if "1" in args.ways:
        measured(args, "ray 1 node", ray=made.address)
    last = made.add_node(num_cpus=1)
    made.wait_for_nodes()
    if "2" in args.ways:
        measured(args, "ray 2 nodes", ray=made.address)
    killed: list[float] = []

    def kill(event: Event) -> None:
        if isinstance(event, Worked) and event.done > args.images // 3 and not killed:
            killed.append(event.done / args.images)
            made.remove_node(last, allow_graceful=False)

    if "kill" in args.ways:
        measured(args, killing, kill, ray=made.address)
        print(f"killed after {killed[0]:.0%}", flush=True)
        repeated(args, killing, made.address)
    made.shutdown()


def repeated(args: argparse.Namespace, name: str, address: str) -> None:
    """Remove some results, translate again, and print how many images that took."""
    out = args.folder / name.replace(" ", "-")
    for number in range(0, args.images, args.images // 10):
        (out / f"{number:06d}.png").unlink()
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
    (out / "manifest.jsonl").unlink()
    measured(args, name, ray=address)
    again = sum(path.stat().st_mtime_ns != before.get(path.name) for path in out.glob("*.png"))
    print(f"the same again, with 10 results removed: {again} images were translated", flush=True)


if __name__ == "__main__":
    main()
