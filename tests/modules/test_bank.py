import torch

from instar.modules.bank import VectorBank


def rows(first: int, count: int) -> torch.Tensor:
    return torch.arange(first, first + count, dtype=torch.float32)[:, None].expand(-1, 4)


def test_starts_with_random_unit_vectors() -> None:
    bank = VectorBank(32, 4)
    torch.testing.assert_close(bank.rows.norm(dim=1), torch.ones(32))
    assert len(bank.rows.unique(dim=0)) == 32


def test_drops_the_oldest() -> None:
    bank = VectorBank(5, 4)
    bank.push(rows(0, 3))
    bank.push(rows(3, 4))
    assert sorted(bank.rows[:, 0].tolist()) == [2, 3, 4, 5, 6]
    assert int(bank.place) == 2


def test_more_than_it_holds() -> None:
    bank = VectorBank(5, 4)
    bank.push(rows(0, 12))
    assert sorted(bank.rows[:, 0].tolist()) == [7, 8, 9, 10, 11]


def test_wraps_after_64_steps_of_256() -> None:
    bank = VectorBank(16_384, 4)
    for step in range(64):
        assert int(bank.place) == 256 * step
        bank.push(rows(256 * step, 256))
    assert int(bank.place) == 0
    assert torch.equal(bank.rows, rows(0, 16_384))


def test_state() -> None:
    bank, other = VectorBank(5, 4), VectorBank(5, 4)
    bank.push(rows(0, 3))
    other.load_state_dict(bank.state_dict())
    for one in (bank, other):
        one.push(rows(3, 4))
    assert torch.equal(bank.rows, other.rows)
    assert list(bank.parameters()) == []
