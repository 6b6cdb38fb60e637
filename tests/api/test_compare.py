from collections.abc import Callable
from pathlib import Path

import pytest
from evaluation.parts import data_set
from evaluation.test_compare import with_seed

from instar.api.compare import compare
from instar.core.errors import UserError
from instar.core.events import Event, Worked

from .quiet import in_a_thread, quietly

Runs = Callable[..., Path]
COLOURS = "evaluation.parts:colours"


def test_a_comparison_with_and_without_a_folder(
    run_directory: Runs, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data, runs = data_set(tmp_path / "set"), [run_directory("cut"), run_directory("cyclegan")]
    events: list[Event] = []
    with quietly(capfd):
        found = compare(runs, data=data, extractor=COLOURS, on_event=events.append)
        assert in_a_thread(lambda: compare(runs, tmp_path / "out", data=data, extractor=COLOURS)) == found
    assert [row.title for row in found.rows] == ["cut, tiny", "cyclegan, tiny"]
    assert events[:2] == [Worked(f"{runs[0]}: real images", done, 12) for done in (0, 12)]
    assert events[-1] == Worked(f"{runs[1]}: last", 12, 12)
    names = {"table.md", "table.html", "scores.json", "strip-0.png", "strip-1.png"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert (tmp_path / "out/scores.json").read_text() == f"{found.as_json()}\n"


def test_titles_make_rows(run_directory: Runs, tmp_path: Path) -> None:
    data, cut = data_set(tmp_path / "set"), run_directory("cut")
    runs = [cut, with_seed(cut, tmp_path / "again", 3), run_directory("cyclegan")]
    found = compare(runs, data=data, extractor=COLOURS, titles=["a", "b", "a"])
    assert [(row.title, row.runs) for row in found.rows] == [
        ("a", (str(runs[0]), str(runs[2]))),
        ("b", (str(runs[1]),)),
    ]


def test_what_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/x").touch()
    with pytest.raises(UserError, match="nothing to compare"):
        compare([])
    with pytest.raises(UserError, match=r"titles: give one for each of the 2 runs, not 1"):
        compare(["a", "b"], titles=["x"])
    with pytest.raises(UserError, match=r"out=.*out: exists already; choose another folder"):
        compare("a", tmp_path / "out")
