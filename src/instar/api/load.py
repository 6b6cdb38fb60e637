"""Trained models from Python."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instar.core.config import Precision
    from instar.inference.base import BaseTranslator


def load(path: str | PathLike[str], device: str = "auto", precision: Precision = "32") -> BaseTranslator:
    """Return the model of a run directory, of one of its checkpoints, or of an exported file, ready to translate.

    Args:
        path: `RUN` (its last checkpoint) or `RUN/checkpoints/step-N`, or a file from `export`, which needs no
            PyTorch; or an address of a shared model: `hf://OWNER/NAME` of a hub, `file:///PATH`.
        device: auto, cpu, cuda or mps.
        precision: 32, bf16 or auto: bf16 takes half of the time where the device has it, and changes results a little;
            auto takes it there, if the first image is close to that of float32.

    Raises:
        UserError: there is no complete checkpoint, or the device is not there.
    """
    from instar.inference.load import load as loaded

    return loaded(path, device, precision)
