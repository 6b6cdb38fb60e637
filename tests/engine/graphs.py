"""A backend of torch.compile that treats what it gives as CUDA graphs do, without a GPU.

A graph writes into memory of its own: whatever a network gave, gradients included, is overwritten once the next step
begins, here by what is no number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._dynamo.backends.common import aot_autograd
from torch._functorch._aot_autograd.utils import make_boxed_func


class Graphs:
    """Give an object of this class to torch.compile as the backend, and call `begin` where a step begins."""

    def __init__(self) -> None:
        self.recorded = 0
        """Graphs, forward and backward."""
        self._given: list[Tensor] = []

    def __call__(self, module: Any, inputs: Sequence[Any]) -> Any:
        return aot_autograd(fw_compiler=self._graph, bw_compiler=self._graph)(module, inputs)

    @torch.no_grad()
    def begin(self) -> None:
        """Overwrite all that was given since the last time."""
        with torch.inference_mode():
            for tensor in self._given:
                tensor.fill_(float("nan") if tensor.is_floating_point() else 77)
        self._given.clear()

    def _graph(self, module: torch.fx.GraphModule, _: Sequence[Any]) -> Callable[..., Any]:
        self.recorded += 1

        def run(*args: Any) -> Any:
            out = module(*args)
            own = {one.untyped_storage().data_ptr() for one in args if isinstance(one, Tensor)}
            self._given += [
                one.detach() for one in out if isinstance(one, Tensor) and one.untyped_storage().data_ptr() not in own
            ]
            return out

        return make_boxed_func(run)
