"""Norms whose mean and variance change slowly from frame to frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor
from torch.nn import functional as nnf
from torch.overrides import TorchFunctionMode

from instar.core.errors import UserError, setting
from instar.inference.results import Result
from instar.inference.variants import Make

CUT = 30.0
"""Mean grey levels by which a frame differs from the one before where another scene begins."""


class SteadyNorms(TorchFunctionMode):
    """Within it, instance and group norms take mean and variance from the frames before too.

    Each norm of a pass keeps running ones: `keep` of the old and the rest of this frame's. A pass calls its norms in
    the same order each time, which tells them apart.
    """

    def __init__(self, keep: float) -> None:
        super().__init__()
        self._keep, self._call = keep, 0
        self._known: dict[int, tuple[Tensor, Tensor]] = {}

    @property
    def found(self) -> bool:
        """Whether there was such a norm."""
        return bool(self._known)

    def restart(self) -> None:
        """Forget the frames before."""
        self._known.clear()

    def __enter__(self) -> Any:
        self._call = 0
        return super().__enter__()  # type: ignore[no-untyped-call]

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is nnf.group_norm:
            return self._norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _norm(
        self, x: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
    ) -> Tensor:
        grouped = x.reshape(len(x), num_groups, -1)
        var, mean = torch.var_mean(grouped, 2, correction=0, keepdim=True)
        old = self._known.get(self._call)
        if old is not None and old[0].shape == mean.shape:
            mean, var = (new.lerp(known, self._keep) for new, known in zip((mean, var), old, strict=True))
        self._known[self._call] = mean, var
        self._call += 1
        out = ((grouped - mean) * torch.rsqrt(var + eps)).reshape(x.shape)
        shape = (1, -1, *[1] * (x.dim() - 2))
        out = out if weight is None else out * weight.reshape(shape)
        return out if bias is None else out + bias.reshape(shape)


class Steady:
    """What makes results of single frames, in the order of a video, with steady norms."""

    def __init__(self, make: Make, keep: float) -> None:
        self._make, self._norms = make, SteadyNorms(keep)
        self._last: NDArray[np.int16] | None = None

    def __call__(self, frames: list[Image]) -> Sequence[Result]:
        """Make the results of one frame.

        Raises:
            UserError: the model has no norm that could be steady.
        """
        (frame,) = frames
        pixels = np.asarray(frame).astype(np.int16)
        if self._last is not None and (self._last.shape != pixels.shape or np.abs(pixels - self._last).mean() > CUT):
            self._norms.restart()
        self._last = pixels
        with self._norms:
            results = self._make(frames)
        if not self._norms.found:
            raise UserError(f"{setting('steady')}: this model has no instance norms, nothing to keep; leave it out")
        return results
