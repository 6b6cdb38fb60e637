"""From the time that a training may take to its number of steps."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from instar.api.trial import TooLargeError, measured
from instar.core.config import RunConfig
from instar.core.duration import spoken, written
from instar.core.errors import Message, UserError, setting
from instar.core.method import defaults
from instar.core.registry import get
from instar.engine import parallel
from instar.engine.trial import Cost

PLANNED = 0.95
"""Share of the time that is planned for: no two steps take the same."""
LITTLE = 0.1
"""Share of the steps of the preset below which a training is said to be short."""


def within(config: RunConfig, seconds: float, out: Path) -> tuple[RunConfig, list[Message]]:
    """Return settings whose steps take about so long on this machine, and lines that say so.

    The steps are measured once, here, and are from then on those of the run: its schedules end with them, and it
    resumes exactly. Whatever slows it down later makes it longer.

    Args:
        config: of a run that is to be started.
        seconds: from now to its end; measuring is part of it.
        out: its directory, which is not made.

    Raises:
        UserError: not one step fits, the run does not fit into memory, or it is one of several processes that a
            launcher has started, which might not agree.
    """
    if parallel.from_outside(config.train):
        raise UserError(f"{setting('budget')}: processes of a launcher must agree; give {setting('train.steps')}")
    began = time.monotonic()
    beside = next(folder for folder in (out, *out.absolute().parents) if folder.is_dir())
    try:
        cost = measured(config, beside)
    except TooLargeError as error:
        raise UserError(
            f"one step of {config.name} takes more memory than there is: give a smaller {setting('train.batch')} or "
            f"{setting('data.size')}, or a {setting('preset')} with smaller networks"
        ) from error
    spent = time.monotonic() - began
    steps = steps_in(seconds - spent, cost, config)
    if steps < 1:
        least = spent + (_ends(cost) + _each(cost, config)) / PLANNED
        raise UserError(
            f"{setting('budget', written(seconds))}: a step takes {spoken(cost.step)} here, a picture and a checkpoint "
            f"{spoken(_ends(cost))}, and measuring that took {spoken(spent)}: give {spoken(least)} at the least"
        )
    return replace(config, train=replace(config.train, steps=steps)), _said(config, steps, seconds, cost)


def steps_in(seconds: float, cost: Cost, config: RunConfig) -> int:
    """Return how many steps such a training does in a time, with its pictures and checkpoints; 0 if it has none."""
    left = seconds * PLANNED - _ends(cost)
    return max(0, int(left / _each(cost, config)))


def _ends(cost: Cost) -> float:
    """Return the seconds of what stands before the first step and after the last one."""
    return 2 * cost.picture + cost.checkpoint


def _each(cost: Cost, config: RunConfig) -> float:
    """Return the seconds of a step with its share of the pictures and checkpoints."""
    train = config.train
    return cost.step + cost.picture / train.preview_every + cost.checkpoint / train.save_every


def _said(config: RunConfig, steps: int, seconds: float, cost: Cost) -> list[Message]:
    asked = setting("budget", written(seconds))
    lines = [f"{asked}: a step takes {spoken(cost.step)} here, so that the run has {setting('train.steps', steps)}"]
    kind = get(config.name)
    # The settings may be those of an older run, from a preset that is no longer there.
    usual = defaults(config.name, kind, config.preset).train.steps if config.preset in kind.presets else 0
    if steps < LITTLE * usual:
        lines.append(
            f"{asked}: that is {steps / usual:.1%} of the {usual:,} steps of the preset {config.preset!r}: too few for "
            f"good translations, most likely; a smaller {setting('data.size')} or a {setting('preset')} for CPUs, such "
            "as small, does more of them"
        )
    if config.train.score_every:
        lines.append(f"{asked}: scores on the validation images take time of their own")
    return [Message(line) for line in lines]
