"""From a user's labelled folders to the accuracy on the target's test images."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instar.cli import main

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Domain A has dark and light images in class folders, B has them without, but for its test images."""
    rng = np.random.default_rng(0)
    for place, count in (("trainA/{}", 8), ("trainB", 8), ("testA/{}", 3), ("testB/{}", 5)):
        for name, low in (("dark", 0), ("light", 200)):
            folder = tmp_path / "set" / place.format(name)
            folder.mkdir(parents=True, exist_ok=True)
            for i in range(count):
                Image.fromarray(rng.integers(low, low + 55, (28, 28, 3), dtype=np.uint8)).save(
                    folder / f"{name}{i}.png"
                )
    return tmp_path / "set"


def test_scores_of_a_run(folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    run = tmp_path / "run"
    flags = "--preset tiny --steps 12 --train.save-every 3 --train.keep 0 --method.classes 2 --method.optim.lr 0.002"
    assert main.run(["train", "unit-adaptation", str(folders), "-o", str(run), *flags.split(), "--device", "cpu"]) == 0
    benchmark = runpy.run_path(str(REPOSITORY / "benchmarks" / "digits.py"))
    direction, accuracies, remark = benchmark["scores"](run, False)
    assert direction == "A -> B (10)"
    assert len(accuracies) == 3
    assert all(accuracy * 10 == pytest.approx(round(accuracy * 10)) for accuracy in accuracies)
    assert "best on source, of 4 at step-" in remark
    _, by_source, _ = benchmark["scores"](run, True)
    assert len(by_source) == 3
    monkeypatch.setattr("sys.argv", ["digits.py", str(run), str(run)])
    capsys.readouterr()
    benchmark["main"]()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[1] == lines[2]
    assert lines[3].startswith("mean ± spread of 2")
    assert f"{accuracies[0]:.4f} ±0.0000" in lines[3]


def test_more_classes_than_heads(folders: Path, tmp_path: Path, capsys) -> None:
    (folders / "trainA/gray").mkdir()
    (folders / "trainA/light/light0.png").rename(folders / "trainA/gray/0.png")
    flags = ["--preset", "tiny", "--method.classes", "2", "--device", "cpu", "--batch", "16"]
    assert main.run(["train", "unit-adaptation", str(folders), "-o", str(tmp_path / "run"), *flags]) == 2
    assert "there are 3 classes: set --method.classes, not 2" in capsys.readouterr().err
