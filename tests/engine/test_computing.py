"""How a run computes is chosen before its first step."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from instar.core.config import RunConfig
from instar.core.events import note
from instar.engine import computing
from instar.engine.computing import with_precision
from instar.engine.parallel import fabric_of
from instar.testing.runs import build, source_for, tiny


def chosen(config: RunConfig) -> tuple[str, str]:
    method = build(config)
    before = {key: value.clone() for key, value in method.state_dict().items()}
    found, said = with_precision(fabric_of("cpu"), method, config, source_for(config), Path("run"))
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())
    return found.train.precision, str(note(said).text)


def test_auto_takes_bf16_where_there_are_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny("cut", {"precision": "auto"})
    monkeypatch.setattr(computing, "has_bf16", lambda kind: True)
    precision, said = chosen(config)
    assert precision == "bf16"
    assert said.startswith("precision=auto takes bf16: the first step is that of float32 up to ")
    for unknown in (False, None):
        monkeypatch.setattr(computing, "has_bf16", lambda kind, unknown=unknown: unknown)
        precision, said = chosen(config)
        assert precision == "32"
        assert said == "precision=auto takes 32: this device (cpu) is not known to compute in bfloat16"


def test_auto_takes_32_where_the_first_step_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computing, "has_bf16", lambda kind: True)
    monkeypatch.setattr(computing, "GRADIENT", 1e-6)
    precision, said = chosen(tiny("cut", {"precision": "auto"}))
    assert precision == "32"
    assert said.startswith("precision=auto takes 32: in bfloat16 the first step is another one, by ")


@pytest.mark.parametrize("given", ["32", "bf16"])
def test_what_is_given_stays(given: str) -> None:
    assert chosen(tiny("cut", {"precision": given})) == (given, "")
