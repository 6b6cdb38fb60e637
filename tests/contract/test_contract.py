"""Every check of `instar.testing` runs on every method."""

from dataclasses import fields
from pathlib import Path

import pytest

import instar
from instar.core.config import DataConfig, MethodConfig, Optim, TrainConfig
from instar.core.settings import field_docs
from instar.testing import Case, Check, checks

CHECKS = [pytest.param(check, id=check.name, marks=[pytest.mark.slow] * check.slow) for check in checks()]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", instar.names())
def test_method(name: str, check: Check, tmp_path: Path) -> None:
    reason = instar.get(name).exempt.get(check.name)
    if reason:
        pytest.skip(f"exempt in {name}: {reason}")
    check.run(Case(name, tmp_path))


@pytest.mark.parametrize("shared", [MethodConfig, Optim, DataConfig, TrainConfig])
def test_help_of_what_all_methods_share(shared: type) -> None:
    assert set(field_docs(shared)) >= {field.name for field in fields(shared)}
