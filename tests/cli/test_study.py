import json
from collections.abc import Callable
from pathlib import Path

import pytest
from evaluation.parts import data_set

from instar.cli import main

Runs = Callable[..., Path]


def test_a_study_is_written_and_counted(
    run_directory: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    data, out = data_set(tmp_path / "set"), tmp_path / "study"
    runs = [str(run_directory("cut")), str(run_directory("cyclegan"))]
    flags = ["--data", str(data), "--count", "3", "--question", "Which one?", "-o", str(out)]
    assert main.run(["study", *runs, *flags]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"written: {out / 'study.html'} (3 questions, 0.0 MB)" in printed.err
    assert f"instar study --score {out}" in printed.err
    assert {path.name for path in out.iterdir()} == {"study.html", "key.json"}
    key = json.loads((out / "key.json").read_text())
    assert key["runs"] == runs
    assert key["text"] == "Which one?"
    assert main.run(["study", *runs, *flags]) == 2
    assert "exists already" in capsys.readouterr().err

    # The first run wins twice; the third question is left open.
    sides = ["left" if question["left"] == 0 else "right" for question in key["questions"][:2]] + ["unsure"]
    answers = [
        {"question": question["id"], "side": side, "ms": 900}
        for question, side in zip(key["questions"], sides, strict=True)
    ]
    file, found = tmp_path / "answers-x.json", tmp_path / "found"
    file.write_text(json.dumps({"study": key["study"], "participant": "x", "answers": answers}))
    assert main.run(["study", "--score", str(out), str(file), "-o", str(found)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Which one?  horse -> zebra  1 participant, 3 answers\n")
    rows = {line[:22].strip(): line[22:].split() for line in shown.splitlines()}
    assert rows["A is better"][0] == "66.7"
    assert rows["B, not sure left out"][0] == "0.0"
    assert rows["A, not sure as halves"][0] == "83.3"
    assert f"A: {runs[0]}" in shown
    assert f"B: {runs[1]}" in shown
    assert "over questions alone" in shown
    assert "| A is better | 66.7 % (" in (found / "table.md").read_text()
    (pair,) = json.loads((found / "scores.json").read_text())["pairs"]
    assert (pair["a"], pair["b"]) == tuple(runs)
    assert pair["decided"]["value"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "two runs or more"),
        (["one", "-o", "out"], "two runs or more"),
        (["one", "two"], "and a folder"),
        (["one", "./one", "-o", "out"], "given twice"),
        (["one", "two", "-o", "out", "--count", "0"], "--count must be at least 1, not 0"),
        (["one", "two", "-o", "out", "--size", "0"], "--size must be at least 1, not 0"),
        (["one", "two", "-o", "out"], "not a run directory"),
        (["--score", "out"], "no answers to count"),
        (["--score", "out", "x.json"], "out is not the folder of a study"),
    ],
)
def test_what_is_refused(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main.run(["study", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
