"""Time and memory of opening large sets of images, the first time and again, each in a process of its own.

    python benchmarks/large_sets.py [--counts 1000 10000] [--against CHECKOUT]

The sets are JPEGs of 32 x 32 px of half a kilobyte, half of them in each of two domains, made in a temporary folder
(a file takes at least 4 kB of disk there): decoding takes next to nothing, so that what is measured is what an image
costs besides. Seconds are those of the processor, all threads together; memory is what the process grew by. "First"
decodes into the cache, "again" finds it; with `--against` another checkout does the same in turn, and must draw the
same images.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image


def main() -> None:
    """Print a table of all counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--against", type=Path, help="another checkout of Instar")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measured(given.one)))
        return
    checkouts = {"here": Path(__file__).parent.parent, **({"against": given.against} if given.against else {})}
    print("| images | code | first, CPU s | again, CPU s | again, µs an image | again, MB | fingerprint, CPU s |")
    print("| --- " * 7 + "|")
    for count in given.counts:
        with TemporaryDirectory() as folder:
            write(count, Path(folder) / "images")
            drawn = set()
            for name, checkout in checkouts.items():
                cache = Path(folder) / f"cache-{name}"
                first, again = (in_process(checkout, Path(folder) / "images", cache) for _ in range(2))
                drawn |= {first["drawn"], again["drawn"]}
                each = f"{again['seconds'] / count * 1e6:.0f} | {again['megabytes']:.0f} | {again['fingerprint']:.2f}"
                print(f"| {count:,} | {name} | {first['seconds']:.2f} | {again['seconds']:.2f} | {each} |", flush=True)
            if len(drawn) > 1:
                sys.exit("the images drawn are not the same")


def write(count: int, folder: Path) -> None:
    """Write a set of small images, no two alike."""
    jpeg = io.BytesIO()
    Image.effect_noise((32, 32), 60).convert("RGB").save(jpeg, "JPEG", quality=50)
    for domain in "AB":
        place = folder / f"train{domain}"
        place.mkdir(parents=True)
        for number in range(count // 2):
            (place / f"img_{number}.jpg").write_bytes(jpeg.getvalue() + f"{domain}{number}".encode())


def in_process(checkout: Path, images: Path, cache: Path) -> dict[str, Any]:
    """Measure in a new process with the code of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src"), "INSTAR_CACHE": str(cache)}
    command = [sys.executable, __file__, "--one", str(images)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measured(images: Path) -> dict[str, Any]:
    """Open a set as a training does, and return what it took and what is drawn."""
    from instar.core import registry
    from instar.core.config import DataConfig
    from instar.data.fingerprint import fingerprint
    from instar.data.open import open_data

    kind = registry.get("cyclegan").data
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    data = open_data(DataConfig(roots=(images,), size=32, zoom=1.0), 3, kind, 1, 0)
    seconds = time.process_time() - begin
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3
    begin = time.process_time()
    lines = fingerprint(data.found)
    taken = time.process_time() - begin
    names = [name for step in range(50) for name in data.train.batch(step).names]  # type: ignore[attr-defined]
    drawn = hashlib.sha256(lines + "\n".join(map(str, names)).encode()).hexdigest()
    return {"seconds": seconds, "megabytes": megabytes, "fingerprint": taken, "drawn": drawn}


if __name__ == "__main__":
    main()
