"""Trained models from Python."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instar.core.config import Precision
    from instar.inference.translator import Translator


def load(path: str | PathLike[str], device: str = "auto", precision: Precision = "32") -> Translator:
    """Return the model of a run directory, or of one of its checkpoints, ready to translate.

    Args:
        path: `RUN` (its last checkpoint) or `RUN/checkpoints/step-N`.
        device: auto, cpu, cuda or mps.
        precision: 32 or bf16: bf16 takes half of the time where the device has it, and changes results a little.

    Raises:
        UserError: there is no complete checkpoint, or the device is not there.
    """
    from instar.inference.translator import Translator

    return Translator.load(Path(path), device, precision)
