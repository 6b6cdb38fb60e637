import torch
from torch import Tensor

from instar.modules.gallery import Gallery
from instar.modules.queue import Queue


def rows(first: int, count: int) -> Tensor:
    return torch.arange(first, first + count, dtype=torch.float32)[:, None].expand(-1, 4)


def test_it_fills_up_then_drops_the_oldest() -> None:
    queue = Queue(1024, 4)
    for number in range(40):
        assert len(queue) == min(1024, 32 * number)
        queue.push(rows(32 * number, 32))
    assert torch.equal(queue.vectors(), rows(8 * 32, 1024))  # the oldest batch left is number 8; order is kept


def test_more_than_it_holds() -> None:
    queue = Queue(5, 4)
    queue.push(rows(0, 12))
    assert queue.vectors()[:, 0].tolist() == [7, 8, 9, 10, 11]


def test_what_was_taken_out_stays() -> None:
    queue = Queue(5, 4)
    queue.push(rows(0, 3))
    before = queue.vectors()
    queue.push(rows(3, 4))
    assert before[:, 0].tolist() == [0, 1, 2]


def test_no_gradient_is_kept() -> None:
    queue = Queue(5, 4)
    queue.push(torch.ones(2, 4, requires_grad=True) * 2)
    assert not queue.vectors().requires_grad
    assert list(queue.parameters()) == []


def test_state() -> None:
    queue, other = Queue(5, 4), Queue(5, 4)
    queue.push(rows(0, 3))
    other.load_state_dict(queue.state_dict())
    for one in (queue, other):
        one.push(rows(3, 1))
    assert torch.equal(queue.vectors(), other.vectors())
    assert len(other) == 4


def test_a_gallery_forgets_the_oldest() -> None:
    gallery = Gallery(3, 4, 2)
    assert len(gallery.sample(2).unique(dim=0)) == 2  # nothing is known yet
    gallery.push(rows(0, 2), torch.tensor([0, 0]))
    gallery.push(rows(2, 2), torch.tensor([1, 0]))
    assert gallery.counts().tolist() == [2, 1]
    assert gallery.means()[:, 0].tolist() == [2, 2]  # of 1 and 3, of 2
    assert set(gallery.sample(50)[:, 0].tolist()) == {1, 2, 3}
