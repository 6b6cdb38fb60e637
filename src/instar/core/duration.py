"""Times as people write and read them."""

from __future__ import annotations

import re

from instar.core.errors import UserError, setting, shown

_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_PART = r"\d+(?:\.\d+)?[{}]"
_WHOLE = re.compile(rf"(?:{_PART.format('dhms')})+", re.ASCII)
_DAYS, _HOURS, _MINUTES = 2 * _UNITS["d"], 2 * _UNITS["h"], 2 * _UNITS["m"]
"""From which on a time is said in these."""


def seconds_of(name: str, text: str) -> float:
    """Return the seconds of a time such as 4h, 90m, 1h30m, 2.5d or 45s.

    Args:
        name: of the setting that it is given for, for the message.
        text: the time.

    Raises:
        UserError: it is none, or 0.
    """
    words = text.strip().lower().replace(" ", "")
    parts = re.findall(r"([\d.]+)([dhms])", words) if _WHOLE.fullmatch(words) else []
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not 0 < seconds < float("inf"):
        raise UserError(f"{setting(name)} must be a time such as 4h, 90m, 1h30m or 2d, not {shown(text)}")
    return seconds


def written(seconds: float) -> str:
    """Return a time as `seconds_of` reads it, in whole seconds if it is longer than one: 4h, 1h30m, 45s."""
    left, words = float(round(seconds)) or seconds, ""
    for unit, size in _UNITS.items():
        number, left = (left / size, 0.0) if unit == "s" else divmod(left, size)
        words += f"{number:g}{unit}" if number else ""
    return words


def spoken(seconds: float) -> str:
    """Return a time in the unit that fits it: 12 s, 5.5 minutes, 2.3 hours, 61 days."""
    for least, unit, name in ((_DAYS, "d", "days"), (_HOURS, "h", "hours"), (_MINUTES, "m", "minutes")):
        if seconds >= least:
            return f"{_rounded(seconds / _UNITS[unit])} {name}"
    return f"{_rounded(seconds)} s"


def _rounded(number: float) -> str:
    """Return a number with two digits at least, and no more after the point than it needs."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"
