"""Trained models as files for other runtimes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from instar.api.paths import AnyPath
from instar.core.errors import UserError, setting
from instar.core.events import Listener, Worked, ignore

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from instar.core.batch import Domain
    from instar.core.formats import DomainFormat
    from instar.core.raster import Picture
    from instar.data import ImageRef
    from instar.exporting.report import Features
    from instar.exporting.result import ExportResult
    from instar.inference.translator import Translator

Format = Literal["onnx", "openvino", "torch"]
IMAGES = 4
"""That both models translate."""


def export(
    run: AnyPath,
    out: AnyPath,
    *,
    to: Format = "onnx",
    domain: str | None = None,
    int8: bool = False,
    license: str | None = None,  # noqa: A002
    on_event: Listener | None = None,
) -> ExportResult:
    """Write a trained model for another runtime, and compare both on images.

    The file (OpenVINO's are two, of one name) holds one direction, takes images of any size and number, and says itself
    what it is. `instar.load` and `instar.translate` take it in place of a run.

    Args:
        run: directory of a run (its last checkpoint is used) or one checkpoint.
        out: the file, which ends as its format says; one that is there is replaced.
        to: format: "onnx" (.onnx), for ONNX Runtime, its web version, and what else reads ONNX; "openvino" (.xml,
            with a .bin beside it); "torch" (.pt2), a program of `torch.export`.
        domain: that it translates into, by its name or as A or B; the target of the training if None.
        int8: of OpenVINO: compute with 8-bit integers, whose ranges are measured on training images of the run. It is
            faster where the processor has instructions for it, and differs by more than a step of 8-bit pixels: by how
            much the result says.
        license: what may be done with the weights, in your words, to be kept in the file.
        on_event: told what is being done (`Worked`). If it raises, the work ends and no file is written.

    Raises:
        UserError: the method cannot be exported, the result differs from the run by more than a step of 8-bit pixels
            (without `int8`), or the file cannot be written. There is no new file then.
    """
    from instar.exporting.cards import UNSTATED
    from instar.exporting.formats import FORMATS
    from instar.exporting.report import MOST, compare
    from instar.exporting.result import ExportResult
    from instar.inference.exported import is_exported
    from instar.inference.translator import Translator

    listen, file = ignore if on_event is None else on_event, Path(out)
    if to not in FORMATS:
        raise UserError(f"{setting('to', to)}: there is no such format; there is: {', '.join(FORMATS)}")
    form = FORMATS[to]
    if file.suffix.lower() != form.suffix:
        raise UserError(f"{setting('out', file)}: give a file that ends with {form.suffix}")
    if not file.absolute().parent.is_dir():
        raise UserError(f"{setting('out', file)}: there is no folder {file.parent}")
    if is_exported(Path(run)):
        raise UserError(f"{run}: this is an exported model already; give the directory of the run")
    form.check()
    if int8:
        _check_int8(to)
    model = Translator.load(Path(run), "cpu")
    key = model.domain(domain)
    images, about = _images(model, key)
    measured_on = _training_images(model, key) if int8 else ()
    try:
        with TemporaryDirectory(prefix=f".{file.stem}.", dir=file.absolute().parent) as folder:
            part = Path(folder, file.name)
            listen(Worked("exporting", 0, 0))
            card = form.write(model, key, part, UNSTATED if license is None else license)
            name, most = model.keys.names[key], MOST
            if int8:
                from instar.exporting.int8 import to_int8

                listen(Worked("measuring ranges for int8", 0, 0))
                to_int8(model, name, part, measured_on)
                most = 1.0
            found = compare(model, name, part, images, form.runtime, listen, _features(), most)
            parts = sorted(Path(folder).iterdir())
            size = sum(one.stat().st_size for one in parts)
            for one in parts:
                one.replace(file.with_name(one.name))
    except OSError as error:
        raise UserError(f"{setting('out', file)}: cannot be written ({error.strerror})") from error
    return ExportResult(file, size, card, tuple(found), about)


def _check_int8(to: Format) -> None:
    from instar.exporting.int8 import check_int8

    if to != "openvino":
        raise UserError(f"{setting('int8')} goes with {setting('to', 'openvino')} alone, not with {setting('to', to)}")
    check_int8()


def _training_images(model: Translator, to: Domain) -> list[Picture]:
    """Return training images of the domain translated from, evenly out of all, to measure on."""
    from instar.core import registry
    from instar.core.evenly import evenly
    from instar.core.reading import UnreadableImage
    from instar.data import find
    from instar.exporting.int8 import IMAGES as MEASURED

    found: list[Picture] = []
    if model.config.data.roots:
        refs = find(model.config.data, registry.get(model.name).kind_of(model.config.method)).train[
            model.keys.opposite(to)
        ]
        for ref in evenly(refs, MEASURED):
            with suppress(UnreadableImage):
                found.append(ref.read())
    if not found:
        raise UserError(f"{setting('int8')} measures on training images, and those of this run are not there")
    return found


def _features() -> Features | None:
    """Return what tells the features of images for a distance, without asking the network; None if it is not there."""
    from instar.core.images import colour
    from instar.exporting.report import Features
    from instar.metrics.extractors import load_extractor
    from instar.metrics.kid import kernel_distance_of_equals

    try:
        extractor = load_extractor("efficientnet")
    except UserError:  # an extra
        return None

    def distance(one: Tensor, other: Tensor) -> float:
        return kernel_distance_of_equals(*(extractor.features([colour(images)]) for images in (one, other)))

    return Features(extractor.title("KID"), distance)


def _images(model: Translator, to: Domain) -> tuple[Sequence[Picture], str]:
    """Return held-out images of the domain translated from, or drawn ones if there are none; and a word on them."""
    from instar.core import registry
    from instar.core.reading import UnreadableImage
    from instar.data import find, shapes

    source, data = model.keys.opposite(to), model.config.data
    held_out: Sequence[ImageRef] = []
    if data.roots:
        with suppress(UserError):  # the images are not where they were
            held_out = find(data, registry.get(model.name).kind_of(model.config.method)).test[source]
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
