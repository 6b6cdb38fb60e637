import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation.parts import data_set, noise
from PIL import Image
from rich.console import Console

from instar.cli import main
from instar.cli.evaluate import show
from instar.evaluation.report import Column, Report
from instar.evaluation.score import Score

Runs = Callable[..., Path]
COLOURS = ["--extractor", "evaluation.parts:colours"]


def test_a_run_on_other_images(
    run_directory: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    data, out = data_set(tmp_path / "set"), tmp_path / "scores.json"
    assert main.run(["evaluate", str(run_directory("cut")), str(data), *COLOURS, "-o", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "horse -> zebra" in printed
    assert "copy of the input" in printed
    assert "step 1, 1.5 min" in printed
    assert "-KID ↓" in printed
    assert "coverage ↑" in printed
    assert "note: only 12 test images of horse" in printed
    kid = json.loads(out.read_text())["columns"][1]["scores"][0]
    assert f"{kid['value']:.4f}" in printed


def test_at_80_columns_intervals_have_lines_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    column = Column("copy of the input", [Score("target share", 0.7, "higher", 0.6, 0.7805)])
    others = [replace(column, title="real images"), replace(column, title="last", step=4000, minutes=22.9)]
    report = Report("runs/quick", "quick", "cat -> dog", "KID", [column, *others], [])
    for width in (80, 200):
        show(report, Console(width=width))
        lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
        once = "0.7000 (0.6000 to 0.7805)"
        if width == 80:
            assert "target share ↑ 0.7000 0.7000 0.7000" in lines
            assert " ".join(3 * ["(0.6000 to 0.7805)"]) in lines
        else:
            assert f"target share ↑ {once} {once} {once}" in lines


def test_pictures_of_any_tool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, real = noise(tmp_path / "made", 6), noise(tmp_path / "real", 7)
    assert main.run(["evaluate", "--images", str(made), "--reference", str(real), *COLOURS]) == 0
    assert "6 against 7 images" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a run, or --images and --reference"),
        (["RUN", "--images", "x"], "give a run, or --images and --reference"),
        (["--images", "x"], "--images and --reference belong together"),
        (["RUN", "--inputs", "x"], "--inputs is for --images"),
        (["RUN", "--size", "0"], "--size must be at least 8, not 0"),
        (["--images", "x", "--reference", "y", "--palette", "auto"], "--palette is for a run"),
        (["--images", "x", "--reference", "y", "--segmenter", "unet"], "--segmenter is for a run"),
        (["RUN"], "RUN: not a run directory"),
        (["--images", "x", "--reference", "y", "--extractor", "mobilnet"], "did you mean 'mobilenet'"),
        (
            ["--images", "x", "--reference", "y", "--extractor", "mobilenet"],
            "--extractor mobilenet needs its file: --weights",
        ),
    ],
)
def test_wrong_input_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["evaluate", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("method", ["unit-adaptation", "dann", "cogan"])
def test_accuracy_of_a_classifier(method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    for place, count in (("trainA/{}", 8), ("trainB", 8), ("testA/{}", 3), ("testB/{}", 5)):
        for name, low in (("dark", 0), ("light", 200)):
            folder = tmp_path / "set" / place.format(name)
            folder.mkdir(parents=True, exist_ok=True)
            for i in range(count):
                pixels = rng.integers(low, low + 55, (28, 28, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{name}{i}.png")
    run = str(tmp_path / "run")
    flags = "--preset tiny --steps 6 --train.save-every 3 --train.keep 0 --method.classes 2 --device cpu"
    assert main.run(["train", method, str(tmp_path / "set"), "-o", run, *flags.split()]) == 0
    capsys.readouterr()
    out = tmp_path / "scores.json"
    assert main.run(["evaluate", run, "-o", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "accuracy, target ↑" in printed
    columns = json.loads(out.read_text())["columns"]
    assert [column["title"] for column in columns] == ["last", "last, averaged", "best on source, of 2"]
    for column in columns:
        for score in column["scores"]:
            count = 10 if score["name"] == "accuracy, target" else 6
            assert score["value"] * count == pytest.approx(round(score["value"] * count))


def test_label_maps_from_the_command_line(
    run_directory: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    data = tmp_path / "set"
    for split, count in (("train", 3), ("test", 4)):
        for domain in ("horse", "zebra"):
            (data / split / domain).mkdir(parents=True)
        for i in range(count):
            pixels = np.random.default_rng(i).integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(data / split / "horse" / f"{i}.png")
            Image.fromarray(np.full((32, 32), 3 * i, np.uint8)).save(data / split / "zebra" / f"{i}.png")
    run = str(run_directory("cyclegan"))
    assert main.run(["evaluate", run, str(data), *COLOURS, "--palette", "auto"]) == 0
    printed = capsys.readouterr().out
    assert "label mean IoU ↑" in printed
    assert "note: label maps: 4 classes, by the nearest colour" in printed
    assert main.run(["evaluate", run, str(data), *COLOURS, "--palette", str(tmp_path / "none.txt")]) == 2
    assert "none.txt: cannot be read" in capsys.readouterr().err
    assert main.run(["evaluate", run, str(data), *COLOURS, "--segmenter", "unet"]) == 2
    assert "--segmenter: the translations are label maps (zebra) themselves" in capsys.readouterr().err
