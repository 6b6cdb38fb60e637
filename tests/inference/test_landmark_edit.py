import numpy as np
import pytest

from instar.core.errors import UserError
from instar.inference.landmark_edit import moves


def test_moves() -> None:
    expected = np.zeros((4, 2), np.float32)
    expected[2], expected[0] = (0.3, -0.2), (0, 0.1)
    assert np.array_equal(moves(["2:+0.3,-0.2", "0:0,1e-1"], 4), expected)
    assert not moves([], 4).any()


@pytest.mark.parametrize("text", ["", "7", "7:1", "7:1,", "7:1,2,3", "-1:0,0", "a:0,0", "1:nan,0", "1:inf,0", "1:0,x"])
def test_moves_that_say_nothing(text: str) -> None:
    with pytest.raises(UserError, match="give NUMBER:RIGHT,DOWN in half sides"):
        moves([text], 30)


def test_landmarks_that_are_not_there_or_named_twice() -> None:
    with pytest.raises(UserError, match=r"^move=4:0,0: this model has landmarks 0 to 3$"):
        moves(["4:0,0"], 4)
    with pytest.raises(UserError, match=r"^move=1:0,1: landmark 1 is moved twice"):
        moves(["1:0,0", "1:0,1"], 4)
