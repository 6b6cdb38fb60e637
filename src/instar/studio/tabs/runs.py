"""Trainings: where they stand, their pages, stopping and going on, and their models as files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, cast, get_args
from uuid import uuid4

import gradio as gr

from instar.api.export import Format, export
from instar.api.push import push
from instar.core.errors import UserError, shown
from instar.core.events import Listener, ignore
from instar.exporting.formats import FORMATS
from instar.studio import html
from instar.studio.context import Studio, choice, refreshed, told_to
from instar.studio.routes import address_of

EVERY = 2
"""Seconds between looks at the trainings."""
WHOLE = "run"
"""Form of a download: weights, settings and card, as others can load and train on."""


def resume(studio: Studio, name: str, steps: int | None) -> str:
    """Go on with a run, to `steps` in all if they are given.

    Raises:
        UserError: it is no run, its images lie outside, or a training is at work in it.
    """
    run = studio.root.run(name)
    studio.root.check_images(run)
    status = studio.jobs.status(studio.root.name(run))
    if status and status.state in ("training", "starting"):
        raise UserError(f"{name}: a training is at work there already")
    if status and status.state == "finished" and (steps or 0) <= status.steps:
        raise UserError(f"{name}: it is finished; to train on, give more than {status.steps:,} steps")
    more = ["--steps", str(steps)] if steps else []
    return studio.jobs.start(run, ["--resume", str(run), *more])


def download(studio: Studio, name: str, form: str, on_event: Listener = ignore) -> Path:
    """Write the model of a run as one file, and return its path.

    Args:
        studio: with the run.
        name: of the run.
        form: "run", for a zip of weights, settings and card; or a format of `export`.
        on_event: told what is being done.

    Raises:
        UserError: the run has no checkpoint, or cannot be exported.
    """
    run = studio.root.run(name)
    folder = studio.work / uuid4().hex
    folder.mkdir()
    if form == WHOLE:
        push(run, (folder / run.name).as_uri())
        return Path(shutil.make_archive(str(folder / f"{run.name}-model"), "zip", folder, run.name))
    if form not in FORMATS:
        raise UserError(f"{shown(form)}: there is no such format")
    studio.root.check_images(run)
    to = cast("Format", form)
    parts = folder / "parts"
    parts.mkdir()
    made = export(run, parts / f"{run.name}{FORMATS[form].suffix}", to=to, on_event=on_event)
    alone = len(list(parts.iterdir())) == 1
    return made.path if alone else Path(shutil.make_archive(str(folder / f"{run.name}-{form}"), "zip", parts))


def build(studio: Studio) -> dict[str, Any]:
    """Lay out the part; returns what others use."""
    jobs = studio.jobs
    overview = gr.HTML(html.runs(jobs.all()), elem_id="overview")
    with gr.Row():
        run = choice("run", studio.root.runs(), "run", first=True)
        steps = gr.Number(
            0, precision=0, minimum=0, label="steps in all", info="0: as it was begun; more to train on beyond its end"
        )
    with gr.Row():
        stop = gr.Button("Stop", variant="stop", elem_id="stop")
        go_on = gr.Button("Go on", elem_id="resume")
    with gr.Row(equal_height=True):
        form = gr.Dropdown([WHOLE, *get_args(Format)], value=WHOLE, label="model as", elem_id="form")
        make = gr.Button("Make a file", elem_id="make")
        file = gr.DownloadButton("Download", interactive=False, elem_id="download")
    said = gr.HTML(elem_id="runs-said")
    page = gr.HTML(elem_id="run-page")
    seen = gr.State()
    timer = gr.Timer(EVERY)

    def on_tick(name: str | None, before: str | None) -> Any:
        found = jobs.all()
        if name != before and any(status.name == name and status.method for status in found):
            assert name is not None
            return html.runs(found), html.frame(address_of([name]), f"page of {name}"), name
        return html.runs(found), gr.skip(), gr.skip()

    @studio.guarded(1)
    def on_stop(name: str | None) -> Any:
        jobs.stop(name or "")
        return html.note(f"{name}: it finishes its step and saves")

    @studio.guarded(1)
    def on_resume(name: str, count: int | None) -> Any:
        return html.note(f"{resume(studio, name, count)}: it goes on")

    @studio.guarded(2)
    def on_make(name: str, kind: str, progress: gr.Progress = gr.Progress()) -> Any:  # noqa: B008
        made = download(studio, name, kind, told_to(progress))
        return html.note(f"{made.name}, {made.stat().st_size / 1e6:.1f} MB"), gr.update(value=made, interactive=True)

    timer.tick(on_tick, [run, seen], [overview, page, seen], show_progress="hidden", api_visibility="private")
    run.change(on_tick, [run, seen], [overview, page, seen], show_progress="hidden", api_visibility="private")
    stop.click(on_stop, run, said, api_visibility="private")
    go_on.click(on_resume, [run, steps], said, api_visibility="private")
    make.click(on_make, [run, form], [said, file], api_visibility="private")
    return {"run": run, "refresh": lambda chosen: refreshed(studio.root.runs(), chosen)}
