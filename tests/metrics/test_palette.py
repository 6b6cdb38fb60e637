from pathlib import Path

import numpy as np
import pytest
import torch

from instar.core.errors import UserError
from instar.metrics.palette import palette_in, read_palette


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "colours.txt"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "sky 128 128 128\nlane marks 128 0 192\nvoid 0 0 0 ignore\n",
        "name,r,g,b,\nsky, 128,128,128\n\nlane marks,128,0,192\nvoid,0,0,0,ignore",
        "# comment\n128 128 128\tsky\n128;0;192;lane marks # two words\n0 0 0 void IGNORE\n",
    ],
)
def test_forms_of_lines(tmp_path: Path, text: str) -> None:
    palette = read_palette(written(tmp_path, text))
    assert palette.colours == ((128, 128, 128), (128, 0, 192), (0, 0, 0))
    assert palette.names == ("sky", "lane marks")
    assert (palette.numbers, palette.ignored, palette.count) == ((0, 1, 2), 2, 3)


def test_a_class_of_several_colours(tmp_path: Path) -> None:
    palette = read_palette(written(tmp_path, "car 0 0 142\nroad 128 64 128\ncar 0 0 70\n"))
    assert (palette.numbers, palette.ignored, palette.count) == ((0, 1, 0), None, 2)
    pixels = torch.tensor([[0, 0, 75], [0, 0, 140], [120, 60, 120]]).T[None, :, None] / 127.5 - 1
    assert palette.classes(pixels).tolist() == [[[0, 0, 1]]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sky 1 2 3\nroad 4 5", "line 2: expected a name and a colour of 0 to 255"),
        ("sky 1 2 3\nroad 4 5 256", "line 2: expected a name"),
        ("sky 1 2 3\n4 5 6", "line 2: expected a name"),
        ("sky 1 2 3\nroad 1 2 3", "line 2: the colour .* is there twice"),
        ("sky 1 2 3\nvoid 4 5 6 ignore", "1 classes; give 2 to 255"),
        ("", "0 classes"),
    ],
)
def test_other_lines_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_palette(written(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"palette=.*none.txt: cannot be read"):
        read_palette(tmp_path / "none.txt")


def test_the_colours_of_label_maps(tmp_path: Path) -> None:
    maps = [np.zeros((4, 5, 3), np.uint8), np.full((2, 2, 3), 7, np.uint8)]
    maps[0][1, 2] = (1, 255, 3)
    palette = palette_in(maps)
    assert palette
    assert palette.colours == ((0, 0, 0), (1, 255, 3), (7, 7, 7))
    assert palette.names == ("0 0 0", "1 255 3", "7 7 7")
    assert palette_in([np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)]) is None
    assert palette_in([maps[1]]) is None


def test_the_share_of_known_colours(tmp_path: Path) -> None:
    palette = read_palette(written(tmp_path, "a 0 0 0\nb 200 200 200\n"))
    pixels = np.zeros((6, 6, 3), np.uint8)
    pixels[:3] = (190, 205, 195)
    assert palette.share(pixels) == 1
    pixels[3:] = (60, 60, 60)
    assert palette.share(pixels) == 0.5
