import dataclasses

import pytest

from instar.core.progress import Progress


@pytest.mark.parametrize(("step", "epoch"), [(0, 0), (3, 0), (4, 1), (11, 2)])
def test_epoch_counts_whole_ones(step: int, epoch: int) -> None:
    assert Progress(step, 100, epoch_length=4).epoch == epoch


def test_fraction() -> None:
    assert [Progress(step, 4).fraction for step in (0, 1, 4)] == [0.0, 0.25, 1.0]
    assert Progress(0, 0).fraction == 0.0


def test_is_a_value() -> None:
    at = Progress(1, 2)
    assert at == Progress(1, 2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        at.step = 2  # type: ignore[misc]
