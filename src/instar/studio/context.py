"""What all parts of the page share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr

from instar.core.errors import Message, Speller, UserError
from instar.core.events import Event, Listener, Worked
from instar.core.memory import is_out_of_memory
from instar.studio import html
from instar.studio.jobs import Jobs
from instar.studio.models import Models
from instar.studio.root import Root

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Studio:
    """A studio for a folder.

    Attributes:
        root: the folder.
        jobs: its trainings.
        models: that translate.
        speller: writes settings and calls.
        work: folder for uploads and downloads, empty when the studio starts.
    """

    root: Root
    jobs: Jobs
    models: Models
    speller: Speller
    work: Path

    def folders(self, first: object, second: object = None) -> tuple[Path, ...]:
        """Return the folders of a data set as a page names them: one, or one for each domain."""
        return tuple(map(self.root.inside, (first, second) if second else (first,)))

    def lines(self, lines: Iterable[str]) -> str:
        """Return lines for people as HTML."""
        return html.lines(_spelled(line, self.speller) for line in lines)

    def guarded(self, outputs: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Let a handler that fails say why in the first of its outputs, in one line, and leave the others as they are.

        Args:
            outputs: how many it has.
        """

        def around(handler: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(handler)
            def handle(*given: Any, **named: Any) -> Any:
                try:
                    return handler(*given, **named)
                except Exception as error:
                    said = html.warning(self._reason(error))
                return said if outputs == 1 else (said, *[gr.skip()] * (outputs - 1))

            return handle

        return around

    def _reason(self, error: Exception) -> str:
        if isinstance(error, UserError):
            return error.message.spelled(self.speller)
        if is_out_of_memory(error):
            return "out of memory; give fewer or smaller images"
        log.exception("a request failed", exc_info=error)
        return "this is an error of the studio; what it has printed says more"


def told_to(progress: gr.Progress) -> Listener:
    """Return a listener that shows on the page how far a piece of work is."""

    def listen(event: Event) -> None:
        if isinstance(event, Worked):
            progress((event.done, event.total or None), desc=event.what)

    return listen


def choice(
    label: str, names: Sequence[str], place: str, *, several: bool = False, first: bool = False, info: str | None = None
) -> gr.Dropdown:
    """Return a list of what lies in the folder, in which a name can also be typed: who uses it checks it.

    Args:
        label: on the page.
        names: to choose from.
        place: id in the page.
        several: whether several can be chosen.
        first: whether the first one is chosen to begin with.
        info: more words.
    """
    return gr.Dropdown(
        list(names),
        value=names[0] if first and names else None,
        label=label,
        info=info,
        multiselect=several,
        allow_custom_value=True,
        interactive=True,
        elem_id=place,
    )


def refreshed(names: Sequence[str], chosen: str | None) -> Any:
    """Return the update of a list: what is chosen stays, or becomes the first."""
    return gr.update(choices=list(names), value=chosen or (names[0] if names else None))


def _spelled(line: str, speller: Speller) -> str:
    return line.spelled(speller) if isinstance(line, Message) else line
