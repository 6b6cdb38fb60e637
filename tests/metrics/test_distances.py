import numpy as np
import pytest

from instar.metrics import distances
from instar.metrics.distances import nearest_distances, square_distances


def test_distances_of_all_pairs() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(4, 6)) + 1000, rng.normal(size=(3, 6)) + 1000
    expected = [[((a - b) ** 2).sum() for b in y] for a in x]
    ((rows, squares),) = square_distances(x, y)
    assert rows == slice(0, 4)
    assert squares == pytest.approx(np.array(expected))
    ((_, own),) = square_distances(x, x)
    assert (np.diag(own) == 0).all()


@pytest.mark.parametrize("numbers", [1, 7, 40])
def test_blocks_follow_one_another(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(9, 5)).astype(np.float32), rng.normal(size=(6, 5)).astype(np.float32)
    ((_, whole),) = square_distances(x, y)
    monkeypatch.setattr(distances, "_NUMBERS", numbers)
    parts = list(square_distances(x, y))
    assert len(parts) == -(-9 // max(1, numbers // 6))
    assert np.concatenate([squares for _, squares in parts]) == pytest.approx(whole)
    assert [place for rows, _ in parts for place in range(9)[rows]] == list(range(9))


def test_the_nearest_of_others() -> None:
    x = np.array([[0.0], [1], [3], [6]])
    assert nearest_distances(x, x).tolist() == [0, 0, 0, 0]
    assert nearest_distances(x, x, others=True).tolist() == [1, 1, 2, 3]
    assert nearest_distances(np.array([[9.0], [2]]), x).tolist() == [3, 1]
