"""Trained models as files for other runtimes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from instar.api.paths import AnyPath
from instar.core.errors import UserError, setting
from instar.core.events import Listener, Worked, ignore

if TYPE_CHECKING:
    from PIL.Image import Image

    from instar.core.batch import Domain
    from instar.core.formats import DomainFormat
    from instar.core.raster import Picture
    from instar.data import ImageRef
    from instar.exporting.result import ExportResult
    from instar.inference.translator import Translator

Format = Literal["onnx"]
IMAGES = 4
"""That both models translate."""


def export(
    run: AnyPath,
    out: AnyPath,
    *,
    to: Format = "onnx",
    domain: str | None = None,
    license: str | None = None,  # noqa: A002
    on_event: Listener | None = None,
) -> ExportResult:
    """Write a trained model as one file for another runtime, and compare both on images.

    The file holds one direction, takes images of any size and number, and says itself what it is. `instar.load` and
    `instar.translate` take it in place of a run.

    Args:
        run: directory of a run (its last checkpoint is used) or one checkpoint.
        out: the file, which ends with .onnx; one that is there is replaced.
        to: format: "onnx", for ONNX Runtime, its web version, and what else reads ONNX.
        domain: that it translates into, by its name or as A or B; the target of the training if None.
        license: what may be done with the weights, in your words, to be kept in the file.
        on_event: told what is being done (`Worked`). If it raises, the work ends and no file is written.

    Raises:
        UserError: the method cannot be exported, the result differs from the run by more than a step of 8-bit pixels,
            or the file cannot be written. There is no new file then.
    """
    from instar.exporting.onnx_file import UNSTATED, check_installed, write_onnx
    from instar.exporting.report import compare
    from instar.exporting.result import ExportResult
    from instar.inference.translator import Translator

    listen, file = ignore if on_event is None else on_event, Path(out)
    if to != "onnx":
        raise UserError(f"{setting('to', to)}: there is no such format; there is: onnx")
    if file.suffix.lower() != ".onnx":
        raise UserError(f"{setting('out', file)}: give a file that ends with .onnx")
    if not file.absolute().parent.is_dir():
        raise UserError(f"{setting('out', file)}: there is no folder {file.parent}")
    if Path(run).suffix.lower() == ".onnx":
        raise UserError(f"{run}: this is an exported model already; give the directory of the run")
    check_installed()
    model = Translator.load(Path(run), "cpu")
    key = model.domain(domain)
    images, about = _images(model, key)
    part = file.with_name(f".{file.stem}.{os.getpid()}.onnx")
    try:
        listen(Worked("exporting", 0, 0))
        card = write_onnx(model, key, part, UNSTATED if license is None else license)
        found = compare(model, model.keys.names[key], part, images, "ONNX Runtime", listen)
        size = part.stat().st_size
        part.replace(file)
    except OSError as error:
        raise UserError(f"{setting('out', file)}: cannot be written ({error.strerror})") from error
    finally:
        part.unlink(missing_ok=True)
    return ExportResult(file, size, card, tuple(found), about)


def _images(model: Translator, to: Domain) -> tuple[Sequence[Picture], str]:
    """Return held-out images of the domain translated from, or drawn ones if there are none; and a word on them."""
    from instar.core import registry
    from instar.core.reading import UnreadableImage
    from instar.data import find, shapes

    source, data = model.keys.opposite(to), model.config.data
    held_out: list[ImageRef] = []
    if data.roots:
        with suppress(UserError):  # the images are not where they were
            held_out = find(data, registry.get(model.name).data).test[source]
    found: list[Picture] = []
    for ref in held_out:
        if len(found) < IMAGES:
            with suppress(UnreadableImage):
                found.append(ref.read())
    if found:
        return found, f"{len(found)} held-out images of {model.keys.names[source]}"
    drawn: list[Picture] = [_as(model.format_into(to), shapes.pair(number)[0]) for number in range(IMAGES)]
    return drawn, f"{IMAGES} drawn images, as the run's own are not there"


def _as(form: DomainFormat, image: Image) -> Picture:
    """Return a drawn image as one of a domain."""
    import numpy as np

    from instar.core.raster import Raster

    if form.plain:
        return image
    gray = np.asarray(image.convert("L"), np.float64)[:, :, None] / 255
    return Raster(form.unscaled(gray.repeat(form.channels, 2)))
