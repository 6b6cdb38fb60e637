"""Oracles on pictures whose truth is known: the truth and what a camera does to it, copies and what may pass for it."""

import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageFilter

from instar.data.drawn.herd import body_places
from instar.data.drawn.kinds import KINDS
from instar.data.drawn.oracle import Oracle, cast_between

LEVELS = ("easy", "cluttered")


def rounded(values):
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


def blurred(picture, radius):
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius * len(picture) / 64)))


def compressed(picture, quality):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def noisy(picture, rng, deviation):
    return rounded(picture + rng.normal(0, deviation, picture.shape))


def tinted(picture, rng):
    """Gains of 0.85 to 1.15 and offsets of 15 grey levels, each colour its own."""
    return rounded(picture * rng.uniform(0.85, 1.15, 3) + rng.uniform(-15, 15, 3))


def spotted(picture, rng):
    spotted, (y, x) = picture.copy(), np.mgrid[: len(picture), : len(picture)]
    for _ in range(5):
        centre, radius = rng.uniform(0, len(picture), 2), rng.uniform(1.5, 3.5) * len(picture) / 64
        spotted[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2] = rng.choice([0, 255])
    return spotted


def copies(picture, rng):
    """Pictures that do not have the change."""
    yield "input", picture
    yield "tinted", tinted(picture, rng)
    yield "noisy", noisy(picture, rng, 20)
    yield "blurred", blurred(picture, 2)
    yield "compressed", compressed(picture, 50)
    yield "spotted", spotted(picture, rng)
    yield "bright", rounded(255 * (picture / 255.0) ** 0.6)
    yield "grey", np.asarray(Image.fromarray(picture).convert("L").convert("RGB"))
    yield "inverted", 255 - picture
    yield "mirrored", picture[:, ::-1]
    yield "noise", rng.integers(0, 256, picture.shape).astype(np.uint8)
    yield "black", picture * 0


def targets(truth, rng):
    """Pictures that have it."""
    yield "truth", truth
    yield "tinted", tinted(truth, rng)
    yield "noisy", noisy(truth, rng, 12)
    yield "blurred", blurred(truth, 0.8)
    yield "moved", np.roll(truth, rng.choice([-1, 1], 2), (0, 1))
    yield "compressed", compressed(truth, 75)


def blended(a, b, share):
    return rounded((1 - share) * a.astype(float) + share * b)


@pytest.fixture(scope="module", params=[(name, level) for name in sorted(KINDS) for level in LEVELS], ids="-".join)
def case(request):
    """A kind, an oracle of one of its scenes, the truth, and the scene with another form of the change."""
    name, level = request.param
    drawn, index = KINDS[name], 7
    scene = drawn.scene(level, "test", "A", index)
    other = drawn.changed(scene, np.random.default_rng(1))
    oracle = Oracle(drawn, scene, 64)
    return drawn, oracle, drawn.draw(drawn.truth(level, "test", index), 64), drawn.draw(other, 64)


def test_the_input_is_a_copy_and_nothing_else(case):
    _, oracle, *_ = case
    reading = oracle.read(oracle.picture)
    assert not reading.target
    assert reading.strength == pytest.approx(0, abs=0.01)
    assert (reading.outside, reading.where) == (0, None)
    assert reading.cast == pytest.approx(0, abs=1e-3)


def test_the_truth_is_the_target_and_nothing_else_changed(case):
    _, oracle, truth, other = case
    for picture in (truth, other):
        reading = oracle.read(picture)
        assert reading.target
        assert reading.strength > 0.8
        assert reading.outside < 0.2
        assert reading.where is None


def test_copies_are_no_target(case):
    _, oracle, *_ = case
    found = {name: oracle.read(picture).strength for name, picture in copies(oracle.picture, np.random.default_rng(2))}
    assert {name: round(strength, 2) for name, strength in found.items() if strength >= 0.6} == {}


def test_the_truth_through_a_poor_camera_is_the_target(case):
    _, oracle, truth, _ = case
    found = {name: oracle.read(picture).strength for name, picture in targets(truth, np.random.default_rng(3))}
    assert {name: round(strength, 2) for name, strength in found.items() if strength < 0.6} == {}


def test_strength_grows_with_the_share_of_the_truth(case):
    _, oracle, truth, _ = case
    shares = (0, 0.25, 0.5, 0.75, 1)
    found = [oracle.read(blended(oracle.picture, truth, share)).strength for share in shares]
    assert all(more > less - 0.03 for less, more in pairwise(found))
    assert found[1] < 0.45
    assert 0.1 < found[2] < 0.7
    assert found[3] > 0.4


