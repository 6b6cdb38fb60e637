import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as nnf

from instar.losses.contrastive import info_nce, patch_nce

TAU = 0.07


def unit(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return nnf.normalize(torch.randn(*shape, dtype=dtype), dim=-1)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def by_equation(q: Tensor, k: Tensor, negatives: str, bank: Tensor | None) -> Tensor:
    """Eq. 3 of the paper, patch by patch."""
    losses = []
    for i in range(len(q)):
        for s in range(q.shape[1]):
            others = [] if negatives == "external" else [k[i, t] for t in range(k.shape[1]) if t != s]
            others += [] if negatives == "internal" or bank is None else list(bank)
            positive = (q[i, s] @ k[i, s] / TAU).exp()
            losses.append(-(positive / (positive + sum((q[i, s] @ n / TAU).exp() for n in others))).log())
    return torch.stack(losses).mean()


@pytest.mark.parametrize("negatives", ["internal", "external", "both"])
def test_equation(negatives: Any) -> None:
    q, k, bank = unit(2, 5, 8), unit(2, 5, 8), unit(7, 8)
    torch.testing.assert_close(patch_nce(q, k, TAU, negatives, bank), by_equation(q, k, negatives, bank))


def test_matches_are_cheap() -> None:
    q = torch.eye(256, dtype=torch.float64)[None]
    assert patch_nce(q, q, TAU).item() == pytest.approx(math.log1p(255 * math.exp(-1 / TAU)))
    assert patch_nce(q, q, TAU).item() == pytest.approx(1.593e-4, rel=1e-3)
    assert patch_nce(q.float(), q.float(), TAU).item() == pytest.approx(1.584e-4, rel=0.01)  # rounding


def test_no_information_costs_ln_256() -> None:
    same = torch.zeros(1, 256, 4, dtype=torch.float64)
    same[..., 0] = 1
    orthogonal = torch.zeros_like(same)
    orthogonal[..., 1] = 1
    assert patch_nce(same, same, TAU).item() == pytest.approx(5.545177, abs=1e-6)
    assert patch_nce(orthogonal, same, TAU).item() == pytest.approx(5.545177, abs=1e-6)


def test_a_positive_mistaken_for_a_negative() -> None:
    q = torch.eye(256, dtype=torch.float64)[None]
    assert patch_nce(q, q.roll(1, dims=1), TAU).item() == pytest.approx(14.2859, abs=1e-4)


def test_random_vectors() -> None:
    assert patch_nce(unit(1, 256, 256), unit(1, 256, 256), TAU).item() == pytest.approx(5.91, abs=0.1)


def test_symmetries() -> None:
    """Neither the order of the patches nor the axes of the feature space mean anything."""
    q, k = unit(2, 16, 8), unit(2, 16, 8)
    loss = patch_nce(q, k, TAU)
    order = torch.randperm(16)
    torch.testing.assert_close(patch_nce(q[:, order], k[:, order], TAU), loss)
    rotation = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64)).Q
    torch.testing.assert_close(patch_nce(q @ rotation, k @ rotation, TAU), loss)
    assert not torch.allclose(patch_nce(q[:, order], k, TAU), loss)


def test_negatives_stay_within_an_image() -> None:
    q, k = unit(2, 16, 8), unit(2, 16, 8)
    alone = torch.stack([patch_nce(q[i : i + 1], k[i : i + 1], TAU) for i in range(2)])
    torch.testing.assert_close(patch_nce(q, k, TAU), alone.mean())
    # Negatives from the whole batch are another loss.
    assert not torch.allclose(patch_nce(q.view(1, 32, 8), k.view(1, 32, 8), TAU), alone.mean())
    same = torch.ones(1, 512, 1)
    assert patch_nce(same, same, TAU).item() == pytest.approx(6.2383, abs=1e-4)


def test_only_the_query_gets_a_gradient() -> None:
    q, k, bank = (unit(*shape).requires_grad_() for shape in ((1, 6, 4), (1, 6, 4), (3, 4)))
    patch_nce(q, k, TAU, "both", bank).backward()
    assert q.grad is not None
    assert q.grad.abs().sum() > 0
    assert k.grad is None
    assert bank.grad is None


@pytest.mark.parametrize("negatives", ["internal", "external", "both"])
def test_gradients(negatives: Any) -> None:
    q, k, bank = unit(2, 4, 3).requires_grad_(), unit(2, 4, 3), unit(5, 3)
    assert torch.autograd.gradcheck(lambda q: patch_nce(q, k, 0.5, negatives, bank), q)


def test_external_negatives_need_a_bank() -> None:
    with pytest.raises(ValueError, match="bank"):
        patch_nce(unit(1, 4, 4), unit(1, 4, 4), TAU, "both")


def test_autocast_does_not_round_the_similarities() -> None:
    q, k, bank = (unit(*shape, dtype=torch.float32) for shape in ((1, 64, 32), (1, 64, 32), (9, 32)))
    expected = patch_nce(q, k, TAU, "both", bank)
    with torch.autocast("cpu", torch.bfloat16):
        found = patch_nce(q, k, TAU, "both", bank)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("count", [1024, 32])
def test_info_nce_of_zeros_is_a_guess_among_all(count: int) -> None:
    zero = torch.zeros(4, 8)
    assert info_nce(zero, zero, torch.zeros(count, 8), 0.07).item() == pytest.approx(math.log(1 + count))


def test_info_nce_of_orthonormal_codes() -> None:
    codes = torch.eye(8, dtype=torch.float64)
    value = info_nce(codes[:2], codes[:2], codes[2:], 0.07)
    assert value.item() == pytest.approx(math.log(1 + 6 * math.exp(-1 / 0.07)), rel=1e-9)


def test_info_nce_moves_the_query_alone() -> None:
    query, key, queue = (torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    assert torch.autograd.gradcheck(lambda q: info_nce(q, key.detach(), queue.detach(), 0.5), query)
    grads = torch.autograd.grad(info_nce(query, key, queue, 0.5), (query, key, queue), allow_unused=True)
    assert [g is None for g in grads] == [False, True, True]


def test_info_nce_without_negatives_and_precision() -> None:
    query = torch.randn(3, 4, requires_grad=True)
    assert info_nce(query, query, torch.empty(0, 4), 0.07) == 0
    assert info_nce(query.bfloat16(), query.bfloat16(), torch.zeros(2, 4), 0.07).dtype == torch.float32
