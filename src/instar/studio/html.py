"""HTML that the page shows within Gradio's: from templates, with all values escaped."""

from __future__ import annotations

from collections.abc import Iterable

from instar.core.duration import spoken
from instar.reports.render import environment
from instar.studio.jobs import Status


def lines(text: Iterable[str]) -> str:
    """Return lines for people."""
    return _render("lines.html", lines=list(text))


def note(line: str) -> str:
    """Return a line of success."""
    return _render("said.html", line=line, failed=False)


def warning(line: str) -> str:
    """Return a line that says why something was not done."""
    return _render("said.html", line=line, failed=True)


def frame(address: str, title: str) -> str:
    """Return what shows a page of the studio within its own."""
    return _render("frame.html", address=address, title=title, text="")


def frame_of(text: str, title: str) -> str:
    """Return what shows a page, given as HTML, within its own."""
    return _render("frame.html", text=text, title=title)


def runs(found: Iterable[Status]) -> str:
    """Return where trainings stand."""
    return _render("runs.html", runs=list(found))


def _render(template: str, **values: object) -> str:
    return environment("instar.studio", spoken=spoken).get_template(template).render(values)
