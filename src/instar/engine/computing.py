"""How a run computes, settled before its first step: precision, and other ways to compute networks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import nn

from instar.core.config import Precision, RunConfig
from instar.core.device import has_bf16, seconds_of
from instar.core.duration import spoken
from instar.core.errors import UserError, first_line, nearest, setting
from instar.core.events import ignore
from instar.core.method import Method
from instar.engine import parallel
from instar.engine.calls import compile_calls, graph_calls, outermost, recompute_calls
from instar.engine.first_step import Difference, Slope, farthest, slopes
from instar.engine.inputs import Source
from instar.engine.steps import Steps

LOSS, GRADIENT = 0.05, 0.7
"""How far bfloat16 may be from float32 in the first step: an objective's loss, as a share of it or of 1, and its
gradient, as a share of its norm. Over all methods here the largest are 0.009 and 0.41: terms |x - y| have a slope that
only has a sign. A gradient that has nothing to do with the right one is 1 and more away."""


COMPILED = {"32": (1e-3, 0.1), "bf16": (LOSS, GRADIENT)}
"""The same for networks that are compiled or graphs, by the run's precision: joined kernels round otherwise."""
GRAPHED = "cuda"
"""Kind of device that has CUDA graphs."""
RECORDED, TIMED = 2, 3
"""Steps in which graphs are traced and recorded, and steps of which the fastest tells what one takes."""
ALL = "all"
_PRECISIONS: tuple[Precision, Precision] = ("32", "bf16")


def set_up(
    fabric: Fabric, method: Method[Any], config: RunConfig, source: Source, run: Path
) -> tuple[RunConfig, list[str]]:
    """Let a method compute as its settings ask; return them with what was chosen, and lines that say what and why.

    All processes call this, and come to the same.

    Args:
        fabric: launched.
        method: with its initial weights, which stay.
        config: of the run.
        source: of training batches.
        run: its directory, for messages.

    Raises:
        UserError: there is no network of a name that is asked for.
    """
    networks = {name: net for name, net in method.named_children() if any(p.requires_grad for p in net.parameters())}
    wanted = config.train.activation_checkpointing
    for name in networks if ALL in wanted else wanted:
        if name not in networks:
            asked = setting("train.activation_checkpointing", name)
            raise UserError(f"{asked}: {config.name} trains no such network{nearest(name, networks)}")
        recompute_calls(networks[name])
    config, chosen = _with_precision(fabric, method, config, source, run)
    said = [chosen] if chosen else []
    for is_asked, other_way in ((config.train.compile, _compiled), (config.train.cuda_graphs, _recorded)):
        if is_asked:
            said.append(other_way([*networks.values()], _FirstStep(fabric, method, config, source, run)))
    return config, said


def _with_precision(
    fabric: Fabric, method: Method[Any], config: RunConfig, source: Source, run: Path
) -> tuple[RunConfig, str]:
    """Return settings with a precision in place of auto, and a line that says which and why."""
    if config.train.precision != "auto":
        return config, ""
    kind = fabric.device.type
    if not has_bf16(kind):
        return _said(config, "32", f"this device ({kind}) is not known to compute in bfloat16")
    full, half = (_FirstStep(fabric, method, _in(config, way), source, run).slopes() for way in _PRECISIONS)
    found = farthest(full, half)
    if parallel.all_agree(fabric, found.within(LOSS, GRADIENT)):
        return _said(config, "bf16", f"the first step is that of float32 up to {found}")
    return _said(config, "32", f"in bfloat16 the first step is another one, by {found}")


class _FirstStep:
    """The first step of a run, that is never taken: its objectives can be computed any number of times."""

    def __init__(self, fabric: Fabric, method: Method[Any], config: RunConfig, source: Source, run: Path) -> None:
        self.fabric, self.device = fabric, fabric.device
        self.bounds = COMPILED.get(config.train.precision, COMPILED["32"])
        self._steps = Steps(fabric, method, config, run, source, ignore)
        self._batch = source.batch(0).to(fabric.device)

    def slopes(self) -> dict[str, Slope]:
        """Return its objectives."""
        return slopes(self._steps, self._batch)

    def last_of(self, times: int) -> Callable[[], dict[str, Slope]]:
        """Return what computes its objectives so many times and returns the last ones."""
        return lambda: [self.slopes() for _ in range(times)][-1]

    def seconds(self) -> float:
        """Return what it takes."""
        return min(seconds_of(self.slopes, self.device) for _ in range(TIMED))


def _compiled(networks: list[nn.Module], first: _FirstStep) -> str:
    """Compile what the first step calls of networks, unless it then is another one; return a line that says which."""
    began, asked = time.monotonic(), setting("train.compile", True)
    plain: dict[str, Slope] = {}
    parts = outermost(networks, lambda: plain.update(first.slopes()))
    calls = compile_calls(parts)
    found, why = _compared(plain, first.slopes, first.bounds)
    if parallel.all_agree(first.fabric, not why):
        took = spoken(time.monotonic() - began)
        return f"{asked}: {len(parts)} networks or parts of them in {took}; the first step is the same up to {found}"
    calls.remove()
    return f"{asked}: nothing is compiled, since the first step is then {why or 'not to be had in another process'}"


def _recorded(networks: list[nn.Module], first: _FirstStep) -> str:
    """Let what the first step calls of networks be CUDA graphs if it gains; return a line that says whether."""
    asked, kind = setting("train.cuda_graphs", True), first.device.type
    if kind != GRAPHED:
        return f"{asked}: nothing is recorded; NVIDIA GPUs have such graphs, and this trains on {kind}"
    began = time.monotonic()
    plain: dict[str, Slope] = {}
    parts = outermost(networks, lambda: plain.update(first.slopes()))
    before, calls = first.seconds(), graph_calls(parts)
    found, why = _compared(plain, first.last_of(RECORDED + 1), first.bounds)
    if parallel.all_agree(first.fabric, not why):
        now = first.seconds()
        speed = f"{1000 * now:.3g} ms in place of {1000 * before:.3g}"
        if parallel.all_agree(first.fabric, now < before):
            same = f"the first step is the same up to {found}, and takes {speed}"
            return f"{asked}: {len(parts)} networks or parts of them in {spoken(time.monotonic() - began)}; {same}"
        why = f"no faster ({speed})"
    calls.remove()
    return f"{asked}: nothing is recorded, since the first step is then {why or 'not to be had in another process'}"


def _compared(
    plain: Mapping[str, Slope], other: Callable[[], Mapping[str, Slope]], bounds: tuple[float, float]
) -> tuple[Difference | None, str]:
    """Return how far the same objectives are that are computed another way, and why they will not do, if so."""
    try:
        found = farthest(plain, other())
    except Exception as error:  # whatever compilers raise
        return None, f"not to be had ({first_line(getattr(error, 'inner_exception', error))})"
    return found, "" if found.within(*bounds) else f"another one, by {found}"


def _in(config: RunConfig, precision: Precision) -> RunConfig:
    return replace(config, train=replace(config.train, precision=precision))


def _said(config: RunConfig, chosen: Precision, why: str) -> tuple[RunConfig, str]:
    return _in(config, chosen), f"{setting('train.precision', 'auto')} takes {chosen}: {why}"
