"""Scores of translations among several domains: the means over all pairs of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from instar.core.errors import Message
from instar.evaluation.report import COPY, REAL, Column, Report
from instar.evaluation.score import Score, by_name
from instar.evaluation.verdict import verdict

SHOWN = 12
"""Pairs up to which each has a score of its own: those of four domains."""


def over_pairs(reports: Sequence[Report], shown: str) -> Report:
    """Return the means of what was measured of each pair of domains.

    Args:
        reports: of the same run, one for each pair, with the same columns.
        shown: name of the score that is given for each pair as well, if there are not too many.
    """
    first = reports[0]
    if len(reports) == 1:
        return first
    titles = [column.title for column in first.columns]
    columns = [_mean([_column(report, title) for report in reports], reports, shown) for title in titles]
    references = {column.title: by_name(column.scores) for column in columns}
    copy, ceiling = references.get(COPY, {}), references.get(REAL, {})
    trained = [
        replace(one, verdict=verdict(by_name(one.scores), copy, ceiling)) if one.step is not None else one
        for one in columns
    ]
    directions = [report.direction for report in reports]
    notes = list(dict.fromkeys(note for report in reports for note in report.notes))
    notes.append(Message(f"all scores are means over {len(reports)} pairs of domains: {', '.join(directions)}"))
    targets = {report.direction.rpartition(" -> ")[2] for report in reports}
    direction = f"each -> {targets.pop()}" if len(targets) == 1 else "all pairs"
    return Report(first.run, first.method, direction, first.protocol, trained, notes)


def _column(report: Report, title: str) -> Column:
    return next((column for column in report.columns if column.title == title), Column(title, []))


def _mean(columns: Sequence[Column], reports: Sequence[Report], shown: str) -> Column:
    """Return the means of the scores that all pairs have, without intervals, and one score for each pair."""
    there = [{score.name: score for score in column.scores} for column in columns]
    means = [
        Score(name, sum(found[name].value for found in there) / len(there), score.better)
        for name, score in there[0].items()
        if all(name in found for found in there)
    ]
    if len(reports) <= SHOWN:
        means += [
            replace(found[shown], name=f"{shown}, {report.direction}")
            for found, report in zip(there, reports, strict=True)
            if shown in found
        ]
    return replace(columns[0], scores=means)
