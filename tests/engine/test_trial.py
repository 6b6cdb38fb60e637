from pathlib import Path
from typing import Any

import pytest

from instar.core import device, registry
from instar.engine import trial
from instar.engine.trainer import Trainer
from instar.testing.runs import build, source_for, tiny, trainer


def made(name: str, folder: Path, steps: int = 10_000, **options: Any) -> Trainer:
    config = tiny(name, {"steps": steps, "batch": 2}, **options)
    folder.mkdir()
    return trainer(config, folder, build(config), source_for(config))


@pytest.mark.parametrize("name", registry.names())
def test_every_method_can_be_measured(name: str, tmp_path: Path) -> None:
    cost = trial.measure(made(name, tmp_path / "run"))
    assert cost.step > 0
    assert cost.picture > 0
    assert cost.checkpoint > 0
    assert cost.memory > 1e8 or not cost.memory


def test_each_phase_counts_by_its_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that a test moves: steps of the second phase take three times as long as those of the first."""
    play = made("transgaga", tmp_path / "run")
    phases, now = [], [0.0]
    seconds = {"disentangle": 1.0, "translate": 3.0, "joint": 5.0}
    shares: dict[str, float] = {}
    for step in range(10_000):
        phase = play.method.phase(play.at.__class__(step, 10_000))
        shares[phase] = shares.get(phase, 0) + 1e-4

    def step(_: object) -> None:
        phase = play.method.phase(play.at)
        phases.append(phase)
        now[0] += seconds.get(phase, 7.0)
        play.step += 1

    monkeypatch.setattr(play, "train_step", step)
    monkeypatch.setattr(device.time, "perf_counter", lambda: now[0])
    cost = trial.measure(play)
    assert set(phases) == set(shares)
    assert len(shares) == 3
    assert cost.step == pytest.approx(sum(share * seconds.get(phase, 7.0) for phase, share in shares.items()), rel=0.05)


def test_long_steps_are_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play, now, taken = made("cyclegan", tmp_path / "run"), [0.0], []

    def step(_: object) -> None:
        taken.append(play.step)
        now[0] += 60.0
        play.step += 1

    monkeypatch.setattr(play, "train_step", step)
    monkeypatch.setattr(device.time, "perf_counter", lambda: now[0])
    assert trial.measure(play).step == 60.0
    assert len(taken) == trial.WARM_UP + trial.LEAST
