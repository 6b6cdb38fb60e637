"""What an evaluation found."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from instar.core.errors import Message, UserError
from instar.evaluation.score import Score

COPY, LAST, BEST, REAL = "copy of the input", "last", "best on validation", "real images"
"""Titles of columns."""


@dataclass(frozen=True)
class Column:
    """The scores of one set of weights, or of no model at all."""

    title: str
    scores: list[Score]
    step: int | None = None
    minutes: float | None = None
    """Of training up to there."""
    verdict: str = ""
    """The scores in words (`instar.evaluation.verdict`), where there are enough of them."""

    def __post_init__(self) -> None:
        names = [score.name for score in self.scores]
        for name in names:
            if names.count(name) > 1:  # of what Instar measures all names differ
                raise UserError(f"two scores are called {name!r}; give the registered metric another name")


@dataclass(frozen=True)
class Report:
    """All that was measured, and on what."""

    run: str
    method: str
    direction: str
    protocol: str
    """Extractor, resize, sizes of images and of samples."""
    columns: list[Column]
    notes: list[Message] = field(default_factory=list)
    """What a reader of the scores must know, a line each."""

    def as_json(self) -> str:
        """Return it as JSON, for other programs."""
        return json.dumps(asdict(self), indent=1)
