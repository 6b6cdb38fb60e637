"""All checks, by name."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any

from instar.core import registry
from instar.core.method import Method
from instar.testing.case import Case
from instar.testing.checks import resuming, settings, steps, terms, translation


@dataclass(frozen=True)
class Check:
    """Something that must hold for a method.

    Attributes:
        name: as `Method.exempt` names it.
        run: raises an AssertionError, or whatever goes wrong, if it does not hold.
        slow: whether it wants a machine that does nothing else; `check_method` leaves it out.
    """

    name: str
    run: Callable[[Case], None]
    slow: bool = False


def checks() -> list[Check]:
    """Return all checks: the public functions of the files in `checks`."""
    found = [check for module in (settings, steps, terms, translation, resuming) for check in _checks_in(module)]
    return [*found, Check("waivers_name_checks_and_reasons", _waivers)]


def check_method(method: str | PathLike[str] | type[Method[Any]]) -> None:
    """Run all checks on a method.

    Args:
        method: its class, its name, or a Python file that holds one. It needs presets "tiny" and "small".

    Raises:
        AssertionError: naming the checks that fail. What the first of them raised is its cause.
    """
    name = registry.resolve(method)
    failed: dict[str, Exception] = {}
    for check in checks():
        if check.slow or check.name in registry.get(name).exempt:
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                check.run(Case(name, Path(folder)))
            except Exception as error:
                failed[check.name] = error
    if failed:
        lines = [f"{check}: {type(error).__name__}: {error}".strip(": ") for check, error in failed.items()]
        raise AssertionError(f"{name} fails " + "; ".join(lines)) from next(iter(failed.values()))


def _checks_in(module: ModuleType) -> list[Check]:
    own = [
        value for value in vars(module).values() if inspect.isfunction(value) and value.__module__ == module.__name__
    ]
    slow = getattr(module, "SLOW", ())
    return [Check(one.__name__, one, slow=one.__name__ in slow) for one in own if not one.__name__.startswith("_")]


def _waivers(case: Case) -> None:
    """What a method is exempt from are checks, and a reason is given."""
    known = {check.name for check in checks()}
    for name, reason in case.kind.exempt.items():
        assert name in known, f"exempt from {name!r}, which is no check"
        assert len(reason) > 20, f"exempt from {name}: the reason is missing"
