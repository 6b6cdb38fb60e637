from dataclasses import replace

import numpy as np
import pytest

from instar.data.drawn.canvas import Canvas
from instar.data.drawn.curves import ellipse
from instar.data.drawn.setting import Setting, photographed, volume

PLAIN = Setting("wall", 3, side=0.0, contrast=0.4, exposure=1.0, warmth=0.0, vignette=0.0, noise=0.0)


def grey(level=100.0):
    canvas = Canvas(64)
    canvas.pixels[:] = level
    return canvas


def test_the_camera_leaves_a_plain_picture_as_it_is():
    assert (photographed(grey(), PLAIN) == 100).all()


def test_what_the_camera_adds():
    assert (photographed(grey(), replace(PLAIN, exposure=1.2)) == 120).all()
    red, green, blue = photographed(grey(), replace(PLAIN, warmth=0.1))[5, 5]
    assert (red, green, blue) == (110, 100, 90)
    dark = photographed(grey(), replace(PLAIN, vignette=0.3))
    assert dark[0, 0, 0] < dark[32, 32, 0] == 100
    noisy = photographed(grey(), replace(PLAIN, noise=4.0)).astype(float)
    assert noisy.std() == pytest.approx(4, rel=0.1)
    assert (noisy == photographed(grey(), replace(PLAIN, noise=4.0))).all()


def test_white_is_not_cut_off():
    seen = [int(photographed(grey(level), PLAIN)[0, 0, 0]) for level in (225, 240, 255, 280)]
    assert seen[0] == 225
    assert seen == sorted(set(seen))
    assert seen[-1] < 255


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_round_thing_is_bright_where_the_light_comes_from(side):
    canvas = Canvas(64)
    ball = canvas.cover(ellipse((0.5, 0.5), 0.3, 0.3))
    shade = volume(canvas, ball, replace(PLAIN, side=side), 0.1)
    left, right = (shade[canvas.side // 2, int(canvas.side * x)] for x in (0.25, 0.75))
    assert (right - left) * side > 0.1
    assert shade[canvas.side // 2, canvas.side // 2] == pytest.approx(1, abs=0.02)


def test_things_are_drawn_from_generators_of_their_own():
    assert PLAIN.random(1).random() == PLAIN.random(1).random() != PLAIN.random(2).random()
    assert np.random.default_rng([3, 1]).random() == PLAIN.random(1).random()
