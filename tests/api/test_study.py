import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from evaluation.parts import data_set

from instar.api.study import Study, score_study, study
from instar.core.errors import UserError
from instar.core.events import Event, Worked

from .quiet import in_a_thread, quietly

Runs = Callable[..., Path]


def test_a_study_is_written_and_counted(run_directory: Runs, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data, runs = data_set(tmp_path / "set"), [run_directory("cut"), run_directory("cyclegan")]
    events: list[Event] = []
    with quietly(capfd):
        made = in_a_thread(lambda: study(runs, tmp_path / "study", data=data, count=4, on_event=events.append))
    assert made == Study(tmp_path / "study/study.html", tmp_path / "study/key.json", made.key, made.notes)
    assert json.loads(made.key_file.read_text())["runs"] == made.key.runs == list(map(str, runs))
    assert made.key.text == "Which one is the better zebra?"
    assert any("only 12 test images of horse" in note for note in made.notes)
    assert events == [Worked(f"{run}: translating", done, 4) for run in runs for done in (0, 4)]

    answers = [{"question": one.id, "side": "left", "ms": 900} for one in made.key.questions]
    file = tmp_path / "answers-x.json"
    file.write_text(json.dumps({"study": made.key.study, "participant": "x", "answers": answers}))
    with quietly(capfd):
        result = score_study(tmp_path / "study", file)
        assert score_study(tmp_path / "study", [file], tmp_path / "found") == result
    assert (result.participants, result.answers) == (1, 4)
    assert result.pairs[0].share_a.value == 0.5
    assert (tmp_path / "found/scores.json").read_text() == f"{result.as_json()}\n"


def test_refused(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/x").touch()
    for runs, out, more, message in [
        (["a"], "out", {}, "two runs or more"),
        (["a", "./a"], "out", {}, "given twice"),
        (["a", "b"], "out", {"count": 0}, "count must be at least 1, not 0"),
        (["a", "b"], "out", {"size": 0}, "size must be at least 1, not 0"),
        (["a", "b"], "there", {}, r"out=.*there: exists already"),
    ]:
        with pytest.raises(UserError, match=message):
            study(runs, tmp_path / out, **more)
    with pytest.raises(UserError, match="no answers to count"):
        score_study(tmp_path, [])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"notes": 1.5}, {"notes": None}, {"runs": -0.5}, {"runs": ["a"]}, {"questions": None},
        {"questions": [{"id": "x"}]},
        {"questions": [{"id": "x", "input": 0, "left": 0, "right": 2}]},
        {"questions": [{"id": "x", "input": 0, "left": -1, "right": 1}]},
        {"questions": [{"id": "x", "input": 0, "left": float("inf"), "right": 1}]},
    ],
)  # fmt: skip
def test_a_key_that_is_none(change: dict[str, Any], tmp_path: Path) -> None:
    question = {"id": "x", "input": 0, "left": 0, "right": 1}
    key = {"study": "s", "text": "t", "direction": "d", "runs": ["a", "b"], "inputs": ["i"], "questions": [question]}
    (tmp_path / "answers.json").write_text(json.dumps({"study": "s", "participant": "p", "answers": []}))
    (tmp_path / "key.json").write_text(json.dumps(key))
    with pytest.raises(UserError, match="no answers"):
        score_study(tmp_path, tmp_path / "answers.json")
    (tmp_path / "key.json").write_text(json.dumps(key | change))
    with pytest.raises(UserError, match=r"key\.json: not the key of a study"):
        score_study(tmp_path, tmp_path / "answers.json")


def test_a_pipe_is_no_key(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "key.json")
    with pytest.raises(UserError, match=r"key\.json: cannot be read"):
        score_study(tmp_path, tmp_path / "answers.json")
