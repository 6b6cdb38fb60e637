import pytest
import torch

from instar.core.objective import Loss, Objective, Term, term


def of(value: float, name: str = "a") -> Loss:
    return term(name, torch.tensor(value))


def test_arithmetic() -> None:
    loss = 3.0 * (of(2.0, "a") + 0.5 * of(4.0, "b")) - of(1.0, "c")
    assert [(t.name, t.weight, t.value.item()) for t in loss.terms] == [
        ("a", 3.0, 2.0),
        ("b", 1.5, 4.0),
        ("c", -1.0, 1.0),
    ]
    assert loss.total().item() == 3 * 2 + 1.5 * 4 - 1


def test_operands_are_left_alone() -> None:
    a = of(2.0)
    _ = 5.0 * a + of(1.0, "b")
    assert a.total().item() == 2.0
    assert len(a.terms) == 1


def test_names_may_not_repeat() -> None:
    with pytest.raises(ValueError, match="names a term twice: a"):
        of(1.0) + of(2.0)
    with pytest.raises(ValueError, match="twice: a, b"):
        Loss(*(Term(name, torch.zeros(())) for name in "bbaac"))


def test_weight_0_is_not_0_times_nan() -> None:
    loss = of(2.0) + 0.0 * of(torch.nan, "b")
    assert loss.total().item() == 2.0
    assert [t.name for t in loss.terms] == ["a", "b"]  # it is still logged


def test_weight_0_gets_no_gradient() -> None:
    on, off = (torch.tensor(1.0, requires_grad=True) for _ in range(2))
    (term("on", 2 * on) + 0.0 * term("off", off)).total().backward()
    assert on.grad is not None
    assert on.grad.item() == 2.0
    assert off.grad is None


def test_nothing_sums_to_0() -> None:
    assert Loss().total().item() == 0.0
    assert (0.0 * of(torch.inf)).total().item() == 0.0
    assert (Loss() + of(2.0)).total().item() == 2.0


def test_a_term_is_a_scalar() -> None:
    with pytest.raises(ValueError, match=r"term 'l1' must be a scalar, got shape \(2, 1\)"):
        term("l1", torch.zeros(2, 1))


def test_terms_of_both_precisions_add_up() -> None:
    loss = of(1.0) + term("b", torch.tensor(2.0, dtype=torch.float64))
    assert loss.total().item() == 3.0


def test_objective_compares_networks_by_identity() -> None:
    net = torch.nn.Linear(1, 1)
    assert Objective("G", (net,), of(1.0)).over[0] is net
