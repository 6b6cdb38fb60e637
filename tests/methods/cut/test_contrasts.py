import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as nnf

from instar.losses.contrastive import patch_nce
from instar.methods.cut.contrasts import hard_nce, modulated_nce, relation_consistency, transport

Contrast = Callable[[Tensor, Tensor], Tensor]
ALL: dict[str, Contrast] = {
    "monce": lambda q, k: modulated_nce(q, k, 0.2),
    "hard": lambda q, k: hard_nce(q, k, 0.2),
    "relation": relation_consistency,
}
CASES = pytest.mark.parametrize("contrast", ALL.values(), ids=ALL)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def unit(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return nnf.normalize(torch.randn(*shape, dtype=dtype), dim=-1)


def test_a_plan_moves_one_from_and_to_each_place() -> None:
    scores = torch.randn(2, 6, 6, dtype=torch.float64).masked_fill(torch.eye(6, dtype=torch.bool), -math.inf)
    plan = transport(scores).exp()
    for dim in (1, 2):
        torch.testing.assert_close(plan.sum(dim), torch.ones(2, 6, dtype=torch.float64))
    assert not plan.diagonal(dim1=1, dim2=2).any()


def test_a_plan_is_the_scores_times_a_factor_for_each_row_and_column() -> None:
    scores = torch.randn(1, 5, 5, dtype=torch.float64)
    factors = (transport(scores) - scores)[0]
    rows, columns = factors - factors[:, :1], factors - factors[:1]
    torch.testing.assert_close(rows, rows[:1].expand(5, 5))
    torch.testing.assert_close(columns, columns[:, :1].expand(5, 5))


def test_a_cold_plan_is_the_best_assignment() -> None:
    """Of all permutations without a fixed place, the one with the largest sum."""
    gain = torch.tensor([[0.0, 3.0, 1.0], [1.0, 0.0, 1.0], [2.0, 2.0, 0.0]], dtype=torch.float64)
    scores = gain.masked_fill(torch.eye(3, dtype=torch.bool), -math.inf) / 0.05
    best = torch.tensor([[0, 1, 0], [0, 0, 1], [1, 0, 0]], dtype=torch.float64)  # 3 + 1 + 2, against 1 + 1 + 2
    torch.testing.assert_close(transport(scores[None]).exp()[0], best, atol=0.05, rtol=0)  # 50 rounds


def test_equal_negatives_weigh_the_same() -> None:
    """Then MoNCE is PatchNCE, of any entropy."""
    q = torch.eye(8, dtype=torch.float64)[None]
    for epsilon in (0.05, 1.0):
        torch.testing.assert_close(modulated_nce(q, q, epsilon), patch_nce(q, q))
        torch.testing.assert_close(modulated_nce(q, q.roll(1, 1), 1e6), patch_nce(q, q.roll(1, 1)))


def test_all_weights_are_equal_at_a_high_temperature() -> None:
    q, k = unit(2, 6, 4), unit(2, 6, 4)
    torch.testing.assert_close(modulated_nce(q, k, 1e7), patch_nce(q, k), atol=1e-5, rtol=0)
    logits = q @ k.transpose(1, 2) / 0.07
    positive = logits.diagonal(dim1=1, dim2=2)
    others = logits.masked_fill(torch.eye(6, dtype=torch.bool), -math.inf).logsumexp(2)
    torch.testing.assert_close(hard_nce(q, k, 1e7), (others - positive).mean(), atol=1e-5, rtol=0)


def test_hard_negatives_of_orthonormal_patches() -> None:
    """ln 7 for seven negatives at 0, less the positive's 1 / tau."""
    q = torch.eye(8, dtype=torch.float64)[None]
    assert hard_nce(q, q, 0.1).item() == pytest.approx(math.log(7) - 1 / 0.07)
    assert hard_nce(q, q, 0.1, tau=0.5).item() == pytest.approx(math.log(7) - 2)


def test_the_hardest_negative_is_the_only_one_when_cold() -> None:
    k = unit(1, 5, 3)
    q = unit(1, 5, 3)
    alike = (k[0] @ k[0].T).masked_fill(torch.eye(5, dtype=torch.bool), -math.inf)
    hardest = alike.argmax(1)
    logits = q[0] @ k[0].T / 0.07
    expected = (logits[range(5), hardest] + math.log(4) - logits.diagonal()).mean()
    torch.testing.assert_close(hard_nce(q, k, 1e-4), expected)


def test_relations_of_a_rotated_image_are_the_same() -> None:
    k = unit(2, 6, 4)
    rotation = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64)).Q
    assert relation_consistency(k @ rotation, k).item() == pytest.approx(0, abs=1e-12)
    assert relation_consistency(unit(2, 6, 4), k).item() > 1e-3


def test_relations_of_two_patches_by_hand() -> None:
    """Opposite patches become equal: P = (σ(2), σ(-2)) becomes (1/2, 1/2), for both."""
    key, query = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]]), torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])
    p = 1 / (1 + math.exp(-2))
    before, after = (p, 1 - p), (0.5, 0.5)
    middle = [(a + b) / 2 for a, b in zip(before, after, strict=True)]
    one = sum(
        0.5 * a * math.log(a / m) + 0.5 * b * math.log(b / m) for a, b, m in zip(before, after, middle, strict=True)
    )
    assert relation_consistency(query, key).item() == pytest.approx(2 * one, rel=1e-5)


@CASES
def test_only_the_query_gets_a_gradient(contrast: Contrast) -> None:
    q, k = unit(2, 4, 3).requires_grad_(), unit(2, 4, 3).requires_grad_()
    contrast(q, k).backward()
    assert q.grad is not None
    assert k.grad is None
    assert torch.autograd.gradcheck(lambda q: contrast(q, k.detach()), q)


@CASES
def test_images_do_not_meet(contrast: Contrast) -> None:
    q, k = unit(2, 6, 4), unit(2, 6, 4)
    alone = torch.stack([contrast(q[i : i + 1], k[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(contrast(q, k), alone.mean())


@CASES
def test_the_order_of_the_patches_means_nothing(contrast: Contrast) -> None:
    q, k, order = unit(2, 6, 4), unit(2, 6, 4), torch.randperm(6)
    torch.testing.assert_close(contrast(q[:, order], k[:, order]), contrast(q, k))
    assert not torch.allclose(contrast(q[:, order], k), contrast(q, k))


@CASES
def test_autocast_does_not_round(contrast: Contrast) -> None:
    q, k = unit(1, 32, 16, dtype=torch.float32), unit(1, 32, 16, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        found = contrast(q, k)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, contrast(q, k))


@CASES
def test_gradients_are_finite_where_all_patches_are_equal(contrast: Contrast) -> None:
    """As those of a blank image, and of one whose features are all 0."""
    for fill in (1.0, 0.0):
        q = torch.full((1, 4, 3), fill, requires_grad=True)
        value = contrast(q, q.detach())
        value.backward()
        assert value.isfinite()
        assert q.grad is not None
        assert q.grad.isfinite().all()
