from collections.abc import Callable
from pathlib import Path

import pytest
from evaluation.parts import data_set

from instar.cli import main

Runs = Callable[..., Path]


def test_a_folder_with_table_pictures_and_numbers(
    run_directory: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = data_set(tmp_path / "set"), tmp_path / "out"
    runs = [str(run_directory("cut")), str(run_directory("cyclegan"))]
    flags = ["--data", str(data), "--extractor", "evaluation.parts:colours", "-o", str(out)]
    assert main.run(["compare", *runs, *flags]) == 0
    printed = capsys.readouterr()
    assert {path.name for path in out.iterdir()} == {
        "table.md",
        "table.html",
        "scores.json",
        "strip-0.png",
        "strip-1.png",
    }
    table = (out / "table.md").read_text()
    assert "(strip-1.png)" in table
    assert table.startswith(printed.out.splitlines()[0])
    assert "strip" not in printed.out
    assert f"written: {out / 'table.html'}" in printed.err
    assert main.run(["compare", *runs, *flags]) == 2
    assert "exists already" in capsys.readouterr().err


def test_nothing_to_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["compare", "-o", str(tmp_path / "out")]) == 2
    assert "nothing to compare" in capsys.readouterr().err
