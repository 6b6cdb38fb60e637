"""Choosing images: what is in a folder, what is wrong with it, and what to do with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from instar.api.advise import DataAdvice, advise
from instar.api.check import check
from instar.core.errors import Message, UserError
from instar.core.evenly import evenly
from instar.core.events import Listener, ignore
from instar.core.files import folder_at_once
from instar.core.images import viewable
from instar.core.reading import UnreadableImage
from instar.data.check import Report
from instar.data.drawn import sets
from instar.data.drawn.kinds import KINDS
from instar.studio import html
from instar.studio.context import Studio, choice, refreshed, told_to
from instar.studio.root import DRAWN

SHOWN, SIDE = 6, 128
"""Images of each domain and split that are shown, and their longer side in pixels."""


@dataclass(frozen=True)
class Looked:
    """What a data set turned out to be."""

    report: Report
    advice: DataAdvice | None
    why: Message | None
    """There is no advice."""


def look(data: Sequence[Path], on_event: Listener = ignore) -> Looked:
    """Read every file of a data set, and say what to do with it.

    Raises:
        UserError: there are no images.
    """
    report = check(data, on_event=on_event)
    try:
        return Looked(report, advise(data, time=False, on_event=on_event), None)
    except UserError as error:
        return Looked(report, None, error.message)


def thumbnails(report: Report) -> Iterator[tuple[Any, str]]:
    """Yield small pictures of some images of each part, with a word on where they are from."""
    for group in report.groups:
        for fact in evenly(group.readable(), SHOWN):
            try:
                picture = viewable(fact.ref.read()).copy()
            except UnreadableImage:  # gone in the meantime
                continue
            picture.thumbnail((SIDE, SIDE))
            yield picture, f"{group.domain}, {group.split}"


def draw(studio: Studio, kind: str) -> str:
    """Draw a set to try things with, and return the name of its folder.

    Raises:
        UserError: there is no such kind, or the folder is there.
    """
    out = studio.root.new(DRAWN, kind)
    with folder_at_once(out) as part:
        sets.write(kind, part)
    return studio.root.name(out)


def _told(label: str, place: str) -> gr.HTML:
    """Return a place for lines, beside another one where the window is wide."""
    with gr.Column(min_width=320):
        return gr.HTML(label=label, show_label=True, container=True, elem_classes="lines", elem_id=place)


def build(studio: Studio) -> dict[str, Any]:
    """Lay out the part; returns what others use."""
    root = studio.root
    with gr.Row():
        first = choice(
            "folder", root.data(), "images-folder", first=True, info="with the images of two domains, or of one"
        )
        second = choice(
            "second folder", root.data(), "images-second", info="only if each domain has a folder of its own"
        )
    with gr.Row():
        button = gr.Button("Look at the images", variant="primary", elem_id="look")
        use = gr.Button("Train with them", interactive=False, elem_id="use")
    said = gr.HTML(elem_id="images-said")
    with gr.Row():
        findings = _told("What was found", "findings")
        advice = _told("What to do with them", "advice")
    gallery = gr.Gallery(label="some of them", show_label=False, interactive=False, elem_id="thumbnails")
    method, preset = gr.State(), gr.State()
    with gr.Accordion("No images at hand? Draw some", open=False):
        kind = gr.Dropdown(sorted(KINDS), value="mask", label="what changes between the two domains")
        drawing = gr.Button("Draw 400 images of each domain", elem_id="draw")

    @studio.guarded(7)
    def on_look(one: str, other: str | None, progress: gr.Progress = gr.Progress()) -> Any:  # noqa: B008
        found = look(studio.folders(one, other), told_to(progress))
        lines = found.advice.lines()[:-1] if found.advice else [found.why or ""]
        problems = found.report.problems
        return (
            html.note(f"{problems} problem{'s' * (problems != 1)} found"),
            studio.lines(found.report.lines()),
            studio.lines(lines),
            list(thumbnails(found.report)),
            found.advice.method if found.advice else None,
            found.advice.preset if found.advice else None,
            gr.update(interactive=True),
        )

    @studio.guarded(2)
    def on_draw(name: str) -> Any:
        made = draw(studio, name)
        return html.note(f"drawn: {made}"), refreshed(root.data(), made)

    outputs = [said, findings, advice, gallery, method, preset, use]
    button.click(on_look, [first, second], outputs, api_visibility="private")
    drawing.click(on_draw, kind, [said, first], api_visibility="private")
    return {"first": first, "second": second, "use": use, "method": method, "preset": preset}
