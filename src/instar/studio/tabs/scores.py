"""Scores of a run, and runs beside each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from instar.api.compare import compare
from instar.api.evaluate import evaluate, report_page
from instar.core.errors import UserError, nearest, shown
from instar.core.events import Listener, ignore
from instar.studio import html
from instar.studio.context import Studio, choice, told_to
from instar.studio.root import COMPARISONS
from instar.studio.routes import address_of, address_of_table

EXTRACTORS = ("efficientnet", "inception")
"""The first has its weights in a package; the second fetches them when it is first used."""


def chosen(studio: Studio, names: list[str] | None, extractor: str) -> list[Path]:
    """Return runs whose images may be read.

    Raises:
        UserError: there is none, one is no run, its images lie outside, or the extractor is code that would be run.
    """
    if extractor not in EXTRACTORS:
        raise UserError(f"there are no features {shown(extractor)}{nearest(extractor, EXTRACTORS)}")
    if not names:
        raise UserError("choose a run")
    runs = [studio.root.run(name) for name in names]
    for run in runs:
        studio.root.check_images(run)
    return runs


def score(studio: Studio, names: list[str] | None, extractor: str, on_event: Listener = ignore) -> str:
    """Score a run on its held-out images, and return the page of the scores."""
    runs = chosen(studio, names, extractor)
    if len(runs) > 1:
        raise UserError("choose one run to score, or compare several")
    report = evaluate(runs[0], extractor=extractor, on_event=on_event)
    return report_page(replace(report, run=studio.root.name(runs[0])), speller=studio.speller)


def compared(studio: Studio, names: list[str] | None, extractor: str, name: str, on_event: Listener = ignore) -> str:
    """Score runs on the same images, and return the name of the folder with the table."""
    runs, out = chosen(studio, names, extractor), studio.root.new(COMPARISONS, name)
    compare(runs, out, extractor=extractor, on_event=on_event)
    return studio.root.name(out)


def build(studio: Studio) -> dict[str, Any]:
    """Lay out the part; returns what others use."""
    with gr.Row():
        runs = choice("runs", studio.root.runs(), "chosen", several=True)
        extractor = gr.Dropdown(
            list(EXTRACTORS),
            value=EXTRACTORS[0],
            label="features",
            info="inception, of the FID and KID of the literature, is fetched when it is first used",
            elem_id="extractor",
        )
        name = gr.Textbox("first", label="name of the comparison", max_lines=1, elem_id="comparison")
    with gr.Row():
        one = gr.Button("Score one", elem_id="score")
        several = gr.Button("Compare", variant="primary", elem_id="compare")
        beside = gr.Button("Samples and curves side by side", elem_id="beside")
    said = gr.HTML(elem_id="scores-said")
    page = gr.HTML(elem_id="scores-page")

    @studio.guarded(2)
    def on_score(names: list[str], features: str, progress: gr.Progress = gr.Progress()) -> Any:  # noqa: B008
        text = score(studio, names, features, told_to(progress))
        return html.note("scored"), html.frame_of(text, "scores")

    @studio.guarded(2)
    def on_compare(
        names: list[str],
        features: str,
        called: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Any:
        made = compared(studio, names, features, called, told_to(progress))
        return html.note(f"written: {made}"), html.frame(address_of_table(made), "comparison")

    @studio.guarded(2)
    def on_beside(names: list[str] | None) -> Any:
        if not names:
            raise UserError("choose runs")
        known = [studio.root.name(studio.root.run(one)) for one in names]
        return "", html.frame(address_of(known), "runs side by side")

    one.click(on_score, [runs, extractor], [said, page], api_visibility="private")
    several.click(on_compare, [runs, extractor, name], [said, page], api_visibility="private")
    beside.click(on_beside, runs, [said, page], api_visibility="private")
    return {"runs": runs}
