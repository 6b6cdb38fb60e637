import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from instar.core.seed import generator, mix, seeded


def test_mix_is_fixed() -> None:
    """A run of today must repeat tomorrow: numpy promises this stream."""
    assert mix(0, 0) == 15793235383387715774
    assert mix(0, 1) == mix(0, 1)


def test_mix_separates_neighbours() -> None:
    seen = {mix(seed, step) for seed in range(40) for step in range(40)}
    assert len(seen) == 1600
    bits = torch.tensor([[mix(0, step) >> b & 1 for b in range(64)] for step in range(200)], dtype=torch.float)
    assert bits.mean(0).sub(0.5).abs().max() < 0.2  # no bit that hardly ever changes


def test_order_of_the_numbers_matters() -> None:
    assert mix(1, 2) != mix(2, 1)


def test_seeded_is_a_function_of_its_numbers_and_leaves_no_trace() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    drawn = []
    for before in (3, 4):
        with seeded(7, 12):
            drawn.append((torch.rand(4), torch.randperm(9)))
            with seeded(before):
                torch.rand(before)
            drawn.append((torch.rand(4), torch.randperm(9)))
    assert all(torch.equal(a, b) for a, b in zip(drawn[0], drawn[2], strict=True))
    assert all(torch.equal(a, b) for a, b in zip(drawn[1], drawn[3], strict=True))
    assert not torch.equal(drawn[0][0], drawn[1][0])
    with pytest.raises(ZeroDivisionError), seeded(1):
        fail_after_drawing()
    assert torch.equal(torch.rand(3), expected)


def fail_after_drawing() -> None:
    torch.rand(100)
    raise ZeroDivisionError


def test_seeded_draws_what_seeding_all_of_torch_draws() -> None:
    """Runs of before are repeated."""
    with seeded(7, 12):
        here = torch.rand(4)
    with torch.random.fork_rng():
        torch.manual_seed(mix(7, 12))
        assert torch.equal(torch.rand(4), here)


def test_threads_do_not_draw_from_each_others_numbers() -> None:
    def draw(number: int) -> list[float]:
        found = []
        for step in range(50):
            with seeded(number, step):
                for _ in range(3):
                    found.append(float(torch.rand(())))
                    time.sleep(0)
        return found

    alone = [draw(number) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(draw, range(4))) == alone


def test_a_given_generator_is_a_new_one() -> None:
    before = torch.get_rng_state()
    one, two, other = generator(1, 2), generator(1, 2), generator(2, 1)
    assert torch.equal(torch.rand(3, generator=one), torch.rand(3, generator=two))
    assert not torch.equal(torch.rand(3, generator=one), torch.rand(3, generator=other))
    assert torch.equal(torch.get_rng_state(), before)
