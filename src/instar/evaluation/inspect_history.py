"""How training spread its images over the domains that a model found, as its log tells."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from instar.core.plain import read_json

COUNTS = "domains"
"""Name under which methods count the images of their domains (`Objective.counts`)."""
LATELY = 100
"""Images for each domain, the last ones of training, among which empty domains are looked for."""


@dataclass(frozen=True)
class Window:
    """How many images of training were in each domain, over the steps from `start` to `end`."""

    start: int
    end: int
    sizes: list[int]


def history(checkpoint: Path, step: int) -> list[Window]:
    """Return what was logged up to a step; nothing where the run's metrics.jsonl is not there, or has no counts."""
    path = checkpoint.parent.parent / "metrics.jsonl"
    found: list[Window] = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        with suppress(ValueError, TypeError, KeyError):  # the last line, while training goes on
            row = read_json(line)
            if COUNTS in row and row["step"] <= step:
                found.append(Window(found[-1].end if found else 0, row["step"], row[COUNTS]))
    return found


def recent(windows: Sequence[Window]) -> Window | None:
    """Return the last windows as one, with at least `LATELY` images for each domain; None if there are fewer."""
    sizes: list[int] = []
    for window in reversed(windows):
        sizes = [a + b for a, b in zip(sizes or [0] * len(window.sizes), window.sizes, strict=True)]
        if sum(sizes) >= LATELY * len(sizes):
            return Window(window.start, windows[-1].end, sizes)
    return None


def bins(windows: Sequence[Window], most: int) -> list[Window]:
    """Return at most `most` windows: neighbours are taken together."""
    n = min(most, len(windows))
    parts = [windows[i * len(windows) // n : (i + 1) * len(windows) // n] for i in range(n)]
    return [
        Window(part[0].start, part[-1].end, [sum(one) for one in zip(*(window.sizes for window in part), strict=True)])
        for part in parts
    ]
