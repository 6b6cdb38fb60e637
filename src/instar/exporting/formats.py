"""The formats in which models are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from instar.core.batch import Domain
from instar.exporting.onnx_file import check_onnx, write_onnx
from instar.exporting.openvino_file import check_openvino, write_openvino
from instar.exporting.torch_file import write_torch
from instar.inference.card import Card
from instar.inference.model import Model
from instar.inference.runtimes import onnx, openvino, torch


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        suffix: of its file.
        runtime: what computes it, for people.
        write: writes a direction of a model into a file, with what is said about the use of the weights.
        check: refuses what is not installed, before a model is loaded.
    """

    suffix: str
    runtime: str
    write: Callable[[Model, Domain, Path, str], Card]
    check: Callable[[], None] = lambda: None


FORMATS: dict[str, Format] = {
    "onnx": Format(".onnx", onnx.NAME, write_onnx, check_onnx),
    "openvino": Format(".xml", openvino.NAME, write_openvino, check_openvino),
    "torch": Format(".pt2", torch.NAME, write_torch),
}
