from pathlib import Path

import pytest
from engine.processes import draw

from instar.api import budget, trial
from instar.cli import main
from instar.core.config import RunConfig
from instar.core.run import read_config
from instar.engine.trial import Cost


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> list[RunConfig]:
    asked: list[RunConfig] = []

    def measured(config: RunConfig, folder: Path | None = None) -> Cost:
        asked.append(config)
        return Cost(step=0.5, picture=0.0, checkpoint=0.0, memory=3 * 10**9)

    monkeypatch.setattr(trial, "measured", measured)
    monkeypatch.setattr(budget, "measured", measured)
    return asked


def test_a_table_and_advice_with_flags(pretended: list[RunConfig], capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--sizes", "128", "256", "--batches", "1", "2", "--precisions", "32", "--method.width", "8"]
    assert main.run(["fit", "cyclegan", "photos", *flags, "--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["size", "precision", "batch", "s/step", "images/s", "GB"]
    assert [line.split()[:5] for line in lines[1:5]] == [
        [size, "float32", batch, "0.500", rate] for size in ("128", "256") for batch, rate in (("1", "2"), ("2", "4"))
    ]
    assert lines[5] == "128 px: 266,800 steps with --batch 1 take 37 hours in float32"
    assert "with --batch 2 --precision 32: 4, 2.0 times as many" in lines[6]
    assert {config.method.width for config in pretended} == {8}  # type: ignore[attr-defined]


def test_help_and_wrong_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["fit", "--help"]) == 0
    assert "instar fit METHOD DATA..." in capsys.readouterr().out
    assert main.run(["fit"]) == 2
    assert main.run(["fit", "--sizes", "64"]) == 2
    assert "instar fit takes the method first, not --sizes" in capsys.readouterr().err


@pytest.mark.usefixtures("pretended")
def test_a_training_by_its_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = draw(tmp_path / "data")
    flags = ["--preset", "tiny", "--device", "cpu", "--budget", "3s"]
    assert main.run(["train", "cyclegan", str(data), "-o", str(tmp_path / "run"), *flags]) == 0
    assert read_config(tmp_path / "run" / "config.yaml").train.steps == 5
    assert "--budget 3s: a step takes 0.5 s here, so that the run has --steps 5" in capsys.readouterr().err
    assert main.run(["train", "cyclegan", str(data), "-o", str(tmp_path / "two"), *flags, "--steps", "3"]) == 2
    assert "--budget and --steps both say how long" in capsys.readouterr().err
