import shutil
from pathlib import Path

import pytest
from engine.processes import draw
from PIL import Image, ImageOps

from instar.cli import main
from instar.core.board import CAPTION, TILE

Said = pytest.CaptureFixture[str]


def call(*arguments: object) -> int:
    return main.run(["check", *map(str, arguments)])


def test_a_clean_set(tmp_path: Path, capsys: Said) -> None:
    data = draw(tmp_path / "data", 3, 2)
    before = sorted(tmp_path.rglob("*"))
    assert call(data) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for line in ("train A: 3 images", "train B: 3 images", "test A: 2 images", "test B: 2 images"):
        assert f"{line}\n  size 40 x 40\n  mode RGB\n" in out
    assert out.endswith("\n0 problems found\n")
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_wrong_is_named(tmp_path: Path, capsys: Said) -> None:
    data = draw(tmp_path / ("a long folder name " * 8).strip(), 4, 2)
    broken, leak, tiny = data / "trainA" / "0001.png", data / "testA" / "copy.png", data / "trainB" / "small.png"
    broken.write_bytes(broken.read_bytes()[:300])
    shutil.copy(data / "trainA" / "0002.png", leak)
    Image.effect_noise((20, 30), 50).save(tiny)
    assert call(data) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "3 problems found"
    assert any(line.startswith(f"  {broken}: ") for line in lines[lines.index("unreadable: 1") :])
    assert lines[lines.index("same pixels in train and test: 1") + 1] == f"  {data / 'trainA' / '0002.png'} = {leak}"
    assert lines[lines.index("smaller than 32 pixels: 1") + 1] == f"  {tiny}"


@pytest.mark.parametrize("wrong", ["corrupt", "leak", "tiny"])
def test_each_finding_alone_gives_exit_code_1(wrong: str, tmp_path: Path, capsys: Said) -> None:
    data = draw(tmp_path / "data", 2, 1)
    if wrong == "corrupt":
        (data / "trainB" / "x.png").write_bytes(b"not an image")
    elif wrong == "leak":
        shutil.copy(data / "trainB" / "0000.png", data / "testB" / "x.png")
    else:
        Image.effect_noise((16, 16), 50).save(data / "testA" / "x.png")
    assert call(data) == 1
    out = capsys.readouterr().out
    assert "x.png" in out
    assert out.endswith("\n1 problem found\n")


def test_pairs_with_other_names_in_the_tests_are_read_all_the_same(tmp_path: Path, capsys: Said) -> None:
    data = draw(tmp_path / "data", 2, 1)
    (data / "testA" / "0002.png").rename(data / "testA" / "x.png")
    (data / "testB" / "0002.png").write_bytes(b"")
    assert call(data) == 1
    out = capsys.readouterr().out
    assert "test A: 1 image\n" in out
    assert "note: not usable as pairs: no test image of A has the name of one of B" in out
    assert "0002.png: the file is empty" in out


def test_two_folders_by_their_names(tmp_path: Path, capsys: Said) -> None:
    data = draw(tmp_path / "data", 2, 1)
    shutil.copytree(data / "trainA", tmp_path / "horse")
    shutil.copytree(data / "trainB", tmp_path / "zebra")
    assert call(tmp_path / "horse", tmp_path / "zebra") == 0
    out = capsys.readouterr().out
    assert out.index("train horse: 2 images") < out.index("train zebra: 2 images")
    assert call(tmp_path / "horse", tmp_path / "zebra", "--from", "zebra") == 0
    out = capsys.readouterr().out
    assert out.index("train zebra: 2 images") < out.index("train horse: 2 images")


def test_what_cannot_be_checked(tmp_path: Path, capsys: Said) -> None:
    missing, empty = tmp_path / "missing", tmp_path / "empty"
    empty.mkdir()
    for arguments, words in (
        ([missing], f"{missing}: there is no such folder"),
        ([empty], f"{empty}: no images (the folder is empty)"),
        ([missing, empty, empty], "3 folders given"),
        ([], "no images given"),
    ):
        assert call(*arguments) == 2, words
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("instar: ")
        assert words in err
        assert err.count("\n") == 1


def test_pairs_are_shown_side_by_side(tmp_path: Path, capsys: Said) -> None:
    data, sheet = draw(tmp_path / "data", 25, 2), tmp_path / "new" / "pairs.png"
    assert call(data, "--pairs", sheet) == 0
    assert "25 pairs to train on, for methods that take pairs" in capsys.readouterr().out.splitlines()
    with Image.open(sheet) as picture, Image.open(data / "trainB" / "0000.png") as first:
        assert picture.size == (8 * TILE, CAPTION + 5 * TILE)
        middle = (TILE + TILE // 2, CAPTION + TILE // 2)
        assert picture.getpixel(middle) == ImageOps.pad(first, (TILE, TILE)).getpixel((TILE // 2, TILE // 2))


def test_names_that_are_shared_by_no_pairs(tmp_path: Path, capsys: Said) -> None:
    data = draw(tmp_path / "data", 25, 2)
    files = sorted((data / "trainB").iterdir())
    for file in files:
        file.rename(file.with_suffix(".moved"))
    for i, file in enumerate(files):
        files[(i * 7 + 3) % len(files)].with_suffix(".moved").rename(file)
    assert call(data) == 0, "for methods without pairs nothing is wrong"
    assert "note: A and B share their file names, but images of one name are no more alike" in capsys.readouterr().out


def test_no_pairs_to_be_shown(tmp_path: Path, capsys: Said) -> None:
    data = draw(tmp_path / "data", 3, 1)
    (data / "trainB" / "0000.png").rename(data / "trainB" / "x.png")
    assert call(data, "--pairs", tmp_path / "pairs.png") == 2
    assert "--pairs" in capsys.readouterr().err
    assert not (tmp_path / "pairs.png").exists()
    assert call(draw(tmp_path / "other", 3, 1), "--pairs", tmp_path / "pairs.xyz") == 2
    assert "cannot write" in capsys.readouterr().err
