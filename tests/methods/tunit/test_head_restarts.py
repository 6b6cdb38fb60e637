"""Heads from many starts, on features whose clusters are known."""

import math
from collections.abc import Iterator
from itertools import permutations

import pytest
import torch
from torch import Tensor, nn

from instar.methods.tunit import head_restarts as restarts
from instar.methods.tunit.clustering import iic, probabilities
from instar.methods.tunit.head_restarts import restart_head

K = 4


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarts, "BATCH", 128)
    torch.manual_seed(0)


def features(n: int = 512) -> tuple[Tensor, Tensor]:
    """Two views (2 N, 6) of N points around K centres, far from 0 and of unlike sizes, and their centres (N,)."""
    true = torch.arange(n) % K
    views = [torch.eye(K, 6)[true] + 0.2 * torch.randn(n, 6) for _ in range(2)]
    return torch.cat(views) * torch.tensor([1, 10, 0.1, 1, 1, 1]) + 5, true


def agreement(found: Tensor, true: Tensor) -> float:
    table = torch.zeros(K, K).index_put_((found, true), torch.tensor(1.0), accumulate=True)
    return max(sum(table[i, j].item() for i, j in enumerate(order)) for order in permutations(range(K))) / len(true)


def test_finds_the_clusters_from_a_head_that_merges_them() -> None:
    seen, true = features()
    head = nn.Linear(6, K)
    nn.init.zeros_(head.weight)
    losses = restart_head(head, [seen], 24, iic)
    assert losses.shape == (24,)
    assert (losses.sort().values == losses).all()
    assert losses[0] < losses[-1] - 0.1, "not every start ends in the best"
    logits = head(seen)
    assert agreement(logits[:512].argmax(1), true) > 0.95
    first, second = probabilities(logits).chunk(2)
    assert iic(first, second).item() == pytest.approx(losses[0].item(), abs=1e-4), "the mean is undone in the weights"
    assert losses[0] > -math.log(K)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in head.parameters())


def test_a_feature_that_did_not_vary_gets_no_great_weight() -> None:
    seen, true = features()
    seen[:, 5] = 2.0
    seen[0, 5] += 1e-6
    head = nn.Linear(6, K)
    restart_head(head, [seen], 24, iic)
    assert agreement(head(seen)[:512].argmax(1), true) > 0.95
    with torch.no_grad():
        assert head.weight[:, 5].abs().max() <= head.weight[:, :5].abs().max()


def test_batches_are_put_together_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, _ = features(64)
    asked = []

    def batches() -> Iterator[Tensor]:
        for i in range(8):
            asked.append(i)
            yield seen

    monkeypatch.setattr(restarts, "IMAGES", 100)
    restart_head(nn.Linear(6, K), batches(), 1, iic)
    assert asked == [0, 1]


def test_by_the_global_generator_alone() -> None:
    seen, _ = features()
    heads = [nn.Linear(6, K) for _ in range(3)]
    for seed, head in zip((1, 1, 2), heads, strict=True):
        torch.manual_seed(seed)
        with torch.autocast("cpu", torch.bfloat16):
            restart_head(head, [seen], 2, iic)
    assert torch.equal(heads[0].weight, heads[1].weight)
    assert not torch.equal(heads[0].weight, heads[2].weight)
