"""A training by its time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from engine.processes import draw, state

import instar
from instar.api import budget
from instar.core import registry
from instar.core.config import RunConfig
from instar.core.errors import UserError
from instar.core.method import defaults
from instar.core.run import read_config
from instar.core.settings import with_changes
from instar.engine.trial import Cost

COST = Cost(step=2.0, picture=10.0, checkpoint=20.0, memory=0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("drawn") / "data")


def config(**train: int) -> RunConfig:
    base = defaults("cyclegan", registry.get("cyclegan"), None)
    changed = {"preview_every": 100, "save_every": 100, **train}
    return replace(base, train=with_changes(base.train, changed))


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "measured", lambda *_: COST)


def test_pictures_and_checkpoints_are_part_of_it() -> None:
    # 2.3 s with their shares; 40 s before the first step and after the last one.
    assert budget.steps_in(1000, COST, config()) == int((1000 * budget.PLANNED - 40) / 2.3)
    assert budget.steps_in(30, COST, config()) == 0


@pytest.mark.usefixtures("pretended")
def test_the_steps_are_those_that_fit_and_are_said(tmp_path: Path) -> None:
    found, said = budget.within(config(), 4 * 3600.0, tmp_path / "not" / "there" / "run")
    assert found.train.steps == pytest.approx(budget.steps_in(4 * 3600, COST, config()), abs=1)
    assert replace(found, train=config().train) == config()
    assert str(said[0]).startswith(f"budget=4h: a step takes 2 s here, so that the run has steps={found.train.steps}")
    assert "that is 2.2% of the 266,800 steps of the preset 'paper': too few for good translations" in str(said[1])
    assert not (tmp_path / "not").exists()


@pytest.mark.usefixtures("pretended")
def test_a_budget_for_the_whole_preset_has_nothing_to_warn_of(tmp_path: Path) -> None:
    assert len(budget.within(config(), 10 * 86400.0, tmp_path)[1]) == 1
    assert "scores" in str(budget.within(config(score_every=10), 10 * 86400.0, tmp_path)[1][1])


@pytest.mark.usefixtures("pretended")
def test_one_that_is_too_small_says_how_much_is_needed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"budget=5s: a step takes 2 s here, .* give 45 s at the least"):
        budget.within(config(), 5.0, tmp_path)


def test_processes_of_a_launcher_must_agree(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(UserError, match=r"budget: processes of a launcher must agree; give steps"):
        budget.within(config(devices=2, batch=2), 100.0, tmp_path)


def test_a_run_by_its_time_resumes_exactly(data: Path, tmp_path: Path) -> None:
    """Its steps are in its settings: the same steps given as such end in the same bits."""
    common = {"preset": "tiny", "device": "cpu", "train": {"save_every": 2}}
    first = instar.train("cyclegan", data, out=tmp_path / "timed", budget="1m", **common)
    steps = first.steps
    assert first.finished
    assert steps >= 1
    assert read_config(tmp_path / "timed" / "config.yaml").train.steps == steps
    assert any(str(line).startswith("budget=1m: a step takes ") for line in first.notes)
    assert "budget=1m" in (tmp_path / "timed" / "run.log").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["timed"], "nothing of the trial stays"
    start = (first.checkpoint or tmp_path).parent / f"step-{steps // 2 * 2 - 2:09d}"
    if start.is_dir():
        assert instar.resume(start).steps == steps
    instar.train("cyclegan", data, out=tmp_path / "counted", steps=steps, **common)
    assert state(tmp_path / "timed") == state(tmp_path / "counted")


def test_two_lengths_are_refused(data: Path, tmp_path: Path) -> None:
    for given in ({"steps": 3}, {"train": {"steps": 3}}):
        with pytest.raises(UserError, match="both say how long"):
            instar.train("cyclegan", data, out=tmp_path / "run", budget="1h", **given)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="budget must be a time such as 4h"):
        instar.train("cyclegan", data, out=tmp_path / "run", budget="soon")