def test_half_of_the_area_is_about_half(case):
    _, oracle, truth, _ = case
    where = np.abs(oracle.picture.astype(int) - truth).max(2) > 20
    left = (np.arange(64) < np.median(np.nonzero(where)[1]))[None, :, None]
    both = [oracle.read(np.where(side, truth, oracle.picture)).strength for side in (left, ~left)]
    assert 0.2 < np.mean(both) < 0.7


def test_what_else_changed_is_measured_and_placed(case):
    _, oracle, truth, _ = case
    free = np.argwhere(~oracle.region)
    row, column = free[np.argmax(np.minimum.reduce([*free.T, *(63 - free).T]) >= 4)]
    changed = truth.astype(int)
    spot = np.s_[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
    changed[spot] = 255 * (changed[spot].mean() < 128)
    reading = oracle.read(changed.astype(np.uint8))
    assert reading.target
    assert reading.outside > 0
    assert reading.where is not None
    assert np.hypot(reading.where[0] * 64 - column, reading.where[1] * 64 - row) < 6


def test_a_cast_is_told_from_other_changes(case):
    _, oracle, truth, _ = case
    reading = oracle.read(rounded(truth * [0.9, 1.0, 0.8] + [10, 0, 0]))
    assert reading.cast > 2
    assert reading.cast == pytest.approx(reading.outside, rel=0.25, abs=1)
    assert reading.where is None or oracle.picture.max() > 250


def test_a_translation_of_another_size_is_refused(case):
    _, oracle, *_ = case
    with pytest.raises(ValueError, match=r"of \(64, 64, 3\) must have that shape, got \(32, 32, 3\)"):
        oracle.read(np.zeros((32, 32, 3), np.uint8))


def test_a_blue_face_wears_no_mask():
    """A tint of all of the face is no thing on it."""
    drawn = KINDS["mask"]
    for i in range(3):
        scene = drawn.scene("easy", "test", "A", i)
        oracle = Oracle(drawn, scene, 64)
        rows, columns = np.mgrid[:64, :64] / 64
        head = scene.head
        face = ((columns - head.x) / (head.wide * head.tall)) ** 2 + ((rows - head.y) / head.tall) ** 2 < 1
        mean = oracle.picture[face].mean(0)
        blue = rounded(np.where(face[..., None], oracle.picture + (np.array([104, 164, 214]) - mean), oracle.picture))
        assert not oracle.read(blue).target


def test_a_mouth_that_is_wiped_out_does_not_laugh():
    drawn = KINDS["mouth"]
    oracle = Oracle(drawn, drawn.scene("easy", "test", "A", 0), 64)
    wiped = np.where(oracle.region[..., None], blurred(oracle.picture, 6), oracle.picture)
    assert oracle.read(wiped).strength < 0.3


def test_stripes_that_lie_are_no_stripes():
    drawn = KINDS["stripes"]
    for i in range(3):
        scene = drawn.scene("easy", "test", "A", i)
        oracle = Oracle(drawn, scene, 64)
        along, down = body_places(scene, 64)
        body = (np.abs(along) < 0.5) & (np.abs(down) < 0.25)
        lying = np.where((body & (np.sin(down * 2 * np.pi / 0.2) > 0))[..., None], 34, oracle.picture)
        standing = np.where((body & (np.sin(along * 2 * np.pi / 0.3) > 0))[..., None], 34, oracle.picture)
        assert not oracle.read(lying.astype(np.uint8)).target
        assert oracle.read(standing.astype(np.uint8)).target


def test_a_cast_is_found_in_spite_of_what_changed():
    rng = np.random.default_rng(0)
    a = rng.uniform(20, 220, (3000, 3)).astype(np.float32)
    b = np.array([1.1, 0.9, 0.7]) * a + np.array([-5, 10, 12])
    b[:700] = 0
    gain, offset = cast_between(a, b.astype(np.float32))
    assert gain == pytest.approx([1.1, 0.9, 0.7], abs=0.01)
    assert offset == pytest.approx([-5, 10, 12], abs=1)
    flat = np.full((50, 3), 90, np.float32)
    gain, offset = cast_between(flat, flat + 10)
    assert gain.tolist() == [1, 1, 1]
    assert offset.tolist() == [10, 10, 10]


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", sorted(KINDS))
def test_hundreds_of_scenes(name, level):
    drawn, count = KINDS[name], 200
    found = []
    for i in range(count):
        scene = drawn.scene(level, "train", "A", i)
        oracle, truth = Oracle(drawn, scene, 64), drawn.draw(drawn.truth(level, "train", i), 64)
        found.append(
            [oracle.read(picture).target for picture in (oracle.picture, truth, blended(oracle.picture, truth, 0.4))]
        )
    copied, true, less_than_half = np.mean(found, axis=0)
    assert copied == 0
    assert true == 1
    assert less_than_half < 0.05
