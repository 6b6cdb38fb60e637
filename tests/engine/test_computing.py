"""How a run computes is chosen before its first step."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from engine.graphs import Graphs
from instar.core.config import RunConfig, TrainConfig
from instar.core.errors import UserError
from instar.core.events import note
from instar.engine import calls, computing
from instar.engine.computing import set_up
from instar.engine.parallel import fabric_of
from instar.testing.runs import build, source_for, tiny


def chosen(config: RunConfig) -> tuple[str, str]:
    method = build(config)
    before = {key: value.clone() for key, value in method.state_dict().items()}
    found, said = set_up(fabric_of("cpu"), method, config, source_for(config), Path("run"))
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())
    assert all(parameter.grad is None for parameter in method.parameters())
    return found.train.precision, "; ".join(str(note(line).text) for line in said)


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


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """PyTorch's own graphs of forward and backward, without a compiler for C++."""
    monkeypatch.setattr(calls, "BACKEND", "aot_eager")
    yield
    torch.compiler.reset()


def changed(method: nn.Module) -> list[str]:
    return [name for name, part in method.named_modules() if "forward" in vars(part)]


def set_up_run(config: RunConfig) -> tuple[nn.Module, str]:
    method = build(config)
    _, said = set_up(fabric_of("cpu"), method, config, source_for(config), Path("run"))
    return method, "; ".join(str(note(line).text) for line in said)


@pytest.mark.usefixtures("eager")
def test_networks_are_compiled_where_the_step_calls_them() -> None:
    method, said = set_up_run(tiny("quick", {"compile": True}))
    parts = changed(method)
    assert "D" in parts
    assert not any(one.startswith(f"{other}.") for one in parts for other in parts), "none lies within another"
    assert re.fullmatch(
        r"train.compile=True: \d networks or parts of them in .*; the first step is the same up to 0.0% of .*", said
    )


def test_without_a_compiler_all_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("No working C++ compiler found\nin [g++]")

    monkeypatch.setattr(calls, "BACKEND", broken)
    method, said = set_up_run(tiny("quick", {"compile": True}))
    assert said.startswith("train.compile=True: nothing is compiled, since the first step is then not to be had (")
    assert "No working C++ compiler found" in said
    assert "\n" not in said
    assert changed(method) == []
    torch.compiler.reset()


@pytest.mark.usefixtures("eager")
def test_another_step_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computing, "COMPILED", {"32": (-1.0, -1.0)})
    method, said = set_up_run(tiny("quick", {"compile": True}))
    assert said.startswith("train.compile=True: nothing is compiled, since the first step is then another one, by ")
    assert changed(method) == []


def test_networks_that_are_computed_twice() -> None:
    method, said = set_up_run(tiny("cyclegan", {"activation_checkpointing": ("G", "D_X")}))
    assert said == ""
    assert {name.partition(".")[0] for name in changed(method)} == {"G", "D_X"}
    method, _ = set_up_run(tiny("cyclegan", {"activation_checkpointing": ("all",)}))
    assert {name.partition(".")[0] for name in changed(method)} == {"G", "F", "D_X", "D_Y"}
    with pytest.raises(UserError, match=r"activation_checkpointing=D_Z: cyclegan trains no such network; did you mean"):
        set_up_run(tiny("cyclegan", {"activation_checkpointing": ("D_Z",)}))


def clock(monkeypatch: pytest.MonkeyPatch, *seconds: float) -> None:
    """Let computing the first step take these seconds, one after the other."""
    left = iter(seconds)

    def taken(work: Callable[[], object], _: torch.device) -> float:
        work()
        return next(left)

    monkeypatch.setattr(computing, "seconds_of", taken)


def test_networks_become_graphs_where_the_step_calls_them(graphs: Graphs, monkeypatch: pytest.MonkeyPatch) -> None:
    clock(monkeypatch, 0.09, 0.072, 0.08, 0.03, 0.025, 0.04)
    method, said = set_up_run(tiny("quick", {"cuda_graphs": True}))
    parts = changed(method)
    assert "D" in parts
    assert not any(one.startswith(f"{other}.") for one in parts for other in parts), "none lies within another"
    assert graphs.recorded >= 2 * len(parts)
    assert re.fullmatch(
        r"train.cuda_graphs=True: \d networks or parts of them in .*; the first step is the same up to 0.0% of .*, "
        r"and takes 25 ms in place of 72",
        said,
    )


@pytest.mark.usefixtures("graphs")
def test_graphs_that_do_not_gain_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    clock(monkeypatch, *[0.2] * 3, *[0.21] * 3)
    method, said = set_up_run(tiny("quick", {"cuda_graphs": True}))
    assert said == (
        "train.cuda_graphs=True: nothing is recorded, since the first step is then no faster (210 ms in place of 200)"
    )
    assert changed(method) == []


def test_graphs_that_cannot_be_recorded_are_not_taken(graphs: Graphs, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nin a kernel")

    monkeypatch.setattr(graphs, "_graph", broken)
    method, said = set_up_run(tiny("quick", {"cuda_graphs": True}))
    assert said.startswith("train.cuda_graphs=True: nothing is recorded, since the first step is then not to be had (")
    assert "operation not permitted when stream is capturing" in said
    assert "\n" not in said
    assert changed(method) == []


@pytest.mark.usefixtures("graphs")
def test_graphs_of_another_step_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computing, "COMPILED", {"32": (-1.0, -1.0)})
    method, said = set_up_run(tiny("quick", {"cuda_graphs": True}))
    assert said.startswith("train.cuda_graphs=True: nothing is recorded, since the first step is then another one, by ")
    assert changed(method) == []


def test_a_processor_has_no_graphs() -> None:
    method, said = set_up_run(tiny("quick", {"cuda_graphs": True}))
    assert said == ("train.cuda_graphs=True: nothing is recorded; NVIDIA GPUs have such graphs, and this trains on cpu")
    assert changed(method) == []


@pytest.mark.parametrize(
    "ways",
    [
        {"compile": True, "cuda_graphs": True},
        {"compile": True, "activation_checkpointing": ("all",)},
        {"cuda_graphs": True, "activation_checkpointing": ("all",)},
    ],
)
def test_one_way_to_compute(ways: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"^train\.\w+=.* and train\.\w+=.*: give one of them"):
        TrainConfig(**ways)
