import math

import pytest
import torch
from torch import Tensor

from instar.methods.tunit.clustering import cluster_sizes, clusters_in_use, iic, label_cross_entropy, probabilities

K = 10


def hot(clusters: Tensor, k: int = K) -> Tensor:
    return torch.nn.functional.one_hot(clusters, k).double()


EACH = torch.arange(K).repeat(5)


@pytest.mark.parametrize(
    ("clusters", "other", "expected"),
    [
        (EACH, EACH, -math.log(10)),  # as good as it gets
        (EACH * 0, EACH * 0, 0.0),  # all in one
        (EACH % 2, EACH % 2, -math.log(2)),  # two of ten in use
        (EACH, EACH + 1 - 2 * (EACH % 2), -math.log(10)),  # swapped in pairs: as certain
        (EACH, (EACH + 1) % 10, -math.log(5)),  # shifted: the other view's cluster has two answers
        (torch.arange(K).repeat_interleave(K), torch.arange(K).repeat(K), 0.0),  # independent
    ],
    ids=["equal", "one", "two", "swapped", "shifted", "independent"],
)
def test_of_certain_clusters(clusters: Tensor, other: Tensor, expected: float) -> None:
    assert iic(hot(clusters), hot(other)).item() == pytest.approx(expected, abs=3e-7)


def test_exact_values() -> None:
    assert iic(torch.full((7, K), 0.1), torch.full((7, K), 0.1)).item() == pytest.approx(0, abs=1e-6)
    assert iic(hot(EACH * 0), hot(EACH * 0)).item() == pytest.approx(-1.9e-7, abs=1e-8)
    uneven = torch.arange(32) % K
    assert iic(hot(uneven), hot(uneven)).item() == pytest.approx(-2.2952, abs=1e-4)


def test_bounds_and_symmetry() -> None:
    torch.manual_seed(0)
    for scale in (0.1, 1.0, 10.0):
        p, q = (torch.randn(20, K, dtype=torch.float64).mul(scale).softmax(1) for _ in range(2))
        value = iic(p, q)
        assert -math.log(K) <= value <= 0
        torch.testing.assert_close(value, iic(q, p))


def test_gradient_and_precision() -> None:
    p, q = (torch.rand(4, 3, dtype=torch.float64).softmax(1).requires_grad_() for _ in range(2))
    assert torch.autograd.gradcheck(iic, (p, q))
    assert iic(p.bfloat16(), q.bfloat16()).dtype == torch.float32
    empty = hot(EACH * 0).requires_grad_()
    (gradient,) = torch.autograd.grad(iic(empty, empty), empty)
    assert gradient.isfinite().all()


def test_known_labels() -> None:
    logits = torch.zeros(4, 5, requires_grad=True)
    assert label_cross_entropy(logits, torch.tensor([0, -1, 3, -1])).item() == pytest.approx(math.log(5))
    none = label_cross_entropy(logits, torch.full((4,), -1))
    none.backward()
    assert none == 0
    assert torch.equal(logits.grad, torch.zeros(4, 5))
    assert label_cross_entropy(logits.bfloat16(), torch.tensor([0, 1, 2, 3])).dtype == torch.float32


def test_known_labels_count_alike_however_few() -> None:
    logits = torch.randn(3, 4)
    torch.testing.assert_close(
        label_cross_entropy(logits, torch.tensor([-1, 2, -1])), label_cross_entropy(logits[1:2], torch.tensor([2]))
    )


def test_sizes_of_domains() -> None:
    assert cluster_sizes(torch.tensor([2, 0, 2, 2]), 4).tolist() == [1, 0, 3, 0]
    assert cluster_sizes(torch.tensor([], dtype=torch.int64), 2).tolist() == [0, 0]


def test_in_use() -> None:
    assert clusters_in_use(hot(EACH)).item() == pytest.approx(10)
    assert clusters_in_use(hot(EACH % 2)).item() == pytest.approx(2)
    assert clusters_in_use(hot(EACH * 0)).item() == pytest.approx(1)


def test_probabilities() -> None:
    p = probabilities(torch.randn(3, 4).bfloat16())
    assert p.dtype == torch.float32
    torch.testing.assert_close(p.sum(1), torch.ones(3))
