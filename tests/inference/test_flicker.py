import numpy as np
import pytest

from instar.inference.flicker import Flicker


def frame(value: int, moved: int | None = None) -> np.ndarray:
    pixels = np.full((4, 5, 3), value, np.uint8)
    if moved is not None:
        pixels[0] = moved
    return pixels


def test_by_hand() -> None:
    """The upper quarter moves; the translation flickers by 4 where the input stands still, by 14 where it moves."""
    found = Flicker()
    for number in range(5):
        up = number % 2
        found.add(frame(100, 50 + 40 * up), frame(100 + 4 * up, 50 + 14 * up))
    assert found.input == pytest.approx(40 / 4)
    assert found.output == pytest.approx((14 + 3 * 4) / 4)
    assert found.still == pytest.approx(4)
    assert found.rounded() == {"input": 10.0, "output": 6.5, "still": 4.0}
    assert (
        str(found)
        == "neighbouring frames differ by 6.50 of 255, those of the input by 10.00, 4.00 where the input stands still"
    )


def test_dark_after_bright_is_no_small_difference() -> None:
    found = Flicker()
    found.add(frame(250), frame(3))
    found.add(frame(0), frame(253))
    assert (found.input, found.output, found.still) == (250, 250, None)


def test_one_frame_does_not_flicker() -> None:
    found = Flicker()
    found.add(frame(1), frame(2))
    assert (found.input, found.output, found.still) == (0, 0, None)
