import numpy as np

from instar.data.drawn.places import grown, shifts


def test_a_point_grows_to_a_square_and_is_cut_at_the_edge():
    region = np.zeros((9, 12), bool)
    region[4, 5] = region[0, 0] = True
    wanted = np.zeros((9, 12), bool)
    wanted[2:7, 3:8] = wanted[:3, :3] = True
    assert (grown(region, 2) == wanted).all()
    assert (grown(region, 0) == region).all()


def test_shifts_hold_every_place_once():
    picture = np.arange(8 * 8 * 3, dtype=np.float32).reshape(8, 8, 3)
    found = shifts(picture, 1, 2)
    assert len(found) == 25
    assert sum((one == picture).all() for one in found) == 1
    places = {(one[4, 4] == picture[y, x]).all() and (y, x) for one in found for y in range(8) for x in range(8)}
    assert len(shifts(picture, 2, 1)) == 9
    assert places - {False} == {(y, x) for y in range(2, 7) for x in range(2, 7)}
