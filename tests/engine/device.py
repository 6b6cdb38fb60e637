"""A device that is no processor, without a GPU: tensors on "meta" have shapes and no numbers.

Whatever asks one for a number raises there, or is noted here: copies between it and the CPU that wait, and results
whose shape depends on numbers.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import instar
from instar.core.config import RunConfig
from instar.core.progress import Progress
from instar.engine.optimizers import Optimizers
from instar.engine.reading import Reading
from instar.engine.steps import Steps
from instar.testing.runs import build, source_for

META = torch.device("meta")
_ASKING = frozenset(
    {"_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "_unique2", "unique_dim", "equal"}
)
_SOURCE = str(Path(instar.__file__).parent)


class Waits(TorchDispatchMode):
    """Within this context `found` takes in what a processor would wait for a device for, and where in the source."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._made = _Made(self._note)

    def __enter__(self) -> Waits:
        self._made.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._made.__exit__(*error)

    def __torch_dispatch__(self, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        there = {tensor.device.type for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, Tensor)}
        if name in _ASKING and "meta" in there:
            self._note(name)
        elif name == "_to_copy" and kwargs.get("device") is not None:
            if kwargs["device"].type not in there and not kwargs.get("non_blocking"):
                self._note(f"copy from {there.pop()} to {kwargs['device'].type}")
        elif name == "copy_" and args[0].device != args[1].device:
            if not (kwargs.get("non_blocking") or (len(args) > 2 and args[2])):
                self._note(f"copy from {args[1].device.type} to {args[0].device.type}")
        elif name in ("index", "index_put", "index_put_", "_index_put_impl_") and "meta" in there:
            for index in args[1]:
                if isinstance(index, Tensor) and (index.device.type == "cpu" or index.dtype == torch.bool):
                    self._note(f"{name} by {index.dtype} on {index.device.type}")
        return func(*args, **kwargs)

    def _note(self, what: str) -> None:
        frames = [frame for frame in traceback.extract_stack() if frame.filename.startswith(_SOURCE)]
        where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "outside"
        self.found.append(f"{what} at {where}")


class _Made(TorchFunctionMode):
    """Notes tensors that are made of numbers on the device: they are copied there, which waits."""

    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__()
        self._note = note

    def __torch_function__(self, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        like = args[0].device if func is Tensor.new_tensor else "cpu"
        makes = func in (torch.tensor, torch.as_tensor, Tensor.new_tensor)
        if makes and torch.device(kwargs.get("device") or like).type == "meta":
            self._note(func.__name__)
        return func(*args, **kwargs)


def pretend(patch: Callable[[Any, str, Any], None]) -> None:
    """Let numbers that are sent for come as 0, and autocast and Adam know the device.

    Args:
        patch: setattr of a MonkeyPatch.
    """
    autocast = torch.autocast

    def known(kind: str, *args: Any, **kwargs: Any) -> AbstractContextManager[Any]:
        return autocast("cpu" if kind == "meta" else kind, *args, **kwargs)

    take = Optimizers.step
    patch(torch, "autocast", known)
    patch(Reading, "read", lambda _: 0.0)
    patch(Optimizers, "step", lambda self, names, at, _=None: take(self, names, at))  # only a fused Adam can pass over


def steps_on_meta(config: RunConfig) -> Steps:
    """Return the steps of a run on the device, that lags behind as a GPU does."""
    fabric: Any = SimpleNamespace(device=META, world_size=1)
    steps = Steps(fabric, build(config), config, Path("run"), source_for(config), lambda _: None)
    steps.lags = True
    return steps


def waits_of(steps: Steps, count: int = 2) -> list[str]:
    """Take steps in each phase of a run, and return what they would wait for. Preparations are left out."""
    length, epoch = steps.cfg.steps, steps.source.epoch_length
    starts: dict[str, int] = {}
    for step in range(length):
        starts.setdefault(steps.method.phase(Progress(step, length, epoch)), step)
    found: list[str] = []
    for phase, start in starts.items():
        steps.settle()
        steps.step, steps.phase = start, phase
        for _ in range(count):
            batch = steps.source.batch(steps.step).to(META)
            with Waits() as waits:
                steps.take(batch)
            found += waits.found
    return found
