"""Beginning a training: images, method, preset, how long it takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from instar.api.fit import fit
from instar.api.settings import config_of
from instar.core.choices import choices
from instar.core.config import RunConfig, under_preset
from instar.core.duration import spoken
from instar.core.errors import UserError, nearest, shown
from instar.core.events import Listener, ignore
from instar.core.registry import names
from instar.studio import html
from instar.studio.context import Studio, choice, told_to
from instar.studio.root import RUNS

FOR_CPUS = "small"
"""Preset to begin with, where a method has it."""
PRECISIONS = ("32", "bf16")


@dataclass(frozen=True)
class Asked:
    """A training as the page asks for it."""

    data: tuple[Path, ...]
    method: str
    preset: str
    steps: int
    precision: str
    source: str = ""
    target: str = ""

    def config(self) -> RunConfig:
        """Return its settings.

        Raises:
            UserError: one is wrong, or the method is code that would be run.
        """
        if self.method not in names():
            raise UserError(f"there is no method {shown(self.method)}{nearest(self.method, names())}")
        given = {
            **{"steps": self.steps, "precision": self.precision},
            **{"source": self.source or None, "target": self.target or None},
        }
        return config_of(self.method, self.data, None, self.preset, given)

    def arguments(self, run: Path) -> list[str]:
        """Return the arguments of `instar train` for it."""
        named = {"from": self.source, "to": self.target}
        return [
            *(self.method, *map(str, self.data), "-o", str(run), "--preset", self.preset),
            *("--steps", str(self.steps), "--precision", self.precision),
            *(f"--{name}={value}" for name, value in named.items() if value),
        ]


def usual(method: str, preset: str | None) -> RunConfig:
    """Return the settings of a method under a preset, or under that which suits a CPU.

    Raises:
        UserError: there is no such method or preset.
    """
    known = choices(method)
    chosen = preset if preset in known.presets else FOR_CPUS if FOR_CPUS in known.presets else None
    return under_preset(method, known.options, known.presets, chosen)


def estimate(asked: Asked, on_event: Listener = ignore) -> str:
    """Return how long a training takes on this machine, by some of its steps.

    Raises:
        UserError: it cannot be trained with these settings and images.
    """
    config = asked.config()
    found = fit(
        asked.method,
        asked.data,
        preset=asked.preset,
        batches=[config.train.batch],
        precisions=[asked.precision],
        source=asked.source or None,
        target=asked.target or None,
        steps=asked.steps,
        on_event=on_event,
    ).rows[0]
    seconds = found.seconds or 0.0
    memory = f", {found.memory / 1e9:.1f} GB" if found.memory else ""
    return f"{asked.steps:,} steps: about {spoken(seconds * asked.steps)} here, as busy as it is now{memory}"


def about(config: RunConfig) -> str:
    """Return a line on a method under a preset."""
    preset = choices(config.name).presets[config.preset].about
    return f"{config.preset}: {preset}. {config.data.size} px, {config.train.steps:,} steps, batch {config.train.batch}"


def build(studio: Studio) -> dict[str, Any]:
    """Lay out the part; returns what others use."""
    root, begin = studio.root, usual("quick", None)
    with gr.Row():
        first = choice("folder", root.data(), "train-folder", first=True)
        second = choice(
            "second folder", root.data(), "train-second", info="only if each domain has a folder of its own"
        )
        source = gr.Textbox(label="from", placeholder="domain, by name", max_lines=1)
        target = gr.Textbox(label="to", placeholder="domain, by name", max_lines=1)
    with gr.Row():
        method = gr.Dropdown(names(), value="quick", label="method", elem_id="method")
        preset = gr.Dropdown(list(choices("quick").presets), value=begin.preset, label="preset", elem_id="preset")
        steps = gr.Number(begin.train.steps, precision=0, minimum=1, label="steps", elem_id="steps")
        precision = gr.Dropdown(list(PRECISIONS), value="32", label="precision", elem_id="precision")
        name = gr.Textbox("first", label="name of the run", max_lines=1, elem_id="run-name")
    words = gr.HTML(studio.lines([about(begin)]), elem_classes="lines")
    with gr.Row():
        ask = gr.Button("How long does it take?", elem_id="estimate")
        start = gr.Button("Start", variant="primary", elem_id="start")
    said = gr.HTML(elem_id="train-said")
    fields = [first, second, method, preset, steps, precision, source, target]

    def asked(one: Any, other: Any, way: str, under: str, count: Any, exact: str, of: str, to: str) -> Asked:
        return Asked(studio.folders(one, other), way, under, int(count or 0), exact, of.strip(), to.strip())

    @studio.guarded(4)
    def on_method(way: str, under: str | None) -> Any:
        config = usual(way, under)
        chosen = gr.update(choices=list(choices(way).presets), value=config.preset)
        return studio.lines([about(config)]), chosen, config.train.steps, gr.skip()

    @studio.guarded(1)
    def on_estimate(*given: Any, progress: gr.Progress = gr.Progress()) -> Any:  # noqa: B008
        return html.note(estimate(asked(*given), told_to(progress)))

    @studio.guarded(2)
    def on_start(*given: Any) -> Any:
        *rest, called = given
        wanted = asked(*rest)
        wanted.config()
        run = root.new(RUNS, called)
        begun = studio.jobs.start(run, wanted.arguments(run))
        return html.note(f"started: {begun}; it goes on without this page"), begun

    begun = gr.State()
    outputs = [words, preset, steps, said]
    method.input(on_method, [method, preset], outputs, api_visibility="private")
    preset.input(on_method, [method, preset], outputs, api_visibility="private")
    ask.click(on_estimate, fields, said, api_visibility="private")
    start.click(on_start, [*fields, name], [said, begun], api_visibility="private")
    return {
        **{"first": first, "second": second, "method": method, "preset": preset, "steps": steps},
        **{"words": words, "begun": begun, "start": start, "on_method": on_method},
    }
