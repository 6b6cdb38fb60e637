from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from instar.methods.gcgan.geometry import Map, back, forth, geometry_consistency

MAPS = get_args(Map)


@pytest.fixture
def x() -> Tensor:
    return torch.rand(2, 3, 4, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("name", MAPS)
def test_undoing_is_exact(x: Tensor, name: Any) -> None:
    assert torch.equal(back(forth(x, name), name), x)
    assert torch.equal(forth(back(x, name), name), x)
    assert not torch.equal(forth(x, name).reshape(x.shape), x)


@pytest.mark.parametrize(("name", "times"), [("rot90", 4), ("rot270", 4), ("rot180", 2), ("vflip", 2), ("hflip", 2)])
def test_order(x: Tensor, name: Any, times: int) -> None:
    out = x
    for step in range(times):
        assert (step == 0) == torch.equal(out, x)
        out = forth(out, name)
    assert torch.equal(out, x)


def test_turns_are_clockwise(x: Tensor) -> None:
    """Element (r, c) of an image of H rows moves to (c, H - 1 - r)."""
    turned = forth(x, "rot90")
    assert turned.shape == (2, 3, 6, 4)
    for r in range(4):
        for c in range(6):
            assert torch.equal(turned[..., c, 4 - 1 - r], x[..., r, c])
    assert torch.equal(forth(turned, "rot90"), forth(x, "rot180"))
    assert torch.equal(back(x, "rot90"), forth(x, "rot270"))


def test_flips(x: Tensor) -> None:
    assert torch.equal(forth(x, "vflip")[:, :, 0], x[:, :, -1])
    assert torch.equal(forth(x, "hflip")[..., 0], x[..., -1])


@pytest.mark.parametrize("name", MAPS)
def test_a_pointwise_generator_is_consistent(x: Tensor, name: Any) -> None:
    """So is one that puts out one colour: the term alone does not prevent collapse."""
    pointwise = nn.Sequential(nn.Conv2d(3, 8, 1), nn.InstanceNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 1))
    for net in (nn.Identity(), pointwise, lambda x: torch.full_like(x, 0.3)):
        assert geometry_consistency(net(x), net(forth(x, name)), name).item() < 1e-6
    spatial = nn.Conv2d(3, 3, 3, padding=1)
    assert geometry_consistency(spatial(x), spatial(forth(x, name)), name).item() > 0.01


@pytest.mark.parametrize("detach", [True, False])
def test_value(x: Tensor, detach: bool) -> None:
    """Off by 1 everywhere: both halves are 1, so that at weight 20 the term is 40."""
    found = geometry_consistency(x, forth(x + 1, "rot90"), "rot90", detach_target=detach)
    assert 20 * found.item() == pytest.approx(40, rel=1e-6)


@pytest.mark.parametrize("name", MAPS)
def test_detaching_halves_the_gradient(x: Tensor, name: Any) -> None:
    u, u_f = x.double(), forth(torch.rand_like(x).double(), name)
    grads = {}
    for detach in (True, False):
        leaves = u.clone().requires_grad_(), u_f.clone().requires_grad_()
        value = geometry_consistency(*leaves, name, detach_target=detach)
        grads[detach] = (value.item(), *torch.autograd.grad(value, leaves))
    assert grads[True][0] == grads[False][0]
    for half, whole in zip(grads[True][1:], grads[False][1:], strict=True):
        assert half.abs().max() > 0
        torch.testing.assert_close(whole, 2 * half, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("name", "inverse"), [("rot90", "rot270"), ("rot270", "rot90"), ("vflip", "vflip")])
def test_roles_swap_with_the_inverse(x: Tensor, name: Any, inverse: Any) -> None:
    u_f = forth(torch.rand_like(x), name)
    one, other = geometry_consistency(x, u_f, name), geometry_consistency(u_f, x, inverse)
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(geometry_consistency(x.flip(0), u_f.flip(0), name), one)


def test_bf16_is_averaged_in_float32(x: Tensor) -> None:
    u, u_f = x.bfloat16(), forth(x.flip(0), "vflip").bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = geometry_consistency(u, u_f, "vflip")
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, geometry_consistency(u.float(), u_f.float(), "vflip"))
