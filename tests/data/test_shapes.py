from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from instar.data import shapes


def pixels(index: int, size: int = 64) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    plain, striped = shapes.pair(index, size)
    return np.asarray(plain), np.asarray(striped)


def animal(index: int, monkeypatch: pytest.MonkeyPatch, size: int = 64) -> NDArray[np.bool_]:
    """Where the animal covers any of a pixel."""
    found = []
    drawn = shapes._animal

    def spy(*arguments):
        found.append(drawn(*arguments))
        return found[0]

    with monkeypatch.context() as patch:
        patch.setattr(shapes, "_animal", spy)
        shapes.pair(index, size)
    mask = np.asarray(found[0][0])
    return mask.reshape(size, shapes._SCALE, size, shapes._SCALE).any((1, 3))


def test_the_same_everywhere_and_always() -> None:
    for index in (0, 3):
        for one, two in zip(pixels(index), pixels(index), strict=True):
            assert (one == two).all()
    plain, striped = pixels(0, 32)
    # A fixed value, not only equality of two calls: the demo's numbers must not move between versions.
    assert (round(float(plain.mean()), 1), round(float(striped.mean()), 1)) == (136.1, 137.2)


def test_numpys_global_generator_has_no_say() -> None:
    np.random.seed(1)
    first = pixels(5)[0]
    np.random.seed(2)
    assert (pixels(5)[0] == first).all()


@pytest.mark.parametrize("size", [40, 64])
def test_the_pair_differs_on_the_animal_only(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(4):
        plain, striped = pixels(index, size)
        mask = animal(index, monkeypatch, size)
        assert 0.05 < mask.mean() < 0.6
        assert (plain[~mask] == striped[~mask]).all()
        assert (plain != striped).any(2)[mask].mean() > 0.95


def test_stripes_are_dark_and_light(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, striped = pixels(0)
    mask = animal(0, monkeypatch)
    gray = striped.mean(2)[mask]
    assert (gray < 80).mean() > 0.15
    assert (gray > 180).mean() > 0.15
    assert ((plain.mean(2)[mask] < 80) | (plain.mean(2)[mask] > 180)).mean() < 0.2


@pytest.mark.parametrize("size", [16, 40, 64])
def test_sizes(size: int) -> None:
    for image in shapes.pair(1, size):
        assert image.size == (size, size)
        assert image.mode == "RGB"


def test_scenes_differ() -> None:
    seen = [pixels(index)[0].tobytes() for index in range(20)]
    assert len(set(seen)) == 20


def test_what_is_written(tmp_path: Path) -> None:
    shapes.write(tmp_path, 3, 2, 24)
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {
        *(f"train{domain}/{i:04d}.png" for domain in "AB" for i in range(3)),
        *(f"test{domain}/{i:04d}.png" for domain in "AB" for i in (3, 4)),
    }
    for split, numbers in (("train", range(3)), ("test", (3, 4))):
        for i in numbers:
            for domain, expected in zip("AB", pixels(i, 24), strict=True):
                with Image.open(tmp_path / f"{split}{domain}" / f"{i:04d}.png") as image:
                    assert (np.asarray(image) == expected).all()
    train = {path.read_bytes() for path in tmp_path.glob("train?/*.png")}
    assert not train & {path.read_bytes() for path in tmp_path.glob("test?/*.png")}
