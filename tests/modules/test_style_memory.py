import torch

from instar.modules.style_memory import StyleMemory


def rows(first: int, count: int) -> torch.Tensor:
    return torch.arange(first, first + count, dtype=torch.float32)[:, None].expand(-1, 4)


def test_it_forgets_the_oldest() -> None:
    memory = StyleMemory(3, 4, 2)
    assert len(memory.sample(2).unique(dim=0)) == 2  # nothing is known yet
    memory.push(rows(0, 2), torch.tensor([0, 0]))
    memory.push(rows(2, 2), torch.tensor([1, 0]))
    assert memory.counts().tolist() == [2, 1]
    assert memory.means()[:, 0].tolist() == [2, 2]  # of 1 and 3, of 2
    assert set(memory.sample(50)[:, 0].tolist()) == {1, 2, 3}


def test_it_draws_from_a_domain() -> None:
    memory = StyleMemory(4, 4, 3)
    memory.push(rows(0, 4), torch.tensor([0, 2, 2, 0]))
    assert set(memory.sample(50, domain=2)[:, 0].tolist()) == {1, 2}
    assert len(memory.sample(2, domain=1).unique(dim=0)) == 2  # none is known of it
