import numpy as np
from PIL import Image

from instar.inference.landmark_pictures import marked, numbered


def test_dots_are_where_the_landmarks_are() -> None:
    points = np.array([[64.0, 32.0], [192.0, 224.0]], np.float32)
    shown = np.asarray(numbered(Image.new("RGB", (256, 256)), points)).astype(int)
    assert shown[32, 64].argmax() == 0  # number 0 is red
    assert shown[32, 64].max() == 255
    assert (shown[224, 192] == (25, 255, 255)).all()  # and 1 of two its opposite
    assert not shown[128].any()


def test_rows_of_input_and_output() -> None:
    before, after = np.array([[1.0, 2.0]], np.float32), np.array([[3.456, 4.0]], np.float32)
    made = marked(Image.new("RGB", (300, 256)), Image.new("RGB", (300, 256)), before, after)
    assert made.picture.size == (600, 256)
    assert list(made.rows("cat.png")) == [
        ("cat.png", "input", 0, "1.00", "2.00"),
        ("cat.png", "output", 0, "3.46", "4.00"),
    ]
