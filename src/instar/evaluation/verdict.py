"""The scores of translations in words, from limits that stand here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping

from instar.evaluation.appearance import PROBE, RUINS, TARGET
from instar.evaluation.between import CHANGE, COLOURS, LOCAL, LUMINANCE

SEPARABLE = 0.5
"""Probe share of real images above that of inputs, below which the features cannot tell the domains apart."""
RUINED = 0.5
"""Share of ruins from which all is called so."""
SHOWS = 0.1
"""Target share above that of the inputs, from which the target is there at all."""
UNCHANGED = 6.0
"""Mean change in grey levels below which translations are copies: compression and rounding make 1 to 4."""
UNCHANGED_AT = 12.0
"""Change where it is largest, below which they are: a mouth that opens changes a picture by 1, its place by 30."""
COLOURED = 0.7
"""Share of the change that an affine map of the colours makes, from which only colours changed."""
KEPT = 0.5
"""Luminance correlation with the inputs, of either sign, that has to be left where only colours changed."""

NEARLY_A_COPY, COLOUR_ONLY = "nearly a copy", "colour only"

Values = Mapping[str, float]
"""Scores by name."""


def verdict(found: Values, copy: Values, real: Values) -> str:
    """Return what translations are, in words; "" where the scores for it are missing.

    In this order: unknown, where the domains cannot be told apart; ruins; the share of images that show the target, and
    where that is hardly more than of the inputs: nearly a copy, colour only, or worse than a copy, by the kernel
    distance. These three are said too where nothing says how the target looks.

    Args:
        found: scores of the translations.
        copy: of the inputs themselves.
        real: of real images of the target.
    """
    kernel = next((name for name in found if name.endswith("KID")), None)
    worse = bool(kernel and found[kernel] > copy.get(kernel, float("inf")))
    needed = {TARGET, PROBE, RUINS, CHANGE, COLOURS, LUMINANCE}
    if not needed <= found.keys() or not {TARGET, PROBE} <= copy.keys() & real.keys():
        return _beside_copy(found, worse)
    if real[PROBE] - copy[PROBE] < SEPARABLE:
        taken = f"{real[PROBE]:.0%} of the real images for the target, and {copy[PROBE]:.0%} of the inputs"
        return "; ".join(filter(None, [f"unknown: the features take {taken}", _beside_copy(found, worse)]))
    if found[RUINS] >= RUINED:
        return "ruins"
    if found[TARGET] - copy[TARGET] < SHOWS:
        return _absent(found, worse)
    return f"{_share(found)}, but worse than a copy as a set" if worse else _share(found)


def _absent(found: Values, worse: bool) -> str:
    """Return what translations are that hardly show the target; `worse` by the kernel distance than copies."""
    return _little(found) or ("worse than a copy" if worse else _share(found))


def _beside_copy(found: Values, worse: bool) -> str:
    """Return what can be said where it is not known whether the target is there; "" if nothing."""
    if not {CHANGE, COLOURS, LUMINANCE} <= found.keys():
        return "worse than a copy" if worse else ""
    little = _little(found)
    if little == COLOUR_ONLY and worse:
        return f"{little}, and worse than a copy as a set"
    return little or ("worse than a copy" if worse else "")


def is_copy(found: Values) -> bool:
    """Tell whether translations are nearly their inputs: little changes on the whole, and little at any place."""
    return found[CHANGE] < UNCHANGED and found.get(LOCAL, 0.0) < UNCHANGED_AT


def _little(found: Values) -> str:
    """Return that nothing but colours, or nothing at all, has changed, if it is so."""
    if is_copy(found):
        return NEARLY_A_COPY
    return COLOUR_ONLY if found[COLOURS] >= COLOURED and abs(found[LUMINANCE]) >= KEPT else ""


def _share(found: Values) -> str:
    return f"target in {found[TARGET]:.0%}"
