import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instar.cli import demo, main

Said = pytest.CaptureFixture[str]


def scores(text: str) -> list[str]:
    return re.findall(r"(\d+\.\d) dB$", text, re.MULTILINE)


def test_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    monkeypatch.setattr(demo, "TRAIN", 24)
    monkeypatch.setattr(demo, "TEST", 10)
    out = tmp_path / "demo"
    assert main.run(["demo", "-o", str(out), "--steps", "4"]) == 0
    said, progress = capsys.readouterr()
    assert "drawing 24 pairs" in progress
    assert "Traceback" not in progress
    assert len(scores(said)) == 2
    assert all(5 < float(number) < 40 for number in scores(said))
    assert "mean of 10" in said

    picture = Path(said.strip().splitlines()[-1].split(": ", 1)[1])
    assert picture == out / "result.png"
    with Image.open(picture) as image:
        assert image.height == 3 * (128 + 4) + 4
        pixels = np.asarray(image)
    beside = pixels[:, 8 * (128 + 4) + 4 :].reshape(3, -1)
    assert (beside.min(1) < 50).all(), "each row has a label"
    first = np.asarray(Image.open(out / "data" / "testA" / "0024.png").resize((128, 128), Image.Resampling.NEAREST))
    truth = np.asarray(Image.open(out / "data" / "testB" / "0024.png").resize((128, 128), Image.Resampling.NEAREST))
    assert (pixels[4:132, 4:132] == first).all()
    assert (pixels[268:396, 4:132] == truth).all()
    assert (pixels[136:264, 4:132] != first).any(), "the middle row is the translation"

    weights = out / "run" / "checkpoints" / "step-000000004" / "method.safetensors"
    before = weights.read_bytes()
    assert main.run(["demo", "-o", str(out), "--steps", "4"]) == 0
    again, progress = capsys.readouterr()
    assert "drawing" not in progress
    assert again == said
    assert weights.read_bytes() == before


def test_the_size_of_the_demo() -> None:
    assert demo.TRAIN >= 400
    assert demo.TEST >= demo.SHOWN
    assert demo.Demo().steps >= 1000


def test_a_demo_of_no_steps_draws_nothing(tmp_path: Path, capsys: Said) -> None:
    assert main.run(["demo", "-o", str(tmp_path / "demo"), "--steps", "0"]) == 2
    assert re.fullmatch(r"instar: --(train\.)?steps must be at least 1, not 0\n", capsys.readouterr().err)
    assert not (tmp_path / "demo").exists()


def test_a_demo_where_nothing_can_be_written(tmp_path: Path, capsys: Said) -> None:
    file = tmp_path / "file"
    file.touch()
    assert main.run(["demo", "-o", str(file), "--steps", "4"]) == 2
    assert f"instar: -o {file}: cannot be written (" in capsys.readouterr().err
