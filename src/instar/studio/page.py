"""The page: its parts side by side, and what passes between them."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import gradio as gr

from instar.studio.context import Studio, refreshed
from instar.studio.tabs import images, runs, scores, train, translate


def page(studio: Studio) -> gr.Blocks:
    """Return the page of a studio."""
    blocks: gr.Blocks = gr.Blocks(title="Instar", analytics_enabled=False, fill_width=True)
    with blocks:
        gr.Markdown(f"# Instar: {studio.root.path.name}", elem_id="title")
        with gr.Tabs() as tabs:
            with gr.Tab("Images", id="images"):
                chosen = images.build(studio)
            with gr.Tab("Train", id="train"):
                asked = train.build(studio)
            with gr.Tab("Runs", id="runs") as of_runs:
                trained = runs.build(studio)
            with gr.Tab("Translate", id="translate") as of_translate:
                translating = translate.build(studio)
            with gr.Tab("Scores", id="scores") as of_scores:
                scored = scores.build(studio)
        _connect(studio, tabs, chosen, asked, trained)
        listed = {"show_progress": "hidden", "api_visibility": "private"}
        of_runs.select(trained["refresh"], trained["run"], trained["run"], **listed)
        of_translate.select(
            lambda name: refreshed(studio.root.models(), name), translating["model"], translating["model"], **listed
        )
        of_scores.select(lambda: gr.update(choices=studio.root.runs()), None, scored["runs"], **listed)
    return blocks


def _connect(
    studio: Studio, tabs: gr.Tabs, chosen: dict[str, Any], asked: dict[str, Any], trained: dict[str, Any]
) -> None:
    """Let images that were looked at be trained with, and a training that was begun be watched."""

    def to_train(first: str, second: str | None, method: str | None, preset: str | None) -> Any:
        if method is None:
            return first, second, *[gr.skip()] * 5
        words, presets, steps, _ = asked["on_method"](method, preset)
        return first, second, method, presets, steps, words, gr.update(selected="train")

    def to_runs(name: str | None) -> Any:
        if not name:
            return gr.skip(), gr.skip()
        return gr.update(choices=[name, *studio.root.runs()], value=name), gr.update(selected="runs")

    chosen["use"].click(
        to_train,
        [chosen["first"], chosen["second"], chosen["method"], chosen["preset"]],
        [*(asked[name] for name in ("first", "second", "method", "preset", "steps", "words")), tabs],
        api_visibility="private",
    )
    asked["begun"].change(to_runs, asked["begun"], [trained["run"], tabs], api_visibility="private")


def theme() -> gr.themes.Base:
    """Return the colours and fonts of all pages of Instar, which are on every machine."""
    light = {
        **{"body_background_fill": "#fff", "background_fill_primary": "#fff", "block_background_fill": "#fff"},
        **{"body_text_color": "#222", "body_text_color_subdued": "#5c5c5c", "block_label_text_color": "#5c5c5c"},
        **{"block_info_text_color": "#5c5c5c", "block_title_text_color": "#222", "input_placeholder_color": "#6b6b6b"},
        **{"button_primary_background_fill": "#1a5fb4", "button_primary_background_fill_hover": "#154d92"},
        **{"button_primary_text_color": "#fff", "color_accent": "#1a5fb4", "input_border_color": "#767676"},
        **{"button_cancel_background_fill": "#a51d2d", "button_cancel_text_color": "#fff"},
        **{"button_secondary_text_color": "#222", "slider_color": "#1a5fb4", "link_text_color": "#1a5fb4"},
    }
    dark = {
        **{"body_background_fill": "#191b1e", "background_fill_primary": "#191b1e", "block_background_fill": "#1f2226"},
        **{"body_text_color": "#e6e6e6", "body_text_color_subdued": "#a5a5a5", "block_label_text_color": "#a5a5a5"},
        **{"block_info_text_color": "#a5a5a5", "block_title_text_color": "#e6e6e6"},
        **{"input_placeholder_color": "#a5a5a5", "input_background_fill": "#25282c"},
        **{"button_primary_background_fill": "#8ab8ff", "button_primary_background_fill_hover": "#a9caff"},
        **{"button_primary_text_color": "#191b1e", "input_border_color": "#8b9096"},
        **{"button_cancel_background_fill": "#f2a4ab", "button_cancel_text_color": "#191b1e"},
        **{"button_secondary_text_color": "#e6e6e6", "slider_color": "#8ab8ff", "link_text_color": "#8ab8ff"},
    }
    base = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    return base.set(**light, **{f"{name}_dark": value for name, value in dark.items()})


def style() -> str:
    """Return what the page adds to Gradio's style."""
    return (files("instar.studio") / "studio.css").read_text(encoding="utf-8")
