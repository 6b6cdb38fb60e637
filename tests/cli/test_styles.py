import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import instar
from instar.cli import styles
from instar.core.errors import UserError

Runs = Callable[..., Path]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, side in (("1.png", 32), ("2.png", 50), ("sub/10.png", 40)):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (side, side + 3, 3), dtype=np.uint8)).save(path)
    return tmp_path / "photos"


def call(run: Path, *arguments: object) -> int:
    return styles.run([str(run), *map(str, arguments), "--device", "cpu"])


def test_csv_and_npz_agree_with_the_model(photos: Path, run_directory: Runs, tmp_path: Path) -> None:
    run = run_directory("tunit")
    assert call(run, photos, "-o", tmp_path / "new" / "s.csv") == 0
    assert call(run, photos, "-o", tmp_path / "s.npz") == 0
    heading, *rows = list(csv.reader((tmp_path / "new" / "s.csv").open()))
    assert heading == ["path", "domain", "probability", *(f"s{i}" for i in range(8))]
    assert [Path(row[0]).name for row in rows] == ["1.png", "2.png", "10.png"]
    with np.load(tmp_path / "s.npz") as table:
        assert table["path"].tolist() == [row[0] for row in rows]
        assert table["style"].shape == (3, 8)
        np.testing.assert_allclose(table["style"], [[float(v) for v in row[3:]] for row in rows], rtol=1e-4)
        assert table["domain"].tolist() == [int(row[1]) for row in rows]
        np.testing.assert_allclose(table["probability"], [float(row[2]) for row in rows], rtol=1e-5)
    model, image = instar.load(run, "cpu"), Image.open(photos / "2.png")
    np.testing.assert_allclose([float(v) for v in rows[1][3:]], model.style_of(image).numpy(), rtol=1e-4)
    assert int(rows[1][1]) == model.cluster(image).argmax()


def test_a_method_with_two_domains(photos: Path, run_directory: Runs, tmp_path: Path) -> None:
    tables = []
    for to in ("horse", "zebra"):
        assert call(run_directory("munit"), photos / "2.png", "-o", tmp_path / "s.csv", "--to", to) == 0
        tables.append((tmp_path / "s.csv").read_text().splitlines())
    assert tables[0][0].split(",")[:2] == ["path", "s0"]
    assert tables[0][1] != tables[1][1]


def test_broken_files_are_named(
    photos: Path, run_directory: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "2.png").write_bytes(b"")
    assert call(run_directory("tunit"), photos, "-o", tmp_path / "s.csv") == 1
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 3
    written = capsys.readouterr()
    assert "1 left out" in written.out + written.err


def test_refused(photos: Path, run_directory: Runs, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ends with \.csv or \.npz"):
        call(run_directory("tunit"), photos, "-o", tmp_path / "s.txt")
    with pytest.raises(UserError, match="cyclegan has no styles"):
        call(run_directory("cyclegan"), photos, "-o", tmp_path / "s.csv")
    assert not (tmp_path / "s.csv").exists()
