"""A trained model as OpenVINO's intermediate representation: made of the ONNX graph, in single precision."""

from __future__ import annotations

from pathlib import Path

from instar.core.batch import Domain
from instar.core.errors import UserError, first_line
from instar.exporting.cards import UNSTATED
from instar.exporting.onnx_file import check_onnx, write_onnx
from instar.inference.card import KEY, Card
from instar.inference.model import Model


def check_openvino() -> None:
    """Refuse what the extras are needed for, before a model is loaded."""
    check_onnx()
    try:
        import openvino  # noqa: F401, PLC0415  (an extra)
    except ImportError as error:
        raise UserError("exporting to OpenVINO needs openvino: pip install '.[onnx,openvino]'") from error


def write_openvino(model: Model, to: Domain, out: Path, license: str = UNSTATED) -> Card:  # noqa: A002
    """Write one direction of a model as two files, `out` and the weights beside it, which end with .xml and .bin.

    Args:
        model: on the CPU.
        to: key of the domain that it translates into.
        out: the file, which ends with .xml.
        license: what is said about the use of the weights.

    Returns:
        What the files say of themselves.

    Raises:
        UserError: the method cannot be exported.
    """
    import openvino  # noqa: PLC0415  (an extra)

    between = out.with_suffix(".onnx")
    try:
        card = write_onnx(model, to, between, license)
        graph = openvino.convert_model(between)
        graph.set_rt_info(card.as_json(), [KEY])
        openvino.save_model(graph, out, compress_to_fp16=False)
    except RuntimeError as error:
        raise UserError(f"{model.name} cannot be exported to OpenVINO: {first_line(error)}") from error
    finally:
        between.unlink(missing_ok=True)
    return card
