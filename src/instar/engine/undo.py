"""What a step changes beside the weights that it moves, and how to go back where its gradients are not finite."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from instar.core.device import copy_all
from instar.modules.pool import ImagePool
from instar.modules.vector_queue import VectorQueue

_JOURNALS = (ImagePool, VectorQueue)
"""Large memories, of which a step changes little: they keep a journal of it instead of a copy of all."""


class Undo:
    """Statistics and other buffers, pools of generated images and banks of vectors, with a way back for each step."""

    def __init__(self, method: nn.Module, moved: Iterable[Tensor], averages: Iterable[nn.Module] = ()) -> None:
        """Find them in a method.

        Args:
            method: whose steps may have to be undone.
            moved: its parameters that optimisers move: they need no way back, since optimisers pass over such steps.
            averages: networks outside of the method that each step changes.
        """
        self._journals = [part for part in method.modules() if isinstance(part, _JOURNALS)]
        self._parts = [part for part in method.modules() if not isinstance(part, _JOURNALS)]
        known = {id(parameter) for parameter in moved}
        self._frozen = [parameter for parameter in method.parameters() if id(parameter) not in known]
        self._averages = [tensor for net in averages for tensor in net.state_dict(keep_vars=True).values()]

    def mark(self, *, whole: bool) -> Callable[[], None]:
        """Return what goes back to this moment; earlier marks stay good if later ones are gone back to first.

        Args:
            whole: also take copies of slow networks and averages. A step that ends at the first objective that is not
                finite does not reach them.
        """
        tensors = [buffer for part in self._parts for buffer in part.buffers(recurse=False)]
        tensors += [*self._frozen, *self._averages] if whole else []
        kept = [torch.empty_like(tensor) for tensor in tensors]
        copy_all(kept, tensors)
        steps = [part.begin_journal() for part in self._journals]

        def back() -> None:
            copy_all(tensors, kept)
            for step in steps:
                step()

        return back
