"""Fingerprints of short trainings, to show that a change of the code changes no result.

    python benchmarks/fingerprints.py -o BEFORE.json          in the old checkout
    python benchmarks/fingerprints.py --against BEFORE.json   in the new one

Trains each method for 20 steps of its preset `tiny`, and again with options that its other presets use, on images drawn
by code, on one thread in float32. A fingerprint covers all weights, averaged weights, the optimisers' averages, and
every logged number but those of the clock. Fingerprints of two machines differ: processors round differently.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

CASES = {
    "bicyclegan": "bicyclegan",
    "bicyclegan/pix2pix": "bicyclegan --method.mode pix2pix",
    "bicyclegan/same-d": "bicyclegan --method.same-d --method.conditional --method.inject input",
    "bicyclegan/cvae": "bicyclegan --method.mode cvae",
    "bicyclegan/clr": "bicyclegan --method.mode clr",
    "cogan": "cogan",
    "cut": "cut",
    "cut/fastcut": "cut --method.nce-y 0 --method.flip --method.nce-x 10",
    "cut/external": "cut --method.negatives both --method.bank 64",
    "cut/monce": "cut --method.contrast monce --method.epsilon 0.1",
    "cut/src": "cut --method.contrast src --method.nce-x 0.1 --method.nce-y 0.1",
    "cut/attention": "cut --method.queries attention",
    "cyclegan": "cyclegan",
    "cyclegan/small": "cyclegan --method.identity 0 --method.patch-norm spectral --method.antialias --method.skip",
    "dclgan": "dclgan",
    "dclgan/simdcl": "dclgan --method.similarity 10 --method.nce 1",
    "distancegan": "distancegan",
    "distancegan/self": "distancegan --method.between top-bottom --method.no-two-sided",
    "distancegan/one-sided": "distancegan --method.no-two-sided --method.cycle 0 --method.identity 0 --method.pool 0"
    " --method.patch-norm spectral",
    "dann": "dann",
    "drit": "drit",
    "drit/features": "drit --method.inject features --method.mode-seeking 1",
    "funit": "funit",
    "gcgan": "gcgan",
    "gcgan/separate": "gcgan --method.no-shared --method.mix random",
    "gcgan/one-way": "gcgan --method.cycle 0 --method.maps hflip --method.patch-norm spectral",
    "i2sb": "i2sb",
    "i2sb/straight": "i2sb --method.no-noise --method.condition --method.patch 2",
    "munit": "munit",
    "pix2pix": "pix2pix",
    "pix2pix/augment": "pix2pix --method.augment",
    "pix2pix/running": "pix2pix --method.norm running --method.no-test-noise --batch 2",
    "quick": "quick",
    "quick/bf16": "quick --precision bf16 --size 64 --method.side 64 --method.penalty 0.5 --method.structure 0",
    "santa": "santa",
    "santa/small": "santa --method.path 0.1 --method.skip --method.patch-norm spectral --method.blocks 3",
    "spade": "spade",
    "spade/instance": "spade --method.norm instance --method.patch-layers 3",
    "starganv2": "starganv2",
    "stegogan": "stegogan",
    "stegogan/small": "stegogan --method.identity 0 --method.skip --method.patch-norm spectral --method.antialias",
    "transgaga": "transgaga",
    "transgaga/shared": "transgaga --method.shared --method.inject concat",
    "transgaga/paper": "transgaga --method.anchor 0 --method.equivariance 0 --method.no-swap",
    "tunit": "tunit",
    "tunit/separate": "tunit --method.mode separate",
    "tunit/restarts": "tunit --method.restarts 4 --method.both",
    "tunit/semi": "tunit --method.mode semi --method.domains 2",
    "tunit/sup": "tunit --method.mode sup --method.domains 2",
    "ugatit": "ugatit",
    "ugatit/full": "ugatit --method.no-light --method.side 32",
    "ugatit/ablations": "ugatit --method.attention none --method.norm layer --method.shared-cam",
    "unit": "unit",
    "unit/munit": "unit --method.generator munit --method.discriminator munit --method.adversary lsgan"
    " --method.shared 0 --method.scales 2",
    "unit/tied": "unit --method.discriminator tied --method.normed",
    "unit-adaptation": "unit-adaptation",
    "unit-adaptation/small": "unit-adaptation --channels 1 --method.gray none --method.alike --method.warp 1",
    "unsb": "unsb",
    "unsb/small": "unsb --method.skip --method.patch-norm spectral --method.blocks 3 --method.nce-y 0",
}
"""Command lines of `instar train` by name, less the images, the preset and what follows from it."""

CLOCK = ("seconds", "images_per_second")
WATCHED = "held-out/"
"""How the names of what is measured of a training begin, which is not what is trained."""


def main() -> None:
    """Fingerprint all cases, or one in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(CASES), metavar="CASE")
    parser.add_argument("-o", "--out", type=Path, help="JSON file for the fingerprints")
    parser.add_argument("--against", type=Path, help="such a file; exit code 1 if a fingerprint differs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        images, digits = draw(Path(folder))
        found = {}
        for case in args.only:
            found[case] = fingerprint(CASES[case].split(), images, digits, Path(folder) / "runs" / case)
            print(f"{case}: {found[case]}", flush=True)
    if args.out:
        args.out.write_text(json.dumps(found, indent=1) + "\n")
    if args.against:
        before = json.loads(args.against.read_text())
        differ = [case for case in found if found[case] != before.get(case)]
        print(f"{len(found) - len(differ)} of {len(found)} equal" + "".join(f"\ndiffers: {case}" for case in differ))
        sys.exit(bool(differ))


def draw(folder: Path) -> tuple[Path, Path]:
    """Write 24 pairs of drawn animals, and two sets of digits, and return their folders."""
    from instar.data.shapes import write

    write(folder / "animals", 24, 8)
    rng = np.random.default_rng(0)
    for name in ("plain", "bold"):
        arrays: dict[str, Any] = {}
        for split, count in (("train", 64), ("test", 16)):
            arrays[f"x_{split}"] = rng.integers(0, 256, (count, 28, 28), np.uint8)
            arrays[f"y_{split}"] = np.arange(count, dtype=np.uint8) % 10
        np.savez(folder / f"{name}.npz", **arrays)
    return folder / "animals", folder


def fingerprint(flags: list[str], images: Path, digits: Path, run: Path) -> str:
    """Train 20 steps in a process of its own and return a digest of what came out."""
    data = [str(digits / "plain.npz"), str(digits / "bold.npz")] if flags[0] == "unit-adaptation" else [str(images)]
    done = subprocess.run(
        [sys.executable, "-m", "instar.cli", "train", flags[0], *data, "-o", run, "--preset", "tiny", *flags[1:]],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "INSTAR_CACHE": str(images.parent / "cache"), "COLUMNS": "200"},
    )
    if done.returncode:
        sys.exit(f"{' '.join(flags)}: exit code {done.returncode}: {done.stderr}")
    from safetensors.numpy import load_file

    digest = hashlib.blake2b(digest_size=12)
    last = max((run / "checkpoints").iterdir())
    for file in ("method", "averages", "optimizers"):
        if not (last / f"{file}.safetensors").exists():
            continue
        for name, values in sorted(load_file(last / f"{file}.safetensors").items()):
            digest.update(f"{file} {name} {values.shape} {values.dtype}".encode())
            digest.update(values.tobytes())
    for line in (run / "metrics.jsonl").read_text().splitlines():
        row = {key: value for key, value in sorted(json.loads(line).items()) if key not in CLOCK}
        if any(key.startswith(WATCHED) for key in row):
            continue
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
