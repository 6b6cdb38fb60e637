"""Gradients averaged over all processes, while the backward pass goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, distributed, nn

BUCKET = 25_000_000
"""Bytes of gradients that are sent together, as in PyTorch's DistributedDataParallel."""


@contextmanager
def averaged(fabric: Fabric, parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Within this context the last backward pass of a step makes gradients; afterwards they are means over processes.

    Args:
        fabric: the processes. All enter together, with gradients for the same parameters.
        parameters: that the pass reaches, those that it reaches last first.
    """
    if fabric.world_size == 1:
        yield
        return
    exchange = _Exchange(parameters, fabric.world_size)
    hooks = [
        parameter.register_post_accumulate_grad_hook(exchange.ready)  # type: ignore[no-untyped-call]
        for parameter in parameters
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
    exchange.finish()


@dataclass
class _Bucket:
    parameters: list[nn.Parameter]
    missing: int
    """Parameters whose gradients are not there yet."""


class _Exchange:
    """Buckets are sent in one order, which all processes have in common, each as soon as it is complete."""

    def __init__(self, parameters: Sequence[nn.Parameter], processes: int) -> None:
        self._processes = processes
        self._buckets = [_Bucket(bucket, len(bucket)) for bucket in _divided(parameters[::-1])]
        self._of = {id(parameter): bucket for bucket in self._buckets for parameter in bucket.parameters}
        self._sent: list[tuple[list[nn.Parameter], Tensor, Any]] = []
        self._next = 0

    def ready(self, parameter: Tensor) -> None:
        """Note that a gradient is there."""
        self._of[id(parameter)].missing -= 1
        while self._next < len(self._buckets) and not self._buckets[self._next].missing:
            self._send()

    def finish(self) -> None:
        """Send what is left, of which not all have a gradient, and put the means in place."""
        while self._next < len(self._buckets):
            self._send()
        for parameters, flat, work in self._sent:
            work.wait()
            means = torch.split(flat.div_(self._processes), [parameter.numel() for parameter in parameters])
            for parameter, mean in zip(parameters, means, strict=True):
                parameter.grad = mean.view_as(parameter)

    def _send(self) -> None:
        parameters = [one for one in self._buckets[self._next].parameters if one.grad is not None]
        self._next += 1
        if parameters:
            flat = torch.cat([one.grad.flatten() for one in parameters if one.grad is not None])
            self._sent.append((parameters, flat, distributed.all_reduce(flat, async_op=True)))


def _divided(parameters: Sequence[nn.Parameter]) -> list[list[nn.Parameter]]:
    buckets: list[list[nn.Parameter]] = [[]]
    held = 0
    for parameter in parameters:
        if buckets[-1] and held + parameter.nbytes > BUCKET:
            buckets.append([])
            held = 0
        buckets[-1].append(parameter)
        held += parameter.nbytes
    return buckets
