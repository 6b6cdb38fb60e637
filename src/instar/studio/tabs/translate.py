"""Translating an image, in one style or several, and looking at it before and after."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import gradio as gr

from instar.core.abilities import Clustered, Styled, supports
from instar.core.errors import UserError
from instar.core.images import save, viewable
from instar.core.reading import UnreadableImage, read
from instar.studio import html
from instar.studio.context import Studio, choice

if TYPE_CHECKING:
    from PIL.Image import Image

    from instar.core.raster import Picture
    from instar.inference.base import BaseTranslator

STYLES = 8
"""Most styles that are drawn at once."""


@dataclass(frozen=True)
class Facts:
    """What can be chosen for a model."""

    targets: tuple[str, ...]
    styles: bool
    line: str

    @classmethod
    def of(cls, model: BaseTranslator) -> Facts:
        """Ask a model. One that translates nothing is a `UserError`."""
        model.domain(None)
        own = list(map(str, model.own_domains())) if supports(model.method, Clustered) else []
        styles = supports(model.method, Styled)
        said = ", with styles" if styles else ""
        return cls(
            (*own, *model.targets),
            styles,
            f"{model.name}, trained at {model.trained_at} px, to {model.targets[0]}{said}",
        )


@dataclass(frozen=True)
class Wanted:
    """How an image is to be translated."""

    to: str | None = None
    seed: int = 0
    count: int = 1
    reference: Path | None = None


def translated(model: BaseTranslator, image: Path, wanted: Wanted) -> tuple[Picture, list[Picture]]:
    """Return an image, and its translations: one, or one for each style.

    Raises:
        UserError: the file cannot be read, or the model cannot do that.
    """
    try:
        picture = read(image)
        if wanted.reference is not None:
            style = model.style_of(wanted.reference, wanted.to)
            return picture, [model.translate(picture, wanted.to, seed=wanted.seed, style=style)]
    except UnreadableImage as error:
        raise UserError(f"the image cannot be read ({error})") from error
    if wanted.count > 1:
        styles = model.styles(min(wanted.count, STYLES), seed=wanted.seed, to=wanted.to)
        return picture, [model.translate(picture, wanted.to, seed=wanted.seed, style=style) for style in styles]
    return picture, [model.translate(picture, wanted.to, seed=wanted.seed)]


def written(studio: Studio, pictures: Sequence[Picture], name: str) -> Path:
    """Write results for a download, with all that their kind of picture holds: one as it is, several as a zip."""
    above = studio.work / uuid4().hex
    folder = above / name
    folder.mkdir(parents=True)
    ends = [""] if len(pictures) == 1 else [f"-style{i + 1}" for i in range(len(pictures))]
    files = [folder / f"{name}{end}{_suffix(picture)}" for end, picture in zip(ends, pictures, strict=True)]
    for file, picture in zip(files, pictures, strict=True):
        save(picture, file)
    return files[0] if len(files) == 1 else Path(shutil.make_archive(str(above / name), "zip", folder))


def _suffix(picture: Picture) -> str:
    from PIL import Image as Pillow  # noqa: PLC0415

    return ".png" if isinstance(picture, Pillow.Image) and picture.mode not in ("F", "CMYK", "YCbCr") else ".tif"


def build(studio: Studio) -> dict[str, Any]:
    """Lay out the part; returns what others use."""
    with gr.Row():
        model = choice("model", studio.root.models(), "model")
        to = gr.Dropdown([], label="to", interactive=True, elem_id="to")
        seed = gr.Number(0, precision=0, minimum=0, label="seed", elem_id="seed")
        count = gr.Slider(1, STYLES, 1, step=1, label="styles", visible=False, elem_id="styles")
    about = gr.HTML(elem_id="translate-said")
    with gr.Row():
        image = gr.Image(type="filepath", label="image", sources=["upload", "clipboard"], elem_id="upload")
        reference = gr.Image(
            type="filepath",
            label="in the style of this image",
            sources=["upload", "clipboard"],
            visible=False,
            elem_id="reference",
        )
        slider = gr.ImageSlider(
            label="before and after", type="pil", format="png", interactive=False, elem_id="slider", max_height=640
        )
    with gr.Row():
        button = gr.Button("Translate", variant="primary", elem_id="translate")
        files = gr.DownloadButton("Download", interactive=False, elem_id="translated")
    gallery = gr.Gallery(label="styles", columns=4, visible=False, interactive=False, height="auto", elem_id="results")

    @studio.guarded(4)
    def on_model(name: str | None) -> Any:
        if not name:
            return "", gr.skip(), gr.skip(), gr.skip()
        facts = Facts.of(studio.models.get(studio.root.inside(name)))
        shown = gr.update(visible=facts.styles)
        targets = gr.update(choices=list(facts.targets), value=facts.targets[0])
        return html.note(facts.line), targets, gr.update(visible=facts.styles, value=1), shown

    @studio.guarded(4)
    def on_translate(
        name: str, given: str | None, target: str | None, chance: Any, styles: int, like: str | None
    ) -> Any:
        if given is None:
            raise UserError("give an image")
        wanted = Wanted(target or None, int(chance or 0), int(styles), Path(like) if like else None)
        before, after = translated(studio.models.get(studio.root.inside(name)), Path(given), wanted)
        made = written(studio, after, f"{Path(given).stem}-translated")
        seen: list[Image] = [viewable(one) for one in after]
        pair = (viewable(before), seen[0])
        return (
            html.note(f"translated: {before.width} x {before.height} px"),
            gr.update(value=pair),
            gr.update(value=seen, visible=len(seen) > 1),
            gr.update(value=made, interactive=True),
        )

    model.change(on_model, model, [about, to, count, reference], api_visibility="private")
    button.click(
        on_translate,
        [model, image, to, seed, count, reference],
        [about, slider, gallery, files],
        api_visibility="private",
    )
    return {"model": model}
