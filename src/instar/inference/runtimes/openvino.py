"""OpenVINO's intermediate representation (an .xml and a .bin), computed by OpenVINO."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from instar.core.errors import UserError, first_line
from instar.inference.card import KEY, Card
from instar.inference.runtimes.graph import threads

NAME = "OpenVINO"


class OpenVinoGraph:
    """A compiled model.

    Attributes:
        card: what the file says of itself.
        bytes: of both files.
    """

    def __init__(self, path: Path) -> None:
        """Open a file and the one with the weights beside it, and compile them.

        Raises:
            UserError: OpenVINO is not installed, or a file is missing, damaged or not one of Instar's.
        """
        try:
            compiler = core()
        except ImportError as error:
            raise UserError(f"{path} needs {NAME}: pip install '.[openvino]'") from error
        weights = path.with_suffix(".bin")
        if not weights.is_file():
            raise UserError(f"{path}: its weights belong beside it, and there is no {weights.name}")
        self.bytes = path.stat().st_size + weights.stat().st_size
        # Of itself it computes in bfloat16 where the processor can, which is no longer what the run does.
        options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        if threads():
            options["INFERENCE_NUM_THREADS"] = threads()
        try:
            model = compiler.read_model(path, weights)
            said = str(model.get_rt_info([KEY]).value) if model.has_rt_info([KEY]) else ""
            if not said:
                raise UserError(f"{path}: this model was not exported by Instar; give one from `instar.export`")
            self.card = Card.from_json(said, path)
            self._compiled = compiler.compile_model(model, "CPU", options)
        except RuntimeError as error:
            raise UserError(f"{path}: {NAME} cannot read it ({first_line(error)})") from error

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Return `translation` for the inputs that the card names."""
        found: NDArray[Any] = self._compiled(dict(inputs))["translation"]
        return found


@cache
def core() -> Any:
    """Return the one core of this process, which is never freed.

    A core of 2026.4 gives its thread a stack for signals, and puts back the one before when it ends. Of two that end in
    the order of their start, the second puts back the stack that the first has freed: the next signal is a segmentation
    fault.
    """
    import openvino  # noqa: PLC0415  (an extra)

    return openvino.Core()
