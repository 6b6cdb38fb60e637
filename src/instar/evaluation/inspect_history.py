"""How training spread its images over the domains that a model found, as its log tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from instar.core.files import read_own
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
    """Return what was logged up to a step; nothing where the run's metrics.jsonl cannot be read, or has no counts."""
    found: list[Window] = []
    for logged, sizes in _rows(checkpoint.parent.parent / "metrics.jsonl"):
        if logged <= step and (not found or len(sizes) == len(found[0].sizes)):
            found.append(Window(found[-1].end if found else 0, logged, sizes))
    return found


def _rows(path: Path) -> Iterator[tuple[int, list[int]]]:
    """Yield steps and counts. Of a run of somebody else any line may be anything."""
    try:
        with read_own(path) as file:
            lines = file.read().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            row = read_json(line)
        except ValueError:  # the last line, while training goes on
            continue
        if not isinstance(row, dict) or not isinstance(row.get(COUNTS), list):
            continue
        numbers = [row.get("step"), *row[COUNTS]]
        if row[COUNTS] and all(isinstance(number, int) and number >= 0 for number in numbers):
            yield row["step"], row[COUNTS]


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
