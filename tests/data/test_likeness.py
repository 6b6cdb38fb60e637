import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from instar.data.likeness import FEWEST, likeness, unlike


def photographs(count: int, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Smooth random pictures (48, 60, 3): no two are alike."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (6, 7, 3), dtype=np.uint8))
        found.append(np.asarray(coarse.resize((60, 48), Image.Resampling.BICUBIC)))
    return found


def label_map(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two classes in colours that say nothing of the photograph's."""
    inside = pixels.mean(2, keepdims=True) > 128
    return np.where(inside, np.uint8([20, 200, 90]), np.uint8([180, 30, 160]))


def edges(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(pixels).convert("L").filter(ImageFilter.FIND_EDGES))[:, :, None]


def inverted(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return 255 - pixels


def wide(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    return pixels.astype(np.uint16) * 257


@pytest.mark.parametrize("kind", [label_map, edges, inverted, wide])
@pytest.mark.parametrize("count", [FEWEST, 64])
def test_pairs_are_told_from_shuffled_ones(kind, count: int) -> None:
    first = photographs(count)
    second = [kind(pixels) for pixels in first]
    assert not unlike(first, second)
    assert not unlike(second, first)
    random = np.random.default_rng(1)
    for _ in range(5):
        assert unlike(first, [second[i] for i in random.permutation(count)])


def test_images_that_have_nothing_to_do_with_each_other() -> None:
    assert unlike(photographs(40, 1), photographs(40, 2))
    assert abs(likeness(photographs(40, 1), photographs(40, 2))) < 4


def test_images_that_are_all_equal_say_nothing() -> None:
    same = [photographs(1)[0]] * FEWEST
    assert likeness(same, photographs(FEWEST)) == 0


def test_of_few_pairs_nothing_is_said() -> None:
    assert not unlike(photographs(FEWEST - 1, 1), photographs(FEWEST - 1, 2))


def test_always_the_same() -> None:
    first, second = photographs(20, 1), photographs(20, 2)
    assert likeness(first, second) == likeness(first, second)
