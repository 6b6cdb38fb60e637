"""How a run computes, settled before its first step: precision, compiled networks, passes that are computed twice."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import nn

from instar.core.config import Precision, RunConfig
from instar.core.device import has_bf16
from instar.core.duration import spoken
from instar.core.errors import UserError, first_line, nearest, setting
from instar.core.events import ignore
from instar.core.method import Method
from instar.engine import parallel
from instar.engine.calls import compile_calls, outermost, recompute_calls
from instar.engine.first_step import Slope, farthest, slopes
from instar.engine.inputs import Source
from instar.engine.steps import Steps

LOSS, GRADIENT = 0.05, 0.7
"""How far bfloat16 may be from float32 in the first step: an objective's loss, as a share of it or of 1, and its
gradient, as a share of its norm. Over all methods here the largest are 0.009 and 0.41: terms |x - y| have a slope that
only has a sign. A gradient that has nothing to do with the right one is 1 and more away."""


COMPILED = {"32": (1e-3, 0.1), "bf16": (LOSS, GRADIENT)}
"""The same for compiled networks, by the run's precision: kernels that are joined round otherwise."""
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
    compiled = _compiled([*networks.values()], fabric, method, config, source, run) if config.train.compile else ""
    return config, [line for line in (chosen, compiled) if line]


def _with_precision(
    fabric: Fabric, method: Method[Any], config: RunConfig, source: Source, run: Path
) -> tuple[RunConfig, str]:
    """Return settings with a precision in place of auto, and a line that says which and why."""
    if config.train.precision != "auto":
        return config, ""
    kind = fabric.device.type
    if not has_bf16(kind):
        return _said(config, "32", f"this device ({kind}) is not known to compute in bfloat16")
    full, half = (_first_step(fabric, method, _in(config, way), source, run) for way in _PRECISIONS)
    found = farthest(full, half)
    if parallel.all_agree(fabric, found.within(LOSS, GRADIENT)):
        return _said(config, "bf16", f"the first step is that of float32 up to {found}")
    return _said(config, "32", f"in bfloat16 the first step is another one, by {found}")


def _compiled(
    networks: list[nn.Module], fabric: Fabric, method: Method[Any], config: RunConfig, source: Source, run: Path
) -> str:
    """Compile what the first step calls of networks, unless it then is another one; return a line that says which."""
    plain: dict[str, Slope] = {}
    parts = outermost(networks, lambda: plain.update(_first_step(fabric, method, config, source, run)))
    began, calls, good = time.monotonic(), compile_calls(parts), False
    try:
        found = farthest(plain, _first_step(fabric, method, config, source, run))
        good, said = found.within(*COMPILED[config.train.precision]), f"another one, by {found}"
    except Exception as error:  # whatever compilers raise
        said = f"not to be had ({first_line(getattr(error, 'inner_exception', error))})"
    asked = setting("train.compile", True)
    if parallel.all_agree(fabric, good):
        took = spoken(time.monotonic() - began)
        return f"{asked}: {len(parts)} networks or parts of them in {took}; the first step is the same up to {found}"
    calls.remove()
    return f"{asked}: nothing is compiled, since the first step is then {said}"


def _first_step(fabric: Fabric, method: Method[Any], config: RunConfig, source: Source, run: Path) -> dict[str, Slope]:
    return slopes(Steps(fabric, method, config, run, source, ignore), source.batch(0).to(fabric.device))


def _in(config: RunConfig, precision: Precision) -> RunConfig:
    return replace(config, train=replace(config.train, precision=precision))


def _said(config: RunConfig, chosen: Precision, why: str) -> tuple[RunConfig, str]:
    return _in(config, chosen), f"{setting('train.precision', 'auto')} takes {chosen}: {why}"
