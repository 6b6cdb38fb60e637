"""What is advised for data sets, in Python and on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluation.test_kind_of_change import capped, pictures, striped, whole
from PIL import Image

import instar
from instar.api import advise as module
from instar.cli import main
from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.evaluation import measured_kinds


def written(folder: Path, images: np.ndarray, first: int = 0) -> None:
    folder.mkdir(parents=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{first + i:03d}.png")


@pytest.fixture
def capped_heads(tmp_path: Path) -> Path:
    written(tmp_path / "set" / "trainA", whole(pictures(90, 1)))
    written(tmp_path / "set" / "trainB", whole(capped(pictures(110, 2))), 100)
    return tmp_path / "set"


def test_an_object_that_is_added(capped_heads: Path) -> None:
    found = instar.advise(capped_heads, time=False)
    assert found.change is not None
    assert (found.change.kind, found.paired, found.names) == ("object added", False, ("A", "B"))
    assert (found.method, found.preset, found.minutes) == ("quick", "small", None)
    assert any("drawn mask" in line for line in found.expected)
    assert any("fewer than 100 images" in line for line in found.unknown)
    assert found.next == f"instar.train('quick', '{capped_heads}', out='runs/first', preset='small')"
    assert found.images < (90, 110), "some are held out"


def test_what_nobody_measured_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row for row in measured_kinds.measured_rows() if row.kind != "texture"]
    monkeypatch.setattr(measured_kinds, "measured_rows", lambda: rows)
    written(tmp_path / "trainA", whole(pictures(120, 1)))
    written(tmp_path / "trainB", whole(striped(pictures(120, 2))), 200)
    found = instar.advise(tmp_path, time=False)
    assert found.change is not None
    assert found.change.kind == "texture"
    assert found.expected == []
    assert any("no preset of today was measured" in line for line in found.unknown)


def test_pairs_and_equal_names_that_are_none(tmp_path: Path) -> None:
    a = whole(pictures(60, 1))
    written(tmp_path / "pairs" / "trainA", a)
    written(tmp_path / "pairs" / "trainB", 255 - a)
    found = instar.advise(tmp_path / "pairs", time=False)
    assert (found.paired, found.method, found.change) == (True, "pix2pix", None)
    written(tmp_path / "none" / "trainA", a)
    written(tmp_path / "none" / "trainB", whole(capped(pictures(60, 2))))
    assert instar.advise(tmp_path / "none", time=False).paired is False


def test_one_folder(tmp_path: Path) -> None:
    written(tmp_path / "photos", whole(pictures(30, 1)))
    found = instar.advise(tmp_path / "photos", time=False)
    assert (found.method, found.change, len(found.images)) == ("tunit", None, 1)


def test_features_say_more(capped_heads: Path) -> None:
    found = instar.advise(capped_heads, extractor="evaluation.parts:colours", time=False)
    (line,) = [line for line in found.seen if "copies score a KID" in line]
    assert "of single images are told apart" in line


def test_too_few_images_are_refused_in_one_line(tmp_path: Path) -> None:
    written(tmp_path / "trainA", whole(pictures(15, 1)))
    written(tmp_path / "trainB", whole(pictures(60, 2)), 100)
    with pytest.raises(UserError, match="A and B: 20 images of each that can be read are needed") as caught:
        instar.advise(tmp_path, time=False)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError):
        instar.advise(tmp_path / "nothing", time=False)


def test_the_command(capped_heads: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["advise", str(capped_heads), "--from", "B", "--to", "A", "--no-time"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1].endswith(f"train quick {capped_heads} -o runs/first --preset small --from B --to A")
    assert said[0].startswith("B: ")


def test_the_minutes_are_those_of_some_steps(capped_heads: Path) -> None:
    minutes, precision = module._minutes("quick", "tiny", DataConfig(roots=(capped_heads,)))
    assert 0 < minutes < 10
    assert precision in (None, "bf16")
