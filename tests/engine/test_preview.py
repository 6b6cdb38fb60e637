"""Sample pictures are kept: all of the last, fewer of older ones."""

from math import log2
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instar.core.board import band
from instar.engine.preview import LAST, is_kept, save

PICTURE = np.zeros((4, 4, 3), np.uint8)


def steps(folder: Path) -> list[int]:
    return sorted(int(path.stem.split("-")[1]) for path in folder.glob("step-*.png"))


@pytest.mark.parametrize("every", [1, 1000])
def test_the_last_are_kept_and_of_older_ones_fewer_the_older_they_are(every: int) -> None:
    for count in (1, LAST, LAST + 1, 3 * LAST, 40 * LAST):
        last = (count - 1) * every
        kept = [step for step in range(0, count * every, every) if is_kept(step, last, every)]
        assert kept[0] == 0
        assert kept[-min(count, LAST) :] == list(range(last, -1, -every))[: min(count, LAST)][::-1]
        assert len(kept) <= LAST + LAST / 2 * max(0, log2(count / LAST)) + LAST
        apart = np.diff(kept)
        assert (np.diff(apart) <= 0).all(), "older ones are as far apart as newer ones, or farther"


def test_what_is_removed_once_is_never_missed_later() -> None:
    """One after the other, as a run writes them, leaves what the rule says of all."""
    there: set[int] = set()
    for last in range(6 * LAST):
        there = {step for step in {*there, last} if is_kept(step, last, 1)}
        assert there == {step for step in range(last + 1) if is_kept(step, last, 1)}


def test_files(tmp_path: Path) -> None:
    for step in range(0, 10 * (LAST + 4), 10):
        assert save(PICTURE, tmp_path, step, 10).is_file()
    gone = {10, 30}
    assert steps(tmp_path) == [step for step in range(0, 10 * (LAST + 4), 10) if step not in gone]


def test_others_files_are_left_alone(tmp_path: Path) -> None:
    for name in ("step-1.png", "step-000000001 copy.png", "mine.png"):
        (tmp_path / name).touch()
    save(PICTURE, tmp_path, 10**6, 1)
    assert len(list(tmp_path.iterdir())) == 4


def test_the_end_of_a_run_between_two_pictures(tmp_path: Path) -> None:
    """It is kept like any other, until it is old."""
    save(PICTURE, tmp_path, 15, 10)
    save(PICTURE, tmp_path, 20, 10)
    assert steps(tmp_path) == [15, 20]
    save(PICTURE, tmp_path, 10 * (LAST + 2), 10)
    assert steps(tmp_path) == [20, 10 * (LAST + 2)]


def test_rows_have_labels_at_the_right(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (68, 40, 3)).astype(np.uint8)
    with Image.open(save(picture, tmp_path, 10, 10, ["horse", "to zebra"])) as image:
        wide, pixels = band(image), np.asarray(image)
    assert wide > 0
    assert (pixels[:, :40] == picture).all()
    assert pixels.shape == (68, 40 + wide, 3)
    assert pixels[:34, 40:].min() < 50
    assert pixels[34:, 40:].min() < 50
    with Image.open(save(picture, tmp_path, 20, 10)) as image:
        assert band(image) == 0
        assert (np.asarray(image) == picture).all()
