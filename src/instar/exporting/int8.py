"""Eight-bit integers in place of floats in an OpenVINO file, by NNCF, with ranges measured on images of the run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from instar.core.abilities import Styled, supports
from instar.core.errors import UserError, first_line
from instar.core.raster import Picture
from instar.exporting.cards import quiet
from instar.exporting.report import fitted
from instar.inference.exported import ExportedTranslator
from instar.inference.translator import Translator

IMAGES = 100
"""On which ranges are measured."""


def check_int8() -> None:
    """Refuse what the extra is needed for, before a model is loaded."""
    os.environ.setdefault("NNCF_CI", "1")  # NNCF reports its use to its makers where this is not set
    try:
        with quiet():
            import nncf  # noqa: F401, PLC0415  (an extra)
    except ImportError as error:
        raise UserError("exporting with int8 needs nncf: pip install '.[onnx,openvino,int8]'") from error


def to_int8(model: Translator, to: str, file: Path, images: Sequence[Picture]) -> None:
    """Write an exported file anew: convolutions and products with 8-bit weights and inputs.

    Args:
        model: of the run.
        to: name of the domain that the file translates into.
        file: from `write_openvino`.
        images: of the domain translated from, of any size; they are cut to that of the training.

    Raises:
        UserError: NNCF cannot do it.
    """
    import nncf  # noqa: PLC0415  (an extra)
    import openvino  # noqa: PLC0415

    from instar.inference.runtimes.openvino import core  # noqa: PLC0415

    exported, size, form = ExportedTranslator.load(file), model.trained_at, model.format_into(model.domain(to))
    given = []
    for number, image in enumerate(images):
        x = fitted(image, form, size, size).numpy()
        style = model.styles(1, seed=number, to=to).numpy() if supports(model.method, Styled) else None
        given.append(exported.given(x, style, exported.noise(x.shape, number)))
    try:
        with quiet():
            made = nncf.quantize(
                core().read_model(file),
                nncf.Dataset(given),
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(given),
            )
        part = file.with_stem(f"{file.stem}-int8")  # the old weights are in use until the new ones are there
        openvino.save_model(made, part, compress_to_fp16=False)
        for suffix in (".bin", ".xml"):
            part.with_suffix(suffix).replace(file.with_suffix(suffix))
    except RuntimeError as error:
        raise UserError(f"{model.name} cannot be exported with int8: {first_line(error)}") from error
