import numpy as np
import pytest

from instar.core.errors import UserError
from instar.data.drawn.kinds import KINDS, kind
from instar.data.drawn.oracle import Oracle
from instar.data.drawn.places import grown
from instar.data.drawn.sets import changed

LEVELS = ("easy", "cluttered")


@pytest.fixture(params=sorted(KINDS))
def drawn(request):
    return KINDS[request.param]


def test_every_change_has_a_kind():
    assert {one.change for one in KINDS.values()} == {
        "colour",
        "texture",
        "object added",
        "local shape",
        "whole shape",
    }
    with pytest.raises(UserError, match="there is no drawn set 'masks'; did you mean 'mask'"):
        kind("masks")


def test_a_picture_is_a_function_of_its_place_in_the_set(drawn):
    scene = drawn.scene("cluttered", "train", "B", 3)
    np.random.seed(1)
    again = drawn.scene("cluttered", "train", "B", 3)
    assert scene == again
    assert (drawn.draw(scene, 64) == drawn.draw(again, 64)).all()


def test_no_scene_comes_twice(drawn):
    places = [
        (level, split, domain, i)
        for level in LEVELS
        for split in ("train", "test")
        for domain in "AB"
        for i in range(25)
    ]
    settings = [drawn.scene(*place).setting.seed for place in places]
    settings += [other.scene("easy", "test", "A", 0).setting.seed for other in KINDS.values() if other is not drawn]
    assert len(set(settings)) == len(settings)


def test_the_truth_is_the_input_with_the_change_only(drawn):
    """Inside the options' region it differs, outside it is the same picture, noise and all."""
    for level in LEVELS:
        scene, truth = drawn.scene(level, "test", "A", 1), drawn.truth(level, "test", 1)
        assert truth.setting == scene.setting
        where = changed(drawn.draw(scene, 64), drawn.draw(truth, 64))
        assert 0.005 < where.mean() < 0.65


def test_changes_of_a_part_stay_at_the_part():
    for name, most in (("mouth", 0.12), ("mask", 0.3), ("hat", 0.4), ("stripes", 0.25), ("coat", 0.25)):
        for i in range(3):
            scene, truth = KINDS[name].scene("easy", "test", "A", i), KINDS[name].truth("easy", "test", i)
            assert changed(KINDS[name].draw(scene, 64), KINDS[name].draw(truth, 64)).mean() < most


def test_domains_differ_in_the_change_only():
    """Each attribute but the change has the same mean in both domains, within four standard errors."""
    drawn = KINDS["mask"]
    count = 400
    a, b = ([drawn.scene("cluttered", "train", domain, i) for i in range(count)] for domain in "AB")
    for what in (
        lambda person: person.head.yaw,
        lambda person: person.head.tall,
        lambda person: person.setting.exposure,
        lambda person: person.face.skin[0],
        lambda person: float(person.glasses),
        lambda person: float(person.scarf is not None),
        lambda person: float(person.hair == "long"),
    ):
        one, two = (np.array([what(person) for person in side]) for side in (a, b))
        error = np.sqrt((one.var() + two.var()) / count)
        assert abs(one.mean() - two.mean()) < 4 * error
    assert not any(person.mask for person in a)
    assert all(person.mask for person in b)


@pytest.mark.parametrize("size", [64, 100, 128])
def test_a_scene_is_the_same_at_every_size(drawn, size):
    """Pictures of another size, shrunk to 64 by whole pixels where that goes, are about that of 64."""
    scene = drawn.truth("easy", "test", 0)
    picture = drawn.draw(scene, size)
    assert picture.shape == (size, size, 3)
    assert picture.dtype == np.uint8
    small = drawn.draw(scene, 64).astype(float)
    assert abs(picture.mean() - small.mean()) < 1
    if size == 128:
        halved = picture.astype(float).reshape(64, 2, 64, 2, 3).mean((1, 3))
        assert np.abs(halved - small).mean() < 4


def test_pictures_look_like_something(drawn):
    """No picture is flat, and scenes of one set differ."""
    pictures = [drawn.draw(drawn.scene("cluttered", "test", "A", i), 64).astype(float) for i in range(3)]
    assert all(picture.std() > 20 for picture in pictures)
    assert np.abs(pictures[0] - pictures[1]).mean() > 15


def test_options_hold_the_truth_or_none_are_needed(drawn):
    """The region that an oracle looks at holds all that the truth changed."""
    scene, truth = drawn.scene("easy", "test", "A", 2), drawn.truth("easy", "test", 2)
    oracle = Oracle(drawn, scene, 64)
    where = changed(oracle.picture, drawn.draw(truth, 64))
    assert (where & ~grown(oracle.region, 1)).sum() <= 0.02 * where.sum()
