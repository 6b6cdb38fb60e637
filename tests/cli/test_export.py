from pathlib import Path

import pytest
from rich.console import Console

from instar.cli import main
from instar.cli.export import show
from instar.exporting.report import Measured, Parity
from instar.exporting.result import ExportResult


def test_a_wrong_file_is_one_line_with_the_flag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["export", str(tmp_path), "-o", str(tmp_path / "model.pt")]) == 2
    assert capsys.readouterr().err == f"instar: -o {tmp_path / 'model.pt'}: give a file that ends with .onnx\n"


def test_the_table_shows_all_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    both = (Measured("PyTorch", 12.34, 56_000_000), Measured("ONNX Runtime", 7.8, None))
    found = ExportResult(Path("m.onnx"), 1, None, (Parity(49, 35, 2e-6, 3e-7, both),), "4 drawn images")  # type: ignore[arg-type]
    show(found, Console(width=120))
    text = capsys.readouterr().out
    assert "on 4 drawn images" in text
    assert text.splitlines()[-1].split() == ["35", "x", "49", "2.0e-06", "3.0e-07", "12.3", "56", "7.8"]


def test_the_table_shows_the_distance_where_there_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    """And it fits the narrowest terminal that is common."""
    both = (Measured("PyTorch", 12.34, 56_000_000), Measured("ONNX Runtime", 7.8, None))
    parity = Parity(49, 35, 2e-6, 3e-7, both, ("EfficientNet-Lite0-KID", 1.5e-9))
    show(ExportResult(Path("m.xml"), 1, None, (parity,), "4 drawn images"), Console(width=80))  # type: ignore[arg-type]
    lines = capsys.readouterr().out.splitlines()
    assert "KID" in lines[-2]
    assert "…" not in "".join(lines)
    assert lines[-1].split() == ["35", "x", "49", "2.0e-06", "3.0e-07", "1.5e-09", "12.3", "56", "7.8"]
