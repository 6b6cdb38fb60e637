"""What trainings take, measured or made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from engine.heard import Heard
from engine.processes import draw

import instar
from instar.api import fit as fit_module
from instar.api import trial
from instar.core.config import RunConfig
from instar.core.errors import UserError
from instar.core.events import Worked
from instar.engine.trial import Cost

GB = 10**9


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("drawn") / "data")


def pretend(monkeypatch: pytest.MonkeyPatch, cost: Any, memory: int = 64 * GB, bf16: bool = True) -> list[RunConfig]:
    """Let a function of the settings say what a training takes."""
    asked: list[RunConfig] = []

    def measured(config: RunConfig, folder: Path | None = None) -> Cost:
        asked.append(config)
        found: Cost = cost(config)
        return found

    monkeypatch.setattr(trial, "measured", measured)
    monkeypatch.setattr("instar.core.device.has_bf16", lambda _: bf16)
    monkeypatch.setattr("instar.core.memory.memory", lambda: memory)
    return asked


def linear(config: RunConfig) -> Cost:
    """Half of a step's time does not grow with the batch; bf16 takes 0.6 of it; 2 GB and 4 more for each image."""
    batch, half = config.train.batch, config.train.precision == "bf16"
    return Cost((0.5 + 0.5 * batch) * (0.6 if half else 1.0), 0.1, 0.1, (2 + 4 * batch) * GB)


def test_a_real_training_is_measured(data: Path) -> None:
    heard = Heard()
    found = instar.fit(
        "cut", data, preset="tiny", device="cpu", batches=[2, 400], precisions=["32"], sizes=[32], on_event=heard
    )
    first, second = found.rows
    assert (first.size, first.batch, first.precision, first.why) == (32, 2, "32", None)
    assert first.seconds
    assert first.seconds > 0
    assert first.memory
    assert first.memory > 1e8
    assert second.seconds is None
    assert "has 12 training images, fewer than batch=400" in str(second.why)
    assert len(heard.of(Worked)) == 2
    assert str(found.lines()[-2]).startswith("32 px: 20 steps with batch=2 take ")


def test_batches_grow_while_that_gains_and_fits(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    pretend(monkeypatch, linear, memory=64 * GB)
    found = instar.fit("cyclegan", data, device="cpu", precisions=["32"])
    assert [row.batch for row in found.rows] == [1, 2, 4, 8, 16]
    assert found.rows[-1].seconds is None
    assert str(found.rows[-1].why) == "not tried: about 66 GB of 64, by the growth so far"
    assert str(found.notes[-1]) == "256 px: the largest that was measured and fits: batch=8, 34.0 GB"


def test_a_batch_that_gains_nothing_is_the_last(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    pretend(monkeypatch, lambda config: Cost(config.train.batch * 0.5, 0.1, 0.1, GB))
    found = instar.fit("cyclegan", data, device="cpu", precisions=["32"])
    assert [row.batch for row in found.rows] == [1, 2]
    assert "most images" not in "\n".join(found.notes)


def test_what_does_not_fit_is_a_row_and_ends_the_batches(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    def cost(config: RunConfig) -> Cost:
        if config.train.batch > 1:
            raise trial.TooLargeError
        return linear(config)

    pretend(monkeypatch, cost)
    found = instar.fit("cyclegan", data, device="cpu", precisions=["32"])
    assert [str(row.why) for row in found.rows] == ["None", "does not fit into memory"]


def test_advice_compares_precisions_and_sizes(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    asked = pretend(monkeypatch, linear)
    found = instar.fit("cyclegan", data, device="cpu", sizes=[128, 256], batches=[1], steps=86_400)
    assert [(row.size, row.precision) for row in found.rows] == [(128, "32"), (128, "bf16"), (256, "32"), (256, "bf16")]
    assert [config.data.size for config in asked] == [128, 128, 256, 256]
    assert str(found.notes[0]) == (
        "128 px: 86,400 steps with batch=1 take 24 hours in float32, 14 hours in bf16 "
        "(0.60 of the time, precision=bf16)"
    )
    assert "most images a second with batch=1 precision=bf16: 1.67, 1.7 times" in str(found.notes[1])


def test_bf16_is_not_tried_where_it_is_imitated(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    pretend(monkeypatch, linear, bf16=False)
    assert {row.precision for row in instar.fit("cyclegan", data, device="cpu", batches=[1]).rows} == {"32"}


def test_where_nothing_can_be_measured_the_reason_is_the_error(data: Path) -> None:
    with pytest.raises(UserError, match=r"size=33: .* multiple of 4"):
        instar.fit("cyclegan", data, preset="tiny", device="cpu", sizes=[33], batches=[1], precisions=["32"])
    with pytest.raises(UserError, match="batch must be at least 1"):
        instar.fit("cyclegan", data, preset="tiny", device="cpu", batches=[0], precisions=["32"])


def test_several_processes_are_measured_by_one(data: Path) -> None:
    found = instar.fit(
        "cyclegan", data, preset="tiny", device="cpu", batches=[4], precisions=["32"], train={"devices": 2, "batch": 4}
    )
    assert found.rows[0].batch == 4
    assert found.rows[0].seconds


def test_memory_grows_by_the_last_two() -> None:
    rows = [fit_module.Fitted(64, 1, "32", 1.0, 4), fit_module.Fitted(64, 2, "32", 1.0, 6)]
    assert fit_module._expected(rows, 4) == 10
    assert fit_module._expected(rows[:1], 4) == 0
