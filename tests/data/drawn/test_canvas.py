import numpy as np
import pytest

from instar.data.drawn.canvas import Canvas, blurred, drawn_from, mixed
from instar.data.drawn.curves import ellipse


@pytest.mark.parametrize("size", [64, 96, 200])
def test_a_disc_covers_its_area_at_any_size(size):
    canvas = Canvas(size)
    canvas.fill(ellipse((0.5, 0.5), 0.3, 0.3), (200, 100, 0))
    small = canvas.shrunk()
    assert small.shape == (size, size, 3)
    assert small[..., 0].mean() / 200 == pytest.approx(np.pi * 0.09, rel=0.02)
    assert small[..., 1] / 100 == pytest.approx(small[..., 0] / 200)
    assert not small[..., 2].any()
    assert small[size // 2, size // 2].tolist() == [200, 100, 0]


def test_paint_covers_by_its_opacity_and_shade():
    canvas = Canvas(64)
    canvas.pixels[:] = 100
    everywhere = np.ones((canvas.side, canvas.side), np.float32)
    canvas.paint(everywhere * np.float32(0.25), (200, 200, 200), everywhere * np.float32(0.5))
    assert canvas.pixels[0, 0].tolist() == [100, 100, 100]
    canvas.paint(everywhere * np.float32(0.25), (200, 0, 100))
    assert canvas.pixels[3, 7].tolist() == [125, 75, 100]
    before = canvas.pixels.copy()
    canvas.paint(everywhere * 0, (0, 0, 0))
    assert (canvas.pixels == before).all()


def test_a_thing_that_leaves_the_canvas_is_cut_off():
    canvas = Canvas(64)
    assert canvas.cover(ellipse((0, 0), 0.2, 0.2)).mean() == pytest.approx(np.pi * 0.04 / 4, rel=0.05)
    assert not canvas.cover(ellipse((3, 3), 0.2, 0.2)).any()


@pytest.mark.parametrize("radius", [0.8, 2.0, 5.0])
def test_a_blur_has_the_deviation_asked_for_and_keeps_the_sum(radius):
    plane = np.zeros((61, 61), np.float32)
    plane[30, 30] = 1
    seen = blurred(plane, radius).astype(np.float64)
    assert seen.sum() == pytest.approx(1, abs=1e-5)
    distances = np.arange(61) - 30
    assert np.sqrt((seen.sum(0) * distances**2).sum()) == pytest.approx(radius, rel=0.02)
    assert seen == pytest.approx(seen.T)


def test_a_blur_leaves_what_is_even_as_it_is():
    even = np.full((20, 30, 3), 77, np.float32)
    assert blurred(even, 3.0) == pytest.approx(even)


def test_slopes_of_a_ramp():
    canvas = Canvas(64)
    down, right = canvas.slopes(3 * canvas.x + canvas.y, 0.05)
    inner = slice(canvas.side // 4, -canvas.side // 4)
    assert right[inner, inner] == pytest.approx(np.full_like(right[inner, inner], 3), rel=0.02)
    assert down[inner, inner] == pytest.approx(np.full_like(down[inner, inner], 1), rel=0.02)


def test_colours_between():
    assert mixed((0, 100, 200), (100, 100, 0), 0.25) == (25, 100, 150)
    rng = np.random.default_rng(0)
    for _ in range(20):
        colour = drawn_from(rng, ((0, 0, 0), (90, 90, 90)))
        assert 0 <= colour[0] <= 90
        assert colour[0] == colour[1] == colour[2]
