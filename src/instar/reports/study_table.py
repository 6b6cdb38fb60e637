"""The preferences of a study as text."""

from __future__ import annotations

from collections.abc import Callable

from instar.evaluation.study import Preference, Result, Share

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


def title(result: Result) -> str:
    """Return a line that says what was asked of whom."""
    people = f"{result.participants} participant{'s' * (result.participants != 1)}"
    return f"{result.text}  {result.direction}  {people}, {result.answers} answers"


def markdown(result: Result) -> str:
    """Return the table, a column for each pair of runs."""
    header = ["", *(f"A: {pair.a}, B: {pair.b}" for pair in result.pairs)]
    rows = [[name, *(cell(pair) for pair in result.pairs)] for name, cell in ROWS.items()]
    lines = [f"{title(result)}", "", *(_line(cells) for cells in (header, ["---"] * len(header), *rows)), ""]
    return "\n".join(lines + [f"- {note}" for note in (*LEGEND, *result.notes)]) + "\n"


def percent(share: Share) -> str:
    """Return "64.0 % (51.3 to 76.0)", or a dash where no answer counts."""
    if share.value is None or share.low is None or share.high is None:
        return "-"
    return f"{share.value:.1%} ({100 * share.low:.1f} to {100 * share.high:.1f})".replace("%", " %")


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
