"""What methods came to on sets whose kind of change is known: the table behind `instar.advise`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import mean
from typing import Any

from instar.evaluation.kind_of_change import Kind


@dataclass(frozen=True)
class MeasuredRow:
    """One run of one method."""

    kind: Kind
    set: str
    """Images on which it was trained and scored."""
    method: str
    preset: str
    steps: int
    cpu_seconds: float
    target: float
    """Target share in MobileNet's features, 0..1."""
    kid: float
    """MobileNet-KID."""
    kid_of_copies: float
    seen: str
    """What fourteen translations show, by eye."""
    settings: Mapping[str, Any]
    """Other settings than those of the preset, by their dotted names."""
    ceiling: float | None = None
    """Target share of real images, where it was measured."""
    oracle: float | None = None
    """Drawn target share, of drawn sets."""


@cache
def measured_rows() -> tuple[MeasuredRow, ...]:
    """Return all rows, each a run of one seed at 64 px."""
    text = files("instar.evaluation").joinpath("measured_kinds.json").read_text(encoding="utf-8")
    return tuple(MeasuredRow(**row) for row in json.loads(text)["rows"])


def best_rows(kind: Kind) -> tuple[MeasuredRow, ...]:
    """Return the rows of the method and preset that is best for a kind of change; none where nothing was measured.

    That which was tried on most sets, as one set says little; of those, the one with the largest mean target share.
    """
    choices: dict[tuple[str, str], list[MeasuredRow]] = {}
    for row in measured_rows():
        if row.kind == kind:
            choices.setdefault((row.method, row.preset), []).append(row)
    if not choices:
        return ()
    best = max(choices, key=lambda choice: (len(choices[choice]), mean(row.target for row in choices[choice])))
    return tuple(choices[best])
