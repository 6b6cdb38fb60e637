"""Checks of going on where a run stood."""

from __future__ import annotations

from instar.testing.case import Case
from instar.testing.runs import interrupted_equals_whole


def resume(case: Case) -> None:
    """A run that was interrupted and resumed ends with the bits of one that was not."""
    resumed = interrupted_equals_whole(case.name, case.folder)
    assert resumed.averages.of
    assert resumed.optimizers.by_name
