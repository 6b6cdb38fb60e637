import numpy as np
import pytest

from instar.data.drawn import curves


def area(outline):
    x, y = outline.T
    return abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2


def test_an_ellipse_has_its_area_and_place():
    outline = curves.ellipse((0.3, 0.6), 0.2, 0.1, 0.7)
    assert area(outline) == pytest.approx(np.pi * 0.2 * 0.1, rel=0.01)
    assert outline.mean(0) == pytest.approx([0.3, 0.6])
    assert np.hypot(*(outline - [0.3, 0.6]).T).max() == pytest.approx(0.2, rel=0.01)


def test_a_quarter_turn_clockwise_takes_right_to_below():
    assert curves.turned([(1, 0), (0, 1)], np.pi / 2) == pytest.approx(np.array([(0, 1), (-1, 0)]))


def test_a_smooth_curve_goes_through_its_points():
    points = np.array([(0, 0), (1, 0.2), (1.2, 1), (0.1, 0.8)])
    assert curves.smooth(points, 8)[::8] == pytest.approx(points)


def test_a_straight_limb_is_as_wide_as_asked():
    outline = curves.limb([(0, 0), (1, 0), (2, 0)], [0.4, 0.4, 0.4])
    assert outline[:, 1].max() == pytest.approx(0.2, abs=0.03)
    assert outline[:, 1].min() == pytest.approx(-0.2, abs=0.03)
    assert outline[:, 0].min() == pytest.approx(-0.2)
    assert outline[:, 0].max() == pytest.approx(2.2)


def test_a_strip_is_what_a_line_sweeps_over():
    line = np.array([(0.0, 0.0), (1.0, 0.5), (2.0, 0.0)])
    assert area(curves.strip(line, (0, 0.25))) == pytest.approx(0.5)
