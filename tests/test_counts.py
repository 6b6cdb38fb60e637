"""Costs that do not vary from run to run are those of the committed table; see counts.py for how to write it anew."""

from __future__ import annotations

import json
from typing import Any

import counts
import pytest
from engine.device import pretend

from instar.core import registry

TABLE: dict[str, Any] = json.loads(counts.TABLE.read_text(encoding="utf-8"))
WRITE = "if that is meant, write the table anew: python tests/counts.py"


@pytest.mark.parametrize("name", registry.names())
def test_a_step_and_a_checkpoint_cost_what_they_did(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch.setattr)
    assert counts.of_method(name) == TABLE["methods"].get(name), WRITE


@pytest.mark.parametrize("start", counts.STARTS)
def test_a_start_imports_no_more_than_it_did(start: str) -> None:
    assert set(counts.imported(counts.STARTS[start])) <= set(TABLE["imports"][start]), WRITE


def test_one_more_pass_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table can be failed: a generator that is called twice costs more."""
    pretend(monkeypatch.setattr)
    kind = registry.get("cyclegan")
    forward = kind.generator_loss  # type: ignore[attr-defined]

    def wasteful(self: Any, x: Any, *rest: Any) -> Any:
        self.G(x)
        return forward(self, x, *rest)

    monkeypatch.setattr(kind, "generator_loss", wasteful)
    found, before = counts.of_method("cyclegan"), TABLE["methods"]["cyclegan"]
    (step,), (usual,) = found["steps"].values(), before["steps"].values()
    assert step["products"] > usual["products"]
    assert step["operations"] > usual["operations"]
    assert step["moves"] == usual["moves"]


def test_it_holds_every_method_and_nothing_else() -> None:
    assert set(TABLE["methods"]) == set(registry.names())
