from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instar.cli import main
from instar.core.board import CAPTION, TILE
from instar.inference.contact_sheet import GRID

Runs = Callable[..., Path]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name, value, size in (("1.png", 50, (32, 32)), ("2.png", 100, (32, 64)), ("10.png", 150, (40, 40))):
        path = tmp_path / "photos" / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((*size, 3), value, np.uint8)).save(path)
    return tmp_path / "photos"


def translate(run: Path, photos: Path, out: Path, *flags: object) -> int:
    return main.run(["translate", str(run), str(photos), "-o", str(out), "--device", "cpu", *map(str, flags)])


def middle(board: Image.Image, row: int, column: int) -> np.ndarray:
    return np.asarray(board)[CAPTION + TILE * row + TILE // 2, TILE * column + TILE // 2].astype(int)


def test_inputs_beside_their_results_under_the_references(photos: Path, run_directory: Runs, tmp_path: Path) -> None:
    out, like = tmp_path / "out", tmp_path / "like.png"
    Image.fromarray(np.full((32, 32, 3), 222, np.uint8)).save(like)
    assert translate(run_directory("tunit"), photos, out, "--reference", like, "--samples", 2, "--grid") == 0
    board = Image.open(out / GRID)
    assert board.size == (4 * TILE, CAPTION + 4 * TILE)  # input, two styles, the reference; its row, three inputs
    assert middle(board, 0, 0).tolist() == middle(board, 0, 2).tolist() == [255] * 3
    assert middle(board, 0, 3).tolist() == [222] * 3
    assert [middle(board, row, 0).tolist() for row in (1, 2, 3)] == [[50] * 3, [100] * 3, [150] * 3]
    for row, name in ((1, "1"), (3, "10")):
        for column, ending in ((1, "seed0-0"), (2, "seed0-1"), (3, "like-like")):
            made = np.asarray(Image.open(out / f"{name}_{ending}.png").convert("RGB").resize((TILE, TILE), 3))
            shown = np.asarray(board)[CAPTION + TILE * row :, TILE * column :][:TILE, :TILE]
            np.testing.assert_allclose(shown.astype(int), made.astype(int), atol=1)
    wide = np.asarray(board)[CAPTION + 2 * TILE :, :TILE][:TILE]
    assert (wide[0] == 255).all()  # 32 x 64 is shown whole, on white


def test_images_that_failed_are_left_out(
    photos: Path, run_directory: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "3.png").write_bytes(b"")
    assert translate(run_directory("cyclegan"), photos, tmp_path / "out", "--grid") == 1
    assert f"side by side: {tmp_path / 'out' / GRID}\n" in "".join(capsys.readouterr())
    board = Image.open(tmp_path / "out" / GRID)
    assert board.size == (2 * TILE, CAPTION + 3 * TILE)
    assert [middle(board, row, 0).tolist() for row in (0, 1, 2)] == [[50] * 3, [100] * 3, [150] * 3]
    for path in photos.iterdir():
        path.write_bytes(b"")
    assert translate(run_directory("cyclegan"), photos, tmp_path / "none", "--grid") == 1
    assert not (tmp_path / "none" / GRID).exists()
    assert "side by side" not in "".join(capsys.readouterr())


def test_what_does_not_go_together(
    photos: Path, run_directory: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_directory("tunit")
    assert translate(run, photos, tmp_path / "out", "--grid", "--interpolate", 3) == 2
    assert "--grid and --interpolate" in capsys.readouterr().err
    (photos / "1.png").rename(photos / "grid.png")
    assert translate(run, photos, tmp_path / "out", "--grid") == 2
    assert "--grid: a result would be named grid.png too" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
