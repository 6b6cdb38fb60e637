import pytest
import torch
from torch import Tensor

from instar.modules.vector_queue import VectorQueue


def rows(first: int, count: int) -> Tensor:
    return torch.arange(first, first + count, dtype=torch.float32)[:, None].expand(-1, 4)


def test_it_fills_up_then_drops_the_oldest() -> None:
    queue = VectorQueue(1024, 4)
    for number in range(40):
        assert len(queue) == min(1024, 32 * number)
        queue.push(rows(32 * number, 32))
    assert torch.equal(queue.vectors(), rows(8 * 32, 1024))  # the oldest batch left is number 8; order is kept


def test_a_filled_one_starts_with_random_unit_vectors() -> None:
    queue = VectorQueue(32, 4, filled=True)
    assert len(queue) == 32
    torch.testing.assert_close(queue.rows.norm(dim=1), torch.ones(32))
    assert len(queue.vectors().unique(dim=0)) == 32


@pytest.mark.parametrize("filled", [False, True])
def test_it_drops_the_oldest(filled: bool) -> None:
    queue = VectorQueue(5, 4, filled=filled)
    queue.push(rows(0, 3))
    queue.push(rows(3, 4))
    assert queue.vectors()[:, 0].tolist() == [2, 3, 4, 5, 6]
    assert int(queue.place) == 2


@pytest.mark.parametrize("filled", [False, True])
def test_more_than_it_holds(filled: bool) -> None:
    queue = VectorQueue(5, 4, filled=filled)
    queue.push(rows(0, 12))
    assert queue.vectors()[:, 0].tolist() == [7, 8, 9, 10, 11]


def test_the_ring_closes_after_64_steps_of_256() -> None:
    queue = VectorQueue(16_384, 4, filled=True)
    for step in range(64):
        assert int(queue.place) == 256 * step
        queue.push(rows(256 * step, 256))
    assert int(queue.place) == 0
    assert torch.equal(queue.rows, rows(0, 16_384))


def test_what_was_taken_out_stays() -> None:
    queue = VectorQueue(5, 4)
    queue.push(rows(0, 3))
    before = queue.vectors()
    queue.push(rows(3, 4))
    assert before[:, 0].tolist() == [0, 1, 2]


def test_no_gradient_is_kept() -> None:
    queue = VectorQueue(5, 4)
    queue.push(torch.ones(2, 4, requires_grad=True) * 2)
    assert not queue.vectors().requires_grad
    assert list(queue.parameters()) == []


@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.parametrize("pushed", [3, 7])
def test_state(filled: bool, pushed: int) -> None:
    queue, other = VectorQueue(5, 4, filled=filled), VectorQueue(5, 4, filled=filled)
    other.push(rows(20, 4))
    queue.push(rows(0, pushed))
    other.load_state_dict(queue.state_dict())
    assert torch.equal(queue.vectors(), other.vectors())
    for one in (queue, other):
        one.push(rows(10, 1))
    assert torch.equal(queue.vectors(), other.vectors())
    assert len(other) == len(queue)


def test_a_filled_one_is_restored_row_by_row() -> None:
    """Sums over its rows then have the same bits."""
    queue, other = VectorQueue(5, 4, filled=True), VectorQueue(5, 4, filled=True)
    queue.push(rows(0, 3))
    state = queue.state_dict()
    assert set(state) == {"rows", "place"}
    other.load_state_dict(state)
    assert torch.equal(queue.rows, other.rows)


def test_the_layout_of_checkpoints() -> None:
    """One that fills up is saved in order, its last vector in the last row."""
    queue = VectorQueue(5, 4)
    queue.push(rows(1, 3))
    state = queue.state_dict()
    assert {name: value.shape for name, value in state.items()} == {"rows": (5, 4), "length": ()}
    assert state["rows"][:, 0].tolist() == [0, 0, 1, 2, 3]
    assert state["length"].item() == 3
    queue.push(rows(4, 4))
    assert queue.state_dict()["rows"][:, 0].tolist() == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.parametrize("before", [0, 3, 5, 7])
def test_a_journal_goes_back_to_the_bit(before: int, filled: bool) -> None:
    """Also over two of them: that of the later pushes first."""
    queue = VectorQueue(5, 4, filled=filled)
    queue.push(rows(0, before))
    states, ways = [], []
    for i in range(2):
        states.append({name: value.clone() for name, value in queue.named_buffers()} | {"count": len(queue)})
        ways.append(queue.begin_journal())
        queue.push(rows(100 * i, 3))
    for state, way in zip(reversed(states), reversed(ways), strict=True):
        way()
        assert len(queue) == state.pop("count") == int(queue.length)
        assert all(torch.equal(value, state[name]) for name, value in queue.named_buffers())
