from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instar.data.mixing import Mixture


def drawn(mixture: Mixture, steps: int) -> list[list[tuple[int, int]]]:
    """Images, references and second references of the first steps, each in one list."""
    found = [mixture.picks(step) for step in range(steps)]
    return [[pick for picks in found for pick in picks[column]] for column in range(3)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(2, 9), min_size=2, max_size=12), st.integers(1, 20), st.integers(0, 99))
def test_domains_are_balanced_whatever_the_folders_hold(counts: list[int], batch: int, seed: int) -> None:
    """Each batch has as many images of each domain, up to one more; rounds of domains are exact."""
    images, first, second = drawn(Mixture(seed, tuple(counts), batch), 12)
    for column in (images, first, second):
        for start in range(0, len(column) - len(column) % len(counts), len(counts)):
            assert sorted(domain for domain, _ in column[start : start + len(counts)]) == list(range(len(counts)))
        for step in range(12):
            numbers = Counter(domain for domain, _ in column[step * batch : (step + 1) * batch])
            assert max(numbers.values()) - min(numbers.get(domain, 0) for domain in range(len(counts))) <= 2
    assert [domain for domain, _ in first] == [domain for domain, _ in second]
    assert all(one != other for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("counts", [(5, 3), (2, 7, 4)])
def test_each_image_of_a_domain_is_seen_equally_often(counts: tuple[int, ...]) -> None:
    """Also those of the smallest folder, in all three columns, over whole rounds of every domain."""
    steps = int(np.lcm.reduce(counts)) * 2
    for column in drawn(Mixture(1, counts, len(counts)), steps):
        seen = Counter(column)
        for domain, count in enumerate(counts):
            assert {seen[domain, image] for image in range(count)} == {steps // count}


def test_the_numbers_by_hand() -> None:
    """Runs of old checkpoints go on with the same batches: these numbers must never change."""
    seed, counts, batch = 5, (3, 6, 4), 4
    for step in (0, 1, 7, 10**6):
        picks = Mixture(seed, counts, batch).picks(step)
        for row, position in enumerate(range(step * batch, (step + 1) * batch)):
            turn, place = divmod(position, 3)
            for column, number in ((0, 0), (1, 1), (2, 1)):
                domain = np.random.default_rng([seed, 2**17 + 2 + number, turn]).permutation(3)[place]
                again, image = divmod(turn, counts[domain])
                if column == 2:
                    image += np.random.default_rng([seed, 2**17 + 4, domain, again]).integers(1, counts[domain])
                order = np.random.default_rng([seed, 2**17 + number, domain, again]).permutation(counts[domain])
                assert picks[column][row] == (domain, order[image % counts[domain]])


def test_images_and_references_know_nothing_of_each_other() -> None:
    images, first, _ = drawn(Mixture(0, (50, 50, 50), 3), 300)
    same = np.mean([one[0] == other[0] for one, other in zip(images, first, strict=True)])
    assert 0.2 < same < 0.47
    assert len(set(zip(images, first, strict=True))) > 850
