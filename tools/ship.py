"""Make a trained model that ships: of a run on a drawn set, weights that translate in float16, card and examples.

    python tools/ship.py KIND RUN

It goes to src/instar/shipped/KIND. Nothing is written if a translation of a newly drawn picture differs by more than
one grey level from that in float32.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import instar
from instar.core.files import folder_at_once
from instar.core.store import DEMO, EXAMPLES, SHIPPED
from instar.data.drawn.kinds import kind
from instar.data.drawn.oracle import Oracle
from instar.evaluation.drawn import DrawnScores
from instar.sharing.folder import Words, write_shared

SIZE = 64
FIRST, COUNT = 10_000, 100
"""Of the pictures that are drawn anew: far from those of any set."""
SHOWN = 8


def main() -> None:
    """Make one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind")
    parser.add_argument("run", type=Path)
    args = parser.parse_args()
    drawn = kind(args.kind)
    scenes = [drawn.scene("easy", "test", "A", FIRST + number) for number in range(COUNT)]
    pictures = [Image.fromarray(drawn.draw(scene, SIZE)) for scene in scenes]
    expected = [np.asarray(image) for image in instar.load(args.run, "cpu").translate(pictures)]
    with tempfile.TemporaryDirectory() as scratch, folder_at_once(SHIPPED / args.kind) as part:
        words = Words(
            f"400 and 400 pictures, unpaired, {drawn.about}, drawn by code of Instar: "
            f"`python -m instar.data.drawn {args.kind} FOLDER easy`. On other images it was never trained.",
            "apache-2.0",
            Path(scratch, "scores.json"),
            Path(scratch, "picture.png"),
        )
        readings = {
            str(number): Oracle(drawn, scene, SIZE).read(image)
            for number, (scene, image) in enumerate(zip(scenes, expected, strict=True))
        }
        found = DrawnScores(readings)
        scores = {
            "drawn target share": found.target,
            "drawn strength": found.strength,
            "drawn change elsewhere (L1)": found.outside,
        }
        column = {
            "title": f"{COUNT} pictures drawn anew",
            "scores": [{"name": k, "value": v} for k, v in scores.items()],
        }
        words.scores.write_text(json.dumps({"columns": [column]}))  # type: ignore[union-attr]
        _sheet(pictures, expected).save(words.picture)  # type: ignore[arg-type]
        write_shared(args.run, part, f"{DEMO}{args.kind}", words, torch.float16)
        made = [np.asarray(image) for image in instar.load(part, "cpu").translate(pictures)]
        apart = max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(expected, made, strict=True))
        if apart > 1:
            sys.exit(f"float16 is off by {apart} grey levels")
        (part / EXAMPLES).mkdir()
        for number, picture in enumerate(pictures[:SHOWN]):
            picture.save(part / EXAMPLES / f"{number + 1}.png", optimize=True)
    sys.stdout.write(f"{SHIPPED / args.kind}: {scores}, float16 is off by {apart} at most\n")


def _sheet(pictures: list[Image.Image], made: list[np.ndarray]) -> Image.Image:
    rows = [np.concatenate([np.asarray(one) for one in row[:SHOWN]], 1) for row in (pictures, made)]
    sheet = Image.fromarray(np.concatenate(rows))
    return sheet.resize((2 * sheet.width, 2 * sheet.height), Image.Resampling.NEAREST)


if __name__ == "__main__":
    main()
