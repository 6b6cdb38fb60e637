"""The scores of translations in words, from limits that stand here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping

from instar.evaluation.appearance import PROBE, RUINS, TARGET
from instar.evaluation.scores import CHANGE, COLOURS

SEPARABLE = 0.5
"""Probe share of real images above that of inputs, below which the features cannot tell the domains apart."""
RUINED = 0.5
"""Share of ruins from which all is called so."""
SHOWS = 0.1
"""Target share above that of the inputs, from which the target is there at all."""
UNCHANGED = 6.0
"""Mean change in grey levels below which translations are copies: compression and rounding make 1 to 4."""
COLOURED = 0.7
"""Share of the change that an affine map of the colours makes, from which only colours changed."""

Values = Mapping[str, float]
"""Scores by name."""


def verdict(found: Values, copy: Values, real: Values) -> str:
    """Return what translations are, in words; "" where the scores for it are missing.

    In this order: the domains cannot be told apart; ruins; where the target is hardly there: copies, colour only, or
    worse than a copy by the kernel distance; else the share of images that show the target.

    Args:
        found: scores of the translations.
        copy: of the inputs themselves.
        real: of real images of the target.
    """
    needed = {TARGET, PROBE, RUINS, CHANGE, COLOURS}
    if not needed <= found.keys() or not {TARGET, PROBE} <= copy.keys() & real.keys():
        return ""
    if real[PROBE] - copy[PROBE] < SEPARABLE:
        taken = f"{real[PROBE]:.0%} of the real images for the target, and {copy[PROBE]:.0%} of the inputs"
        return f"unknown: the features take {taken}"
    if found[RUINS] >= RUINED:
        return "ruins"
    hardly = _without_target(found, copy) if found[TARGET] - copy[TARGET] < SHOWS else ""
    return hardly or f"target in {found[TARGET]:.0%}"


def _without_target(found: Values, copy: Values) -> str:
    """Return what translations are that hardly show the target; "" if they are changed somehow, for no worse."""
    if found[CHANGE] < UNCHANGED:
        return "copies"
    if found[COLOURS] >= COLOURED:
        return "colour only"
    kernel = next((name for name in found if name.endswith("KID")), None)
    return "worse than a copy" if kernel and found[kernel] > copy[kernel] else ""
