"""Run directories for pages: settings, numbers, pictures and a log, without any training."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from instar.core import registry
from instar.core.method import defaults
from instar.core.run import write_config
from instar.core.settings import with_changes

COLUMNS = 4
SIDE = 32


def make(run: Path, method: str = "cyclegan", steps: int = 4, **options: Any) -> Path:
    """A run of 10 steps of which some are done. Tiles have colours: 20 a step, 40 a column, 60 a row."""
    run.mkdir()
    config = defaults(method, registry.get(method), "tiny")
    config = replace(
        config,
        method=with_changes(config.method, options),
        data=replace(config.data, source="horse", target="zebra & <b>"),
        train=replace(config.train, steps=10),
    )
    write_config(config, run)
    rows = 4 if method == "cyclegan" else 2
    (run / "samples").mkdir()
    for step in range(0, steps + 1, 2):
        picture(run, step, rows)
    numbers = [
        {
            "step": step,
            "seconds": 30.0 * step,
            "images_per_second": 2.5,
            "G/gan_g": 1.0 / (step + 1),
            "G/cycle_x": 0.5,
            "G/grad_norm": 9.0,
            "D/y_real": 0.25,
        }
        for step in range(1, steps + 1)
    ]
    numbers.append({"step": steps, "validation/Colours-KID": 0.25})
    numbers.append({"step": steps, "held-out/change (L1)": 12.5})
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in numbers) + '{"step": 9, "half')
    (run / "copies.json").write_text('{"validation/Colours-KID": 0.5}')
    (run / "run.log").write_text(
        "2026-01-02 03:04:05,678 INFO A: 400 images\n"
        "2026-01-02 03:05:05,678 WARNING step 3 skipped: G/gan_g is not finite; images: <img src=x>.png\n"
    )
    return run


def picture(run: Path, step: int, rows: int) -> None:
    cell = SIDE + 2
    sheet = np.full((rows * cell + 2, COLUMNS * cell + 2, 3), 255, np.uint8)
    for r in range(rows):
        for c in range(COLUMNS):
            y, x = r * cell + 2, c * cell + 2
            sheet[y : y + SIDE, x : x + SIDE] = (20 * step, 40 * c, 60 * r)
    Image.fromarray(sheet).save(run / "samples" / f"step-{step:09d}.png")
