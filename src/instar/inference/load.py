"""A trained model from where it lies, whatever computes it."""

from __future__ import annotations

from os import PathLike

from instar.core.config import Precision
from instar.core.errors import UserError, setting
from instar.core.store import local
from instar.inference.base import BaseTranslator
from instar.inference.exported import ExportedTranslator, is_exported


def load(path: str | PathLike[str], device: str = "auto", precision: Precision = "32") -> BaseTranslator:
    """Return the model of a run directory, a checkpoint or an exported file; PyTorch is imported only if it computes.

    Args:
        path: of it, or an address: hf://OWNER/NAME of a hub, file:///PATH.
        device: auto, cpu, cuda or mps.
        precision: 32, bf16 or auto; an exported file has its own.

    Raises:
        UserError: there is no complete checkpoint, the file is not one of Instar's, or the device is not there; or
            the model cannot be fetched.
    """
    path = local(path)
    if is_exported(path):
        if precision == "bf16":
            raise UserError(f"{setting('precision', precision)}: an exported graph has its own; take the run")
        return ExportedTranslator.load(path, device)
    from instar.inference.translator import Translator  # noqa: PLC0415  (seconds of torch)

    return Translator.load(path, device, precision)
