from hypothesis import given
from hypothesis import strategies as st

from instar.core.evenly import evenly


def test_evenly() -> None:
    assert evenly(range(10), 3) == [0, 3, 6]
    assert evenly(range(3), 10) == [0, 1, 2]
    assert evenly("abcd", 0) == evenly([], 4) == []


@given(st.integers(1, 300), st.integers(1, 300))
def test_gaps_differ_by_one_at_most(length: int, count: int) -> None:
    found = evenly(range(length), count)
    assert len(found) == min(count, length)
    assert found[0] == 0
    gaps = {later - one for one, later in zip(found, [*found[1:], length], strict=True)}
    assert 0 < min(gaps) <= max(gaps) <= min(gaps) + 1
