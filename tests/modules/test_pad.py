import pytest
import torch
from torch import Tensor, nn

from instar.modules.pad import ReflectPad


@pytest.mark.parametrize(("size", "sides"), [(1, (2, 5)), (3, (4, 7)), (1, (9, 3))])
def test_equals_torchs(size: int, sides: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *sides, dtype=torch.float64, requires_grad=True)
    out, expected = ReflectPad(size)(x), nn.ReflectionPad2d(size)(x)
    assert torch.equal(out, expected)
    g = torch.randn_like(out)
    (found,), (wanted,) = torch.autograd.grad(out, x, g), torch.autograd.grad(expected, x, g)
    assert torch.equal(found, wanted)
    with torch.no_grad():
        assert torch.equal(ReflectPad(size)(x), expected)


def kept_by(net: nn.Module) -> int:
    """Numbers of the features, each counted once, that a pass keeps for the way back."""
    kept: dict[int, int] = {}

    def keep(t: Tensor) -> Tensor:
        if not isinstance(t, nn.Parameter):
            kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes() // t.element_size()
        return t

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        net(torch.randn(1, 4, 10, 10, requires_grad=True))
    return sum(kept.values())


def test_keeps_nothing() -> None:
    assert kept_by(ReflectPad(1)) == 0
    assert kept_by(nn.ReflectionPad2d(1)) == 4 * 10 * 10


def test_an_activation_after_it_leaves_one_tensor_to_keep() -> None:
    act, conv = nn.ReLU(inplace=True), nn.Conv2d(4, 4, 3)
    assert kept_by(nn.Sequential(ReflectPad(1), act, conv)) == 4 * 12 * 12
