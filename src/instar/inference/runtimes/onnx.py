"""ONNX files, computed by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from instar.core.errors import UserError, first_line
from instar.inference.card import KEY, Card
from instar.inference.runtimes.graph import threads

NAME = "ONNX Runtime"


class OnnxGraph:
    """A session with a file.

    Attributes:
        card: what the file says of itself.
        bytes: of the file.
    """

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            UserError: ONNX Runtime is not installed, or the file is damaged or not one of Instar's.
        """
        self._session = _session(path)
        self.bytes = path.stat().st_size
        metadata = self._session.get_modelmeta().custom_metadata_map
        if KEY not in metadata:
            raise UserError(f"{path}: this ONNX file was not exported by Instar; give one from `instar.export`")
        self.card = Card.from_json(metadata[KEY], path)

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Return `translation` for the inputs that the card names."""
        try:
            (out,) = self._session.run(["translation"], dict(inputs))
        except Exception as error:  # its errors have no common class of their own
            if "allocate memory" in str(error):
                raise MemoryError(first_line(error)) from error
            raise
        found: NDArray[Any] = out
        return found


def _session(path: Path) -> Any:
    try:
        import onnxruntime  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise UserError(f"{path} needs {NAME}: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as in `run`
        raise UserError(f"{path}: {NAME} cannot read it ({first_line(error)})") from error
