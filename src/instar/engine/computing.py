"""How a run computes, chosen before its first step: precision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from instar.core.config import Precision, RunConfig
from instar.core.device import has_bf16
from instar.core.errors import setting
from instar.core.events import ignore
from instar.core.method import Method
from instar.engine import parallel
from instar.engine.first_step import Difference, farthest, slopes
from instar.engine.inputs import Source
from instar.engine.steps import Steps

LOSS, GRADIENT = 0.05, 0.7
"""How far bfloat16 may be from float32 in the first step: an objective's loss, as a share of it or of 1, and its
gradient, as a share of its norm. Over all methods here the largest are 0.009 and 0.41: terms |x - y| have a slope that
only has a sign. A gradient that has nothing to do with the right one is 1 and more away."""


def with_precision(
    fabric: Fabric, method: Method[Any], config: RunConfig, source: Source, run: Path
) -> tuple[RunConfig, str]:
    """Return settings with a precision in place of auto, and a line that says which and why; nothing if one was given.

    bf16 where the device has instructions for it and the first step is that of float32, up to `LOSS` and `GRADIENT`.
    All processes call this, and get the same.

    Args:
        fabric: launched.
        method: with its initial weights; it stays as it is.
        config: of the run.
        source: of training batches.
        run: its directory, for messages.
    """
    if config.train.precision != "auto":
        return config, ""
    kind = fabric.device.type
    if not has_bf16(kind):
        return _said(config, "32", f"this device ({kind}) is not known to compute in bfloat16")
    found = _difference(fabric, method, config, source, run)
    if parallel.all_agree(fabric, found.within(LOSS, GRADIENT)):
        return _said(config, "bf16", f"the first step is that of float32 up to {found}")
    return _said(config, "32", f"in bfloat16 the first step is another one, by {found}")


def _difference(fabric: Fabric, method: Method[Any], config: RunConfig, source: Source, run: Path) -> Difference:
    """Return how far the first step in bfloat16 is from that in float32."""
    batch = source.batch(0).to(fabric.device)
    full, half = (
        slopes(Steps(fabric, method, _in(config, precision), run, source, ignore), batch)
        for precision in ("32", "bf16")
    )
    return farthest(full, half)


def _in(config: RunConfig, precision: Precision) -> RunConfig:
    return replace(config, train=replace(config.train, precision=precision))


def _said(config: RunConfig, chosen: Precision, why: str) -> tuple[RunConfig, str]:
    return _in(config, chosen), f"{setting('train.precision', 'auto')} takes {chosen}: {why}"
