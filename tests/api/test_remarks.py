"""What a training says at its start."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine.heard import Heard
from PIL import Image, ImageOps

import instar
from instar.api import remarks
from instar.api.remarks import LONG, MEASURED, Estimate, Losses
from instar.core import registry
from instar.core.events import Noted, Started, Stepped
from instar.core.method import defaults
from instar.methods.cut import CUT


def written(root: Path, count: int = 24, side: int = 40, mode: str = "RGB") -> Path:
    """Pairs of smooth random pictures and their negatives."""
    random = np.random.default_rng(0)
    for name in ("trainA", "trainB", "testA", "testB"):
        (root / name).mkdir(parents=True)
    for i in range(count):
        split = "test" if i < 2 else "train"
        coarse = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8)).convert(mode)
        image = coarse.resize((side, side), Image.Resampling.BICUBIC)
        image.save(root / f"{split}A" / f"{i:03d}.png")
        ImageOps.invert(image).save(root / f"{split}B" / f"{i:03d}.png")
    return root


def shuffled(root: Path) -> Path:
    """The same files, of which others have the same names."""
    files = sorted((root / "trainB").iterdir())
    for file in files:
        file.rename(file.with_suffix(".moved"))
    for i, file in enumerate(files):
        files[(i * 7 + 3) % len(files)].with_suffix(".moved").rename(file)
    return root


def said(method: str, data: Path, out: Path, **settings: Any) -> tuple[list[str], list[str]]:
    heard = Heard()
    instar.train(method, data, out=out, preset="tiny", steps=1, device="cpu", **settings, on_event=heard)
    return [str(event.text) for event in heard.of(Noted)], heard.warnings


def test_pairs_are_counted(tmp_path: Path) -> None:
    notes, warnings = said("pix2pix", written(tmp_path / "data"), tmp_path / "run")
    assert "A and B: 22 pairs to train on" in notes
    assert not warnings
    assert not any("gray" in line or "enlarged" in line for line in notes)


def test_shuffled_pairs_are_doubted(tmp_path: Path) -> None:
    data = shuffled(written(tmp_path / "data"))
    _, warnings = said("pix2pix", data, tmp_path / "run")
    (line,) = warnings
    assert line.startswith("A and B may be no pairs: images of one name are no more alike than shuffled ones (22 were")
    assert f"instar.check('{data}', pairs='pairs.png')" in line
    assert "\n" not in line
    assert said("cyclegan", data, tmp_path / "unpaired")[1] == []


def test_gray_files_for_colour(tmp_path: Path) -> None:
    data = written(tmp_path / "data", mode="L")
    notes, _ = said("cyclegan", data, tmp_path / "run")
    assert "all images are gray (44 were looked at): channels=1 trains on them as such" in notes
    notes, _ = said("cyclegan", data, tmp_path / "gray", channels=1)
    assert not any("are gray" in line for line in notes)
    shutil.rmtree(data / "trainA")
    shutil.copytree(written(tmp_path / "colour") / "trainA", data / "trainA")
    notes, _ = said("cyclegan", data, tmp_path / "one side")
    assert not any("are gray" in line for line in notes)


def test_small_files_for_a_large_size(tmp_path: Path) -> None:
    notes, _ = said("cyclegan", written(tmp_path / "data"), tmp_path / "run", size=64)
    line = "A: images of 40 px (the median of their short sides) are enlarged for size=64; size=32 shows as much and is"
    assert any(note.startswith(line) for note in notes)
    notes, _ = said("cyclegan", tmp_path / "data", tmp_path / "small", size=32)
    assert not any("enlarged" in note for note in notes)


@pytest.mark.parametrize(
    ("preset", "seconds", "expected"),
    [
        (None, 8.0, "8.0 s a step: this takes about 19 days on a CPU; preset=small is made for CPUs"),
        ("small", 800.0, "800.0 s a step: this takes about"),
        (None, 0.1, ""),
    ],
)
def test_days_are_said_after_a_few_steps(
    preset: str | None, seconds: float, expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    now, heard = [0.0], []
    monkeypatch.setattr(remarks.time, "monotonic", lambda: now[0])
    config = defaults("cyclegan", registry.get("cyclegan"), preset)
    config = replace(config, train=replace(config.train, steps=200_005))
    listen = Estimate(config, heard.append)
    listen(Started(tmp_path, "cyclegan", 3, 200_005, 1, "cpu"))
    for step in range(4, 12):
        now[0] += 50.0 if step == 4 else seconds
        listen(Stepped(step, 0.0))
        assert bool(heard) == (step >= 4 + MEASURED and bool(expected))
    assert len(heard) == bool(expected)
    if heard:
        assert isinstance(heard[0], Noted)
        assert str(heard[0].text).startswith(expected)
        assert ("preset" in str(heard[0].text)) == (preset is None)
    assert LONG == 86_400


def test_a_training_that_ends_with_copies_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(tmp_path / "data")
    assert not any("nearly a copy" in line for line in said("cut", data, tmp_path / "other")[1])
    monkeypatch.setattr(CUT, "translate", lambda _, x, to: x + 2 / 127.5)
    _, warnings = said("cut", data, tmp_path / "run")
    change = "the mean change is 2.0 of 255 grey levels on the sample pictures"
    assert warnings == [f"translations to B are nearly a copy: {change}"]


def test_files_that_are_met_unreadable_are_named_once() -> None:
    heard = Heard()
    found = [[(Path("a/1.png"), "not an image")], []]
    losses = Losses(lambda: found.pop(0), heard)
    losses(Started(Path("run"), "cut", 0, 9, 1, "cpu"))
    assert len(found) == 2
    losses(Stepped(1, 0.0))
    losses(Stepped(2, 0.0))
    assert heard.warnings == ["a/1.png: not an image; the next image stands in for it"]
