"""Files of weights: read without running what is in them, and taken name by name, so that nothing is left unseen."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from instar.core.errors import UserError

_UNUSED = re.compile(r"(.*\.)?(running_mean|running_var|num_batches_tracked|filt)")
"""What old norms kept and nobody used, and fixed filters of blurs."""
_PARALLEL = "module."


class Weights:
    """The tensors of one network by the names that its authors gave them.

    Each is to be taken; `finish` refuses what is left over.
    """

    def __init__(self, path: Path, tensors: Mapping[str, Any], what: str) -> None:
        """Check that these are tensors, and take the prefix off that several GPUs leave.

        Args:
            path: of the file, for messages.
            tensors: by name.
            what: they should be, in words for messages.

        Raises:
            UserError: some are no tensors, or hold numbers that are not finite.
        """
        self.path, self.what = path, what
        parallel = bool(tensors) and all(str(name).startswith(_PARALLEL) for name in tensors)
        self._left: dict[str, Tensor] = {}
        for name, tensor in tensors.items():
            if not isinstance(tensor, Tensor):
                raise UserError(f"{path}: {name} is no tensor; give the file of weights of {what}")
            if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                raise UserError(f"{path}: {name} holds numbers that are not finite")
            self._left[name.removeprefix(_PARALLEL) if parallel else name] = (
                tensor.float() if tensor.is_floating_point() else tensor
            )
        self._taken: dict[str, Tensor] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def look(self, name: str) -> Tensor:
        """Return a tensor without taking it; that it is not there is an error."""
        found = self._left.get(name, self._taken.get(name))
        if found is None:
            raise self.misfit(f"there is no {name}")
        return found

    def take(self, name: str) -> Tensor:
        """Return a tensor that will not be asked for again."""
        found = self.look(name)
        self._left.pop(name, None)
        self._taken[name] = found
        return found

    def layer(self, name: str, bias: bool | None = True) -> dict[str, Tensor]:
        """Take weight and bias of a layer; with None the bias is taken if there is one."""
        wanted = bias or (bias is None and f"{name}.bias" in self)
        return {part: self.take(f"{name}.{part}") for part in ("weight", *(["bias"] if wanted else []))}

    def count(self, pattern: str) -> int:
        """Return how many names match a regular expression as a whole."""
        return sum(re.fullmatch(pattern, name) is not None for name in [*self._left, *self._taken])

    def numbers(self, pattern: str) -> list[int]:
        """Return the numbers, in order, that the group of a regular expression catches in names."""
        found = (re.fullmatch(pattern, name) for name in [*self._left, *self._taken])
        return sorted({int(match[1]) for match in found if match})

    def misfit(self, why: str) -> UserError:
        """Return the error for weights of something else."""
        return UserError(f"{self.path}: these are not the weights of {self.what}: {why}")

    def finish(self) -> None:
        """Refuse weights of which some were not taken."""
        left = [name for name in self._left if not _UNUSED.fullmatch(name)]
        if left:
            more = f" and {len(left) - 1} more" if len(left) > 1 else ""
            raise self.misfit(f"it has no place for {left[0]}{more}")


def read(path: Path) -> Mapping[str, Any]:
    """Read a file that torch has saved, without running any code that it may hold.

    Raises:
        UserError: it is not there, holds more than tensors and plain values, or is no such file.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        held = re.search(r"(?:GLOBAL|global|Unsupported class) ([\w.]+)", str(error))
        what = f" ({held[1]})" if held else ""
        raise UserError(
            f"{path}: it is damaged, or holds objects besides weights{what}, which would be code to run; save the "
            "state_dict of the networks instead"
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, zipfile.BadZipFile) as error:
        why = (str(error).splitlines() or ["no reason given"])[0]
        raise UserError(f"{path}: cannot be read as a file of PyTorch ({why})") from error
    if not isinstance(found, Mapping):
        raise UserError(f"{path}: it holds a {type(found).__name__}, not weights by name")
    return found


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors with a prefix and a point before each name."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def as_gray(kernel: Tensor, before: int = 0) -> Tensor:
    """Return a first kernel (O, I, h, w), of which one input is gray, for a colour image in its place.

    The authors' code makes gray of colour with the same weights, so that the layer gives the same.

    Args:
        kernel: of a convolution.
        before: inputs before the gray one.
    """
    to_gray = kernel.new_tensor([0.299, 0.587, 0.114])[:, None, None]
    gray = kernel[:, before : before + 1] * to_gray
    return torch.cat([kernel[:, :before], gray, kernel[:, before + 1 :]], 1)
