"""Other ways to compute networks in training: compiled, as graphs, or once more for the backward pass."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MethodType
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

BACKEND, GRAPHS = "inductor", "cudagraphs"
VARIANTS = 64
"""Pieces of code that PyTorch may make of one function: it counts all layers of a class together, and stops at 8."""
Call: TypeAlias = Callable[..., Any]


class Calls:
    """Calls of modules that go another way.

    Methods call a network as a whole or part by part (CUT reads features on the way), so parts may lie within others:
    the outermost one that is called goes the other way, whole.
    """

    def __init__(
        self, parts: Sequence[nn.Module], way: Callable[[nn.Module, Calls], Call], applies: Callable[..., bool]
    ) -> None:
        """Change the calls of modules, which stay what they are in all else: names, state and copies.

        Args:
            parts: the modules.
            way: makes of one, and of this object, what is called in its place.
            applies: whether a call with these arguments goes the other way.
        """
        self.parts, self.applies = parts, applies
        self.inside = False
        """Whether a part is being computed: those within it are then called as they are."""
        for part in parts:
            vars(part)["forward"] = _Forward(part, self, way(part, self))

    def remove(self) -> None:
        """Let all be called as they were before."""
        for part in self.parts:
            vars(part).pop("forward", None)

    @contextmanager
    def within(self) -> Iterator[None]:
        """Within this context parts are called as they are."""
        self.inside = True
        try:
            yield
        finally:
            self.inside = False


class _Forward:
    """In place of a module's `forward`."""

    def __init__(self, part: nn.Module, calls: Calls, other: Call) -> None:
        self._part, self._calls, self._other = part, calls, other

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._calls.inside or not self._calls.applies(*args):
            return plain(self._part)(*args, **kwargs)
        with self._calls.within():
            return self._other(*args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Call:
        return plain(copy.deepcopy(self._part, memo))  # a copy, such as an average, is computed as it is


def plain(part: nn.Module) -> Call:
    """Return the call of a module as its class has it."""
    return MethodType(type(part).forward, part)


def outermost(networks: Iterable[nn.Module], run: Callable[[], object]) -> list[nn.Module]:
    """Return the networks, or the parts of them with layers and weights, that `run` calls from outside of them."""
    found: dict[int, nn.Module] = {}

    def noted(part: nn.Module, _: Calls) -> Call:
        def call(*args: Any, **kwargs: Any) -> Any:
            found[id(part)] = part
            return plain(part)(*args, **kwargs)

        return call

    calls = [Calls(parts_of(network), noted, lambda *_: True) for network in networks]
    try:
        run()
    finally:
        for one in calls:
            one.remove()
    return list(found.values())


def compile_calls(parts: Sequence[nn.Module]) -> Calls:
    """Let modules, none within another, be compiled when they are first called: that takes minutes.

    Passes for penalties on gradients stay as they are, since what is compiled cannot be differentiated twice. Such
    passes have images that require a gradient. So do those of pictures and scores, whose sizes are others.
    """
    # Chance as without.
    options: dict[str, Any] = {"options": {"fallback_random": True}} if BACKEND == "inductor" else {}
    return _traced_calls(parts, backend=BACKEND, **options)


def graph_calls(parts: Sequence[nn.Module]) -> Calls:
    """Let the passes of modules, none within another, become CUDA graphs: of the same kernels, started all at once.

    The first pass is traced, the second recorded, those after it are played back. What they give is overwritten in the
    step after it, of which PyTorch has to be told (`torch.compiler.cudagraph_mark_step_begin`). Which passes stay as
    they are: see `compile_calls`.
    """
    return _traced_calls(parts, backend=GRAPHS)


def _traced_calls(parts: Sequence[nn.Module], **options: Any) -> Calls:
    torch._dynamo.config.recompile_limit = max(VARIANTS, torch._dynamo.config.recompile_limit)

    def traced(part: nn.Module, _: Calls) -> Call:
        # Shapes are few, and each gets code of its own.
        traced_part: Call = torch.compile(plain(part), dynamic=False, **options)
        return traced_part

    def applies(*args: Any) -> bool:
        penalised = any(isinstance(x, Tensor) and x.is_leaf and x.requires_grad for x in args)
        return not penalised and not torch.is_inference_mode_enabled()

    return Calls(parts, traced, applies)


def recompute_calls(network: nn.Module) -> Calls:
    """Let a network keep only what goes into it in a pass, and compute the rest anew for the backward pass.

    Chance, statistics and what is frozen are then as they were in the first pass; gradients are the same.
    """

    def recomputed(part: nn.Module, calls: Calls) -> Call:
        def call(*args: Any, **kwargs: Any) -> Any:
            buffers = _copies(dict(part.named_buffers()))
            trained = [parameter.requires_grad for parameter in part.parameters()]
            passes = 0

            def run(*args: Any, **kwargs: Any) -> Any:
                nonlocal passes
                passes += 1
                if passes == 1:
                    return plain(part)(*args, **kwargs)
                with calls.within(), _as_it_was(part, trained):
                    return functional_call(part, _copies(buffers), args, kwargs)

            return checkpoint(run, *args, use_reentrant=False, **kwargs)

        return call

    return Calls(parts_of(network), recomputed, lambda *_: torch.is_grad_enabled())


def parts_of(network: nn.Module) -> list[nn.Module]:
    """Return a network and all in it that has layers and weights."""
    return [part for part in network.modules() if part is network or _is_larger(part)]


def _is_larger(part: nn.Module) -> bool:
    layers = [child for name, child in part.named_children() if name != "parametrizations"]
    return bool(layers) and any(True for _ in part.parameters())


def _copies(buffers: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in buffers.items()}


@contextmanager
def _as_it_was(part: nn.Module, trained: Iterable[bool]) -> Iterator[None]:
    """Within this context weights require gradients as they did: frozen ones are not frozen any more."""
    now = [parameter.requires_grad for parameter in part.parameters()]
    _require(part, trained)
    try:
        yield
    finally:
        _require(part, now)


def _require(part: nn.Module, trained: Iterable[bool]) -> None:
    for parameter, wanted in zip(part.parameters(), trained, strict=True):
        parameter.requires_grad_(wanted)
