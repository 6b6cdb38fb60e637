"""What a campaign found: counted, and printed as one table at the end of the tests."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

KINDS = ("crashes", "hangs", "silent losses", "unequal", "unrecoverable")
"""Of findings. Each should be 0."""
ROUNDS = int(os.environ.get("INSTAR_HOSTILE_ROUNDS", "1"))
"""How many times the cases of the default run are tried, up to all there are."""
_SHOWN = 20


@dataclass
class Found:
    """The findings of one part of the campaign."""

    title: str
    attacks: set[str] = field(default_factory=set)
    """Kinds of attack that were tried."""
    cases: int = 0
    findings: list[tuple[str, str]] = field(default_factory=list)
    """Kind, and what was done and seen."""

    def case(self, attack: str) -> None:
        """Count a case of a kind of attack."""
        self.attacks.add(attack)
        self.cases += 1

    def add(self, kind: str, said: str) -> None:
        """Note a finding."""
        assert kind in KINDS
        self.findings.append((kind, said))

    def row(self) -> dict[str, Any]:
        """Return the figures, as a report of pytest can carry them from process to process."""
        counts = {kind: sum(one == kind for one, _ in self.findings) for kind in KINDS}
        return {"title": self.title, "attacks": len(self.attacks), "cases": self.cases, **counts}


@contextmanager
def recorded(title: str, properties: list[tuple[str, object]]) -> Iterator[Found]:
    """Give a place for findings, put its figures into a test's properties, and fail if there are any findings."""
    found = Found(title)
    try:
        yield found
    except Exception as error:
        found.add("crashes", f"{type(error).__name__}: {error}")
        raise
    finally:
        properties.append(("hostile", found.row()))
    assert found.cases, f"{title}: nothing was tried"
    lines = [f"  {kind}: {said}" for kind, said in found.findings[:_SHOWN]]
    more = [f"  and {len(found.findings) - _SHOWN} more"] if len(found.findings) > _SHOWN else []
    assert not found.findings, "\n".join([f"{title}: {len(found.findings)} findings", *lines, *more])


def table(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the lines of the table, those of one title in one, with a sum."""
    columns = ("attacks", "cases", *KINDS)
    summed: dict[str, dict[str, Any]] = {}
    for row in rows:
        line = summed.setdefault(row["title"], {"title": row["title"], **dict.fromkeys(columns, 0)})
        line.update({column: line[column] + row[column] for column in columns})
    rows = list(summed.values())
    total = {"title": "all", **{column: sum(row[column] for row in rows) for column in columns}}
    wide = max(len(row["title"]) for row in [*rows, total])
    head = f"{'':{wide}}  " + "  ".join(columns)
    return [
        head,
        *(
            f"{row['title']:{wide}}  " + "  ".join(f"{row[column]:>{len(column)},}" for column in columns)
            for row in [*rows, total]
        ),
    ]
