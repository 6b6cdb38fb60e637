"""The page of an evaluation: a row for each score, with its interval drawn."""

from __future__ import annotations

from instar.core.errors import Speller
from instar.evaluation.report import Report
from instar.evaluation.score import ARROWS, Score
from instar.reports.intervals import Interval, Scale
from instar.reports.render import render


def page(report: Report, speller: Speller) -> str:
    """Return the page as HTML."""
    names = list(dict.fromkeys(score.name for column in report.columns for score in column.scores))
    return render(
        "scores.html",
        title=report.run,
        report=report,
        rows=[_row(report, name) for name in names],
        notes=[note.spelled(speller) for note in report.notes],
    )


def _row(report: Report, name: str) -> dict[str, object]:
    found = [{score.name: score for score in column.scores}.get(name) for column in report.columns]
    better = next(score.better for score in found if score)
    cells = [_text(score) for score in found]
    intervals = [Interval(score.value, score.low, score.high) if score else None for score in found]
    bars = map(Scale.of(intervals).bar, intervals)
    return {"name": f"{name} {ARROWS[better]}".strip(), "cells": list(zip(cells, bars, strict=True))}


def _text(score: Score | None) -> tuple[str, str]:
    """Return a score and its 95 % interval in words."""
    if score is None:
        return "", ""
    places = 1 if abs(score.value) >= 20 else 2 if abs(score.value) >= 5 else 4
    if score.low is None or score.high is None:
        return f"{score.value:.{places}f}", ""
    return f"{score.value:.{places}f}", f"{score.low:.{places}f} to {score.high:.{places}f}"
