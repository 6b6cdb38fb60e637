from collections.abc import Callable
from pathlib import Path

import pytest
from evaluation.parts import data_set, extractor
from evaluation.test_compare import scored

from instar.evaluation.compare import Cell, Comparison, Row, Weights, compare_runs, strip
from instar.reports.compare import html, markdown, number, table

Runs = Callable[..., Path]


def test_last_and_best_on_validation(run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set")
    plain = run_directory("cut")
    run, again = scored(plain, tmp_path / "scored", 1_500_000_000), scored(plain, tmp_path / "again", 2_340_000_000)
    found = compare_runs([run, again, plain], [data], extractor=extractor(), titles=["two", "two", "one"])
    text = markdown(found, {})
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert rows[0][:6] == ["", "seeds", "images seen", "minutes", "peak memory", "parameters"]
    assert [row[:5] for row in rows[3:]] == [
        ["two", "0, 0", "2", "3.0", "2.34 GB"],
        ["two: best on validation", "", "1", "1.5", ""],
        ["one", "0", "1", "1.5", ""],
    ]
    at = rows[0].index("Colours-KID ↓")
    assert not rows[4][at].startswith("**"), "it competes with nothing"
    assert "- best on validation: the checkpoint that scored best" in text
    assert "- Peak memory: " in text


def test_runs_that_have_seen_different_numbers_of_images(run_directory: Runs, tmp_path: Path) -> None:
    plain = run_directory("cut")
    runs = [scored(plain, tmp_path / "scored", 1), plain]
    found = compare_runs(runs, [data_set(tmp_path / "set")], extractor=extractor(), titles=["both", "both"])
    assert "| both | 0, 0 | 1 to 2 |" in markdown(found, {})


def test_markdown_and_page(run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set")
    found = compare_runs([run_directory("cut"), run_directory("cyclegan")], [data], extractor=extractor())
    text = markdown(found, {"cut, tiny": "strip-0.png"})
    lines = text.splitlines()
    header = next(line for line in lines if "seeds" in line)
    assert "Colours-KID ↓" in header
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 5  # header, rule, copy, two methods
    assert {row.count("|") for row in rows} == {header.count("|")}
    assert "![cut, tiny](strip-0.png)" in text
    column = header.split("|").index(" Colours-KID ↓ ")
    marked = [row.split("|")[column] for row in rows[3:]]
    kids = [row.last.cells["Colours-KID"].mean for row in found.rows]
    first, second = (row.last.cells["Colours-KID"] for row in found.rows)
    told = first.high < second.low or second.high < first.low
    above = min(cell.high for cell in (first, second)) < found.copy["Colours-KID"].low
    assert [cell.strip().startswith("**") for cell in marked] == [told and above and kid == min(kids) for kid in kids]
    page = html(found, {"cut, tiny": strip(run_directory("cut"), [data], None)})
    assert page.count("<tr>") == 4
    assert 'src="data:image/png;base64,' in page
    assert "http" not in page.replace("http-equiv", "")
    first = found.rows[0].last.cells["Colours-KID"]
    assert f"{number(first.mean)}<br><small>{number(first.low)} to {number(first.high)}</small>" in page


@pytest.mark.parametrize(
    ("value", "text"), [(0.12345, "0.123"), (7.1234, "7.12"), (371.62, "371.6"), (-0.001, "-0.001")]
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def comparison(copy: Cell, *rows: Cell, better: str = "lower") -> Comparison:
    made = [
        Row(f"row {i}", (0,), Weights((1,), 1.0, {"KID": cell}), None, None, 1, (f"r{i}",))
        for i, cell in enumerate(rows)
    ]
    return Comparison("a -> b", "protocol", {"KID": copy}, made, {"KID": better}, [])  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("copy", "rows", "better", "bold"),
    [
        (Cell(0.5, None, 0.4, 0.6), [Cell(0.1, None, 0.05, 0.15), Cell(0.3, None, 0.2, 0.35)], "lower", [0]),
        (Cell(0.5, None, 0.4, 0.6), [Cell(0.1, None, 0.05, 0.25), Cell(0.3, None, 0.2, 0.35)], "lower", []),
        (Cell(0.083, None, 0.07, 0.09), [Cell(0.115, None, 0.1, 0.12), Cell(0.3, None, 0.2, 0.35)], "lower", []),
        (Cell(0.2, None, 0.14, 0.3), [Cell(0.1, None, 0.05, 0.15), Cell(0.3, None, 0.2, 0.35)], "lower", []),
        (Cell(0.0, None, 0.0, 0.0), [Cell(0.0, None, 0.0, 0.0), Cell(0.0, None, 0.0, 0.0)], "higher", []),
        (Cell(0.1, None, 0.0, 0.2), [Cell(0.9, None, 0.8, 1.0), Cell(0.3, None, 0.2, 0.35)], "higher", [0]),
        (Cell(0.5, None, 0.4, 0.6), [Cell(0.1, 0.02), Cell(0.3, 0.02)], "lower", [0]),
        (Cell(0.5, None, 0.4, 0.6), [Cell(0.1, 0.02), Cell(0.15, 0.02)], "lower", []),
        (Cell(0.5, None), [Cell(0.1, None), Cell(0.3, None)], "lower", []),
        (Cell(0.5, None, 0.4, 0.6), [Cell(0.1, None, 0.05, 0.15)], "lower", []),
        (Cell(0.5, None, 0.4, 0.6), [Cell(0.1, None, 0.05, 0.15), Cell(0.3, None, 0.2, 0.35)], "", []),
    ],
)
def test_bold_is_what_intervals_tell(copy: Cell, rows: list[Cell], better: str, bold: list[int]) -> None:
    found = table(comparison(copy, *rows, better=better))
    assert [i for i, row in enumerate(found.rows[1:]) if row[-1].best] == bold
    assert any(note.startswith("Bold: ") for note in found.notes) == bool(bold)
