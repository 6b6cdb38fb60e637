"""Programs of `torch.export`, computed by PyTorch without the code of a method."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instar.core.errors import UserError, first_line
from instar.inference.card import KEY, Card

NAME = "torch.export"


class TorchGraph:
    """A program.

    Attributes:
        card: what the file says of itself.
        bytes: of the file.
    """

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            UserError: PyTorch is not installed, or the file is damaged or not one of Instar's.
        """
        try:
            import torch  # noqa: PLC0415  (seconds, and what other formats do without)
        except ImportError as error:
            raise UserError(f"{path} needs PyTorch: pip install torch") from error
        extra: dict[str, Any] = {KEY: ""}
        try:
            program = torch.export.load(path, extra_files=extra)
        except Exception as error:  # whatever it makes of bytes that could be anything
            raise UserError(f"{path}: PyTorch cannot read it ({first_line(error)})") from error
        if not extra[KEY]:
            raise UserError(f"{path}: this program was not exported by Instar; give one from `instar.export`")
        try:  # of some networks a size of one block would be refused, as the example was larger
            self._program = program.module(check_guards=False)
        except TypeError:  # of older versions, which ask for no such thing
            self._program = program.module()
        self._torch, self.bytes = torch, path.stat().st_size
        self.card = Card.from_json(extra[KEY], path)

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Return `translation` for the inputs that the card names."""
        count = len(inputs["image"])
        return np.concatenate(
            [self._one({name: array[n : n + 1] for name, array in inputs.items()}) for n in range(count)]
        )

    def _one(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Return the translation of one image: programs hold the number of images."""
        given = {name: self._torch.tensor(array) for name, array in inputs.items()}
        arguments: list[Any] = [given["image"], *([given["style"]] if self.card.style_size else [])]
        if self.card.noise:
            arguments += [None, tuple(given[one.name] for one in self.card.noise)]
        with self._torch.inference_mode():
            found: NDArray[Any] = self._program(*arguments).numpy()
        return found
