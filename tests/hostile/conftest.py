"""The marker of the campaign and its processes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from hostile.figures import Found, recorded
from hostile.forks import Forks

HERE = Path(__file__).parent
collect_ignore_glob = ["test_*.py"] if sys.platform == "win32" else []
"""There is no fork on Windows."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.hostile)


@pytest.fixture
def campaign(request: pytest.FixtureRequest) -> Callable[[str], AbstractContextManager[Found]]:
    """Gives a place for the findings of a part of the campaign, by its title."""
    return lambda title: recorded(title, request.node.user_properties)


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Processes that are forked from one that has imported everything."""
    with Forks() as made:
        yield made
