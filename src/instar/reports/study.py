"""The page of a study with people, and the preferences that it found as a table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence

import numpy as np

from instar.evaluation.study import Preference, Question, Share, StudyResult, random_names
from instar.evaluation.study_images import StudyImages
from instar.reports import data_uris
from instar.reports.render import render

ROWS: dict[str, Callable[[Preference], str]] = {
    "A is better": lambda pair: percent(pair.share_a),
    "B is better": lambda pair: percent(pair.share_b),
    "not sure": lambda pair: percent(pair.unsure),
    "A, not sure left out": lambda pair: percent(pair.decided),
    "B, not sure left out": lambda pair: percent(pair.decided.other()),
    "A, not sure as halves": lambda pair: percent(pair.halved),
    "B, not sure as halves": lambda pair: percent(pair.halved.other()),
    "participants": lambda pair: str(pair.participants),
    "answers": lambda pair: str(pair.answers),
}
"""What is said of a pair of runs."""

LEGEND = (
    "in brackets: 95 % interval by bootstrap, over participants and over questions",
    "every answer counts alike: a participant who answered more weighs more",
)


def page(shown: StudyImages, questions: Sequence[Question], text: str, seed: int = 0) -> tuple[str, str]:
    """Return the fingerprint of a study and its page, which names neither runs nor files.

    Pictures go by random names and in their order, so that nothing tells which of them are of one run. They are PNG:
    JPEG would add faults of its own.
    """
    everything = [[data_uris.png(image) for image in images] for images in (shown.inputs, *shown.translations)]
    random = np.random.default_rng((seed, 1))  # other names than those of the questions
    names = iter(random_names(sum(len(part) for part in everything), random))
    named = [[next(names) for _ in part] for part in everything]
    by_name = {
        name: uri for row, part in zip(named, everything, strict=True) for name, uri in zip(row, part, strict=True)
    }
    content = {
        "question": text,
        "questions": [
            {
                "id": one.id,
                "input": named[0][one.input],
                "left": named[1 + one.left][one.input],
                "right": named[1 + one.right][one.input],
            }
            for one in questions
        ],
        "pictures": dict(sorted(by_name.items())),
    }
    study = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]
    return study, render("study.html", title="Which picture is better?", study={"study": study, **content})


def title(result: StudyResult) -> str:
    """Return a line that says what was asked of whom."""
    people = f"{result.participants} participant{'s' * (result.participants != 1)}"
    return f"{result.text}  {result.direction}  {people}, {result.answers} answers"


def markdown(result: StudyResult) -> str:
    """Return the preferences, a column for each pair of runs."""
    header = ["", *(f"A: {pair.a}, B: {pair.b}" for pair in result.pairs)]
    rows = [[name, *(cell(pair) for pair in result.pairs)] for name, cell in ROWS.items()]
    return render("study.md", title=title(result), header=header, rows=rows, notes=[*LEGEND, *result.notes])


def percent(share: Share) -> str:
    """Return "64.0 % (51.3 to 76.0)", or a dash where no answer counts."""
    if share.value is None or share.low is None or share.high is None:
        return "-"
    return f"{share.value:.1%} ({100 * share.low:.1f} to {100 * share.high:.1f})".replace("%", " %")
