"""A method for one folder of images, from the command line."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from instar.cli import main
from instar.core.run import load_method


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in (f"{folder}/{i}.png" for folder in ("cat", "dog") for i in range(10)):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (34, 40, 3), dtype=np.uint8)).save(path)
    return tmp_path / "photos"


FLAGS = ("--preset", "tiny", "--steps", "3", "--device", "cpu")


def train(photos: Path, out: Path, *flags: str) -> int:
    return main.run(["train", "tunit", str(photos), "-o", str(out), *FLAGS, *flags])


def test_train_translate_and_repeat(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    assert train(photos, run) == 0
    log = (run / "run.log").read_text()
    assert log.count("images to train on") == 1
    assert "photos: 18 images to train on, 2 held out" in log
    assert yaml.safe_load((run / "config.yaml").read_text())["data"]["target"] == "photos"
    assert main.run(["train", "--config", str(run / "config.yaml"), "-o", str(tmp_path / "again")]) == 0
    first, second = (load_method(path)[0].state_dict() for path in (run, tmp_path / "again"))
    assert all((first[name] == second[name]).all() for name in first)
    assert main.run(["translate", str(run), str(photos), "-o", str(out), "--device", "cpu"]) == 0
    assert len(list(out.rglob("*.png"))) == 20
    capsys.readouterr()


def test_labels(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(photos, tmp_path / "semi", "--method.mode", "semi", "--data.labelled", "0.2") == 0
    assert train(photos, tmp_path / "sup", "--method.mode", "sup", "--method.domains", "2") == 0
    capsys.readouterr()
    assert main.run(["evaluate", str(tmp_path / "sup"), str(photos), "--extractor", "none", "--device", "cpu"]) == 0
    assert "cluster accuracy" in capsys.readouterr().out
    assert train(photos / "cat", tmp_path / "none", "--method.mode", "sup") == 2
    assert "--method.mode sup needs classes" in capsys.readouterr().err


def test_two_folders_are_refused(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    roots = [str(photos / "cat"), str(photos / "dog")]
    assert main.run(["train", "tunit", *roots, "-o", str(tmp_path / "run"), *FLAGS]) == 2
    assert "2 folders given: this method takes one" in capsys.readouterr().err
