import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from instar.core.errors import UserError
from instar.core.events import Event, Worked
from instar.evaluation.study_images import study_images

from .parts import data_set

Runs = Callable[..., Path]


def test_the_choice_of_inputs(run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set")
    (data / "test" / "horse" / "0.png").write_bytes(b"no image")
    runs = [run_directory("cut"), run_directory("cyclegan")]
    few = study_images(runs, [data], count=4)
    assert len(few.names) == len(set(few.names)) == 4
    assert few.names != study_images(runs, [data], count=4, seed=5).names
    assert few.direction == "horse -> zebra"
    assert few.question == "Which one is the better zebra?"
    assert replace(few, target="B").question == "Which translation is the better one?"
    everything = study_images(runs, [data], count=50)
    assert len(everything.names) == 11
    assert "50 inputs were asked for, there are 11" in everything.notes


def test_equal_translations_are_said(run_directory: Runs, tmp_path: Path) -> None:
    run = run_directory("cut")
    shown = study_images([run, run], [data_set(tmp_path / "set")], count=3)
    assert any("3 translations are equal" in note for note in shown.notes)


def test_sizes_and_directions(run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set")
    other = tmp_path / "other"
    shutil.copytree(run_directory("cut"), other)
    for config in other.rglob("config.yaml"):
        (config.parent / "SHA256SUMS").unlink(missing_ok=True)
        config.write_text(config.read_text().replace("size: 32", "size: 64"))
    runs = [run_directory("cyclegan"), other]
    with pytest.raises(UserError, match="say with size at which"):
        study_images(runs, [data], count=2)
    shown = study_images(runs, [data], count=2, size=48)
    pictures = [*shown.inputs, *shown.translations[0], *shown.translations[1]]
    assert {picture.size for picture in pictures} == {(48, 48)}
    back = tmp_path / "back"
    shutil.copytree(run_directory("cut"), back)
    for config in back.rglob("config.yaml"):
        (config.parent / "SHA256SUMS").unlink(missing_ok=True)
        text = config.read_text().replace("source: horse", "source: x").replace("target: zebra", "target: horse")
        config.write_text(text.replace("source: x", "source: zebra"))
    with pytest.raises(UserError, match="different directions"):
        study_images([run_directory("cut"), back], [data], count=2)


def test_it_tells_how_far_it_is(run_directory: Runs, tmp_path: Path) -> None:
    run = run_directory("cut")
    events: list[Event] = []
    study_images([run], [data_set(tmp_path / "set")], count=3, on_event=events.append)
    assert events == [Worked(f"{run}: translating", done, 3) for done in (0, 3)]
