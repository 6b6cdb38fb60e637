"""Every check runs on every method, preset "tiny". A check is called by its function's name without `test_`."""

from typing import Any

import pytest

import instar
from contract.playing import build, source_for, tiny
from instar.core.batch import Batch
from instar.core.config import RunConfig
from instar.core.method import Method


@pytest.fixture(params=instar.names())
def name(request: pytest.FixtureRequest) -> str:
    check = request.function.__name__.removeprefix("test_")
    reason = instar.get(request.param).exempt.get(check)
    if reason:
        pytest.skip(f"exempt in {request.param}: {reason}")
    return str(request.param)


@pytest.fixture
def kind(name: str) -> type[Method[Any]]:
    return instar.get(name)


@pytest.fixture
def config(name: str) -> RunConfig:
    return tiny(name)


@pytest.fixture
def method(config: RunConfig) -> Method[Any]:
    return build(config)


@pytest.fixture
def batch(config: RunConfig) -> Batch:
    return source_for(config).batch(0)
