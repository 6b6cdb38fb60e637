import numpy as np
import pytest

from instar.data.drawn.head import Head

AHEAD = Head(x=0.5, y=0.4, tall=0.3, wide=0.8, jaw=0.2, yaw=0.0, pitch=0.0, roll=0.0)


def turned(**how):
    return Head(**{**AHEAD.__dict__, **how})


def test_a_head_that_looks_ahead_is_symmetric_about_its_middle():
    left, middle, right = AHEAD.on_face([-0.5, 0, 0.5], [0.3, 0, 0.3])
    assert middle == pytest.approx([0.5, 0.4])
    assert left[0] + right[0] == pytest.approx(1.0)
    assert left[1] == right[1] > 0.4


def test_parts_move_to_where_the_head_turns():
    assert turned(yaw=0.4).on_face([0], [0])[0, 0] > 0.5
    assert turned(pitch=0.3).on_face([0], [0])[0, 1] > 0.4
    far, near = (turned(yaw=0.4).eye_width(u) for u in (0.4, -0.4))
    assert far < near


def test_a_tilt_keeps_distances():
    points = (np.array([-0.5, 0.1, 0.4]), np.array([-0.2, 0.0, 0.6]))
    upright, tilted = AHEAD.on_face(*points), turned(roll=0.5).on_face(*points)
    for a, b in ((0, 1), (1, 2)):
        assert np.linalg.norm(upright[a] - upright[b]) == pytest.approx(np.linalg.norm(tilted[a] - tilted[b]))


def test_the_outline_holds_the_face():
    outline = AHEAD.outline()
    assert outline[:, 1].min() == pytest.approx(0.1, abs=0.002)
    assert outline[:, 1].max() == pytest.approx(0.7, abs=0.002)
    assert np.ptp(outline[:, 0]) == pytest.approx(2 * 0.3 * 0.8, rel=0.01)
    below = outline[outline[:, 1] > 0.6]
    above = outline[outline[:, 1] < 0.2]
    assert np.ptp(below[:, 0]) < np.ptp(above[:, 0])
