from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from instar.methods.gcgan.geometry import Map, geometry_consistency, inverse, transform

MAPS = get_args(Map)


@pytest.fixture
def x() -> Tensor:
    return torch.rand(2, 3, 4, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("name", MAPS)
def test_undoing_is_exact(x: Tensor, name: Any) -> None:
    assert torch.equal(inverse(transform(x, name), name), x)
    assert torch.equal(transform(inverse(x, name), name), x)
    assert not torch.equal(transform(x, name).reshape(x.shape), x)


@pytest.mark.parametrize(("name", "times"), [("rot90", 4), ("rot270", 4), ("rot180", 2), ("vflip", 2), ("hflip", 2)])
def test_order(x: Tensor, name: Any, times: int) -> None:
    out = x
    for step in range(times):
        assert (step == 0) == torch.equal(out, x)
        out = transform(out, name)
    assert torch.equal(out, x)


def test_turns_are_clockwise(x: Tensor) -> None:
    """Element (r, c) of an image of H rows moves to (c, H - 1 - r)."""
    turned = transform(x, "rot90")
    assert turned.shape == (2, 3, 6, 4)
    for r in range(4):
        for c in range(6):
            assert torch.equal(turned[..., c, 4 - 1 - r], x[..., r, c])
    assert torch.equal(transform(turned, "rot90"), transform(x, "rot180"))
    assert torch.equal(inverse(x, "rot90"), transform(x, "rot270"))


def test_flips(x: Tensor) -> None:
    assert torch.equal(transform(x, "vflip")[:, :, 0], x[:, :, -1])
    assert torch.equal(transform(x, "hflip")[..., 0], x[..., -1])


@pytest.mark.parametrize("name", MAPS)
def test_a_pointwise_generator_is_consistent(x: Tensor, name: Any) -> None:
    """So is one that puts out one colour: the term alone does not prevent collapse."""
    pointwise = nn.Sequential(nn.Conv2d(3, 8, 1), nn.InstanceNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 1))
    for net in (nn.Identity(), pointwise, lambda x: torch.full_like(x, 0.3)):
        assert geometry_consistency(net(x), net(transform(x, name)), name).item() < 1e-6
    spatial = nn.Conv2d(3, 3, 3, padding=1)
    assert geometry_consistency(spatial(x), spatial(transform(x, name)), name).item() > 0.01


def test_value(x: Tensor) -> None:
    """Off by 1 everywhere: both halves are 1, so that at weight 20 the term is 40."""
    found = geometry_consistency(x, transform(x + 1, "rot90"), "rot90")
    assert 20 * found.item() == pytest.approx(40, rel=1e-6)


@pytest.mark.parametrize("name", MAPS)
def test_the_gradient_is_half_of_that_of_the_formula(x: Tensor, name: Any) -> None:
    u, u_f = x.double(), transform(torch.rand_like(x).double(), name)

    def formula(u: Tensor, u_f: Tensor) -> Tensor:
        return (u - inverse(u_f, name)).abs().mean() + (u_f - transform(u, name)).abs().mean()

    grads = []
    for cost in (formula, lambda *both: geometry_consistency(*both, name)):
        leaves = u.clone().requires_grad_(), u_f.clone().requires_grad_()
        value = cost(*leaves)
        grads.append((value.item(), *torch.autograd.grad(value, leaves)))
    assert grads[0][0] == pytest.approx(grads[1][0])
    for whole, half in zip(grads[0][1:], grads[1][1:], strict=True):
        assert half.abs().max() > 0
        torch.testing.assert_close(whole, 2 * half, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("name", "undoes"), [("rot90", "rot270"), ("rot270", "rot90"), ("vflip", "vflip")])
def test_roles_swap_with_the_inverse(x: Tensor, name: Any, undoes: Any) -> None:
    u_f = transform(torch.rand_like(x), name)
    one, other = geometry_consistency(x, u_f, name), geometry_consistency(u_f, x, undoes)
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(geometry_consistency(x.flip(0), u_f.flip(0), name), one)


def test_bf16_is_averaged_in_float32(x: Tensor) -> None:
    u, u_f = x.bfloat16(), transform(x.flip(0), "vflip").bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = geometry_consistency(u, u_f, "vflip")
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, geometry_consistency(u.float(), u_f.float(), "vflip"))
