import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.methods.ugatit.adalin import LIN, AdaLIN, clip_rho


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 5, 6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3 + 1


def style(n: int = 2, channels: int = 5) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(1)
    gamma, beta = torch.randn(2, n, channels, generator=chance, dtype=torch.float64)
    return gamma, beta


def by_the_equation(x: Tensor, rho: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """Line by line, with ρ, γ and β in shapes that broadcast over x."""

    def normed(axes: tuple[int, ...]) -> Tensor:
        return (x - x.mean(axes, keepdim=True)) / (x.var(axes, correction=1, keepdim=True) + 1e-5).sqrt()

    return gamma * (rho * normed((2, 3)) + (1 - rho) * normed((1, 2, 3))) + beta


@pytest.mark.parametrize("shape", [(2, 5, 6, 4), (1, 3, 1, 5), (3, 1, 2, 2)])
def test_equals_the_equation(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x, channels = torch.randn(shape, dtype=torch.float64), shape[1]
    rho = torch.rand(channels, dtype=torch.float64)
    gamma, beta = style(shape[0], channels)
    adaptive, learned = AdaLIN(channels).double(), LIN(channels).double()
    with torch.no_grad():
        adaptive.rho.copy_(rho)
        learned.rho.copy_(rho)
        learned.gamma.copy_(gamma[0])
        learned.beta.copy_(beta[0])
    wide = rho[:, None, None]
    torch.testing.assert_close(
        adaptive(x, gamma, beta), by_the_equation(x, wide, gamma[..., None, None], beta[..., None, None])
    )
    torch.testing.assert_close(learned(x), by_the_equation(x, wide, gamma[0, :, None, None], beta[0, :, None, None]))


def test_gradients_are_those_of_the_equation(x: Tensor) -> None:
    x.requires_grad_()
    rho = torch.rand(5, dtype=torch.float64).requires_grad_()
    gamma, beta = (one.requires_grad_() for one in style())
    layer = AdaLIN(5)
    del layer.rho
    layer.rho = rho
    weights = torch.randn_like(x)
    found = torch.autograd.grad((layer(x, gamma, beta) * weights).sum(), (x, rho, gamma, beta))
    plain = by_the_equation(x, rho[:, None, None], gamma[..., None, None], beta[..., None, None])
    expected = torch.autograd.grad((plain * weights).sum(), (x, rho, gamma, beta))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("shape", [(2, 5, 6, 4), (1, 3, 1, 1), (3, 1, 2, 2)])
def test_gradients_of_what_is_learned_are_those_of_the_equation(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = LIN(shape[1], 0.3).double()
    with torch.no_grad():
        layer.gamma.normal_()
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    weights = torch.randn_like(x)
    of = (x, layer.rho, layer.gamma, layer.beta)
    found = torch.autograd.grad((layer(x) * weights).sum(), of)
    if shape[2:] == (1, 1):  # whose variance is 0 here, and is not a number there
        expected = torch.autograd.grad((by_hand(x, layer) * weights).sum(), of)
    else:
        wide = [parameter[:, None, None] for parameter in of[1:]]
        expected = torch.autograd.grad((by_the_equation(x, *wide) * weights).sum(), of)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def by_hand(x: Tensor, layer: LIN) -> Tensor:
    """LIN of maps of one pixel: of the instance norm nothing is left."""
    centred = x - x.mean((1, 2, 3), keepdim=True)
    of_layer = centred / (x.var((1, 2, 3), correction=1, keepdim=True) + 1e-5).sqrt()
    rho, gamma, beta = (parameter[:, None, None] for parameter in (layer.rho, layer.gamma, layer.beta))
    return gamma * (rho * (x - x) + (1 - rho) * of_layer) + beta


def test_bfloat16_is_kept_as_it_came() -> None:
    layer, x = LIN(4, 0.5), torch.randn(1, 4, 8, 8).bfloat16().requires_grad_()
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        out = layer(x)
    assert {t.dtype for t in kept if t.dim() == 4} == {torch.bfloat16}
    weights = torch.randn_like(out)
    (found,) = torch.autograd.grad((out * weights).sum(), x)
    full = x.detach().float().requires_grad_()
    (expected,) = torch.autograd.grad((layer(full) * weights).sum(), full)
    torch.testing.assert_close(found, expected.bfloat16())


def test_the_two_ends(x: Tensor) -> None:
    """Those of PyTorch, but for the variance, which is biased there: eps apart, a factor for the whole map."""
    ones, zeros = torch.ones(2, 5, dtype=torch.float64), torch.zeros(2, 5, dtype=torch.float64)
    instance = nnf.group_norm(x, 5) * (23 / 24) ** 0.5
    layer = nnf.layer_norm(x, x.shape[1:]) * (119 / 120) ** 0.5
    for found, expected in (
        (AdaLIN(5, 1.0).double()(x, ones, zeros), instance),
        (AdaLIN(5, 0.0).double()(x, ones, zeros), layer),
        (LIN(5).double()(x), layer),
    ):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


def test_a_single_pixel_is_no_division_by_zero() -> None:
    x = torch.tensor([2.0, -1.0]).reshape(1, 2, 1, 1)
    ones, zeros = torch.ones(1, 2), torch.zeros(1, 2)
    assert torch.equal(AdaLIN(2, 1.0)(x, ones, zeros), torch.zeros(1, 2, 1, 1))
    assert AdaLIN(1, 0.0)(x[:, :1], ones[:, :1], zeros[:, :1]).isfinite().all()


def test_linear_in_scale_and_shift(x: Tensor) -> None:
    layer = AdaLIN(5).double()
    gamma, beta = style()
    out = layer(x, gamma, beta)
    torch.testing.assert_close(layer(x, 2 * gamma, 2 * beta), 2 * out)
    torch.testing.assert_close(layer(x, 0 * gamma, beta), beta[..., None, None].expand_as(x))


def test_start() -> None:
    for layer, rho in ((AdaLIN(4), 0.9), (LIN(4), 0.0)):
        assert torch.equal(layer.rho, torch.full((4,), rho))
    assert torch.equal(LIN(4).gamma, torch.ones(4))
    assert torch.equal(LIN(4).beta, torch.zeros(4))


def test_weight_decay_leaves_every_parameter_alone() -> None:
    """The engine decays what has more than one dimension; ρ would slowly go to 0."""
    assert all(p.dim() == 1 for layer in (AdaLIN(4), LIN(4)) for p in layer.parameters())


def test_numbers_far_from_0_and_flat_images() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 4, 16, 16)
    layer = AdaLIN(4, 0.5)
    ones, zeros = torch.ones(1, 4), torch.zeros(1, 4)
    torch.testing.assert_close(layer(x + 1000, ones, zeros), layer(x, ones, zeros), atol=2e-3, rtol=0)
    assert layer(torch.full((1, 4, 8, 8), 3.0), ones, zeros).abs().max() < 1e-3


def test_full_precision_under_autocast() -> None:
    torch.manual_seed(0)
    x, layer = torch.randn(1, 4, 16, 16), LIN(4, 0.5)
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(x.bfloat16())
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, layer(x.bfloat16().float()))


def test_clipping_touches_rho_alone() -> None:
    net = nn.ModuleList([AdaLIN(3), LIN(3), nn.Conv2d(3, 3, 1)])
    with torch.no_grad():
        for p in net.parameters():
            p.fill_(1.7)
        net[0].rho.copy_(torch.tensor([1.7, -0.3, 0.4]))
        net[1].rho.copy_(torch.tensor([1.7, -0.3, 0.95]))
    clip_rho(net)
    torch.testing.assert_close(net[0].rho, torch.tensor([1.0, 0.0, 0.4]))
    torch.testing.assert_close(net[1].rho, torch.tensor([1.0, 0.0, 0.95]))
    clip_rho(net, 0.9)
    torch.testing.assert_close(net[0].rho, torch.tensor([0.9, 0.0, 0.4]))
    torch.testing.assert_close(net[1].rho, torch.tensor([1.0, 0.0, 0.95]))
    others = [p for name, p in net.named_parameters() if "rho" not in name]
    assert len(others) == 4
    assert all(bool((p == 1.7).all()) for p in others)


def test_a_fixed_ratio_is_no_parameter_and_stays(x: Tensor) -> None:
    layer = AdaLIN(5, 1.0, fixed=True).double()
    assert list(layer.parameters()) == []
    assert list(layer.state_dict()) == []
    clip_rho(layer, 0.5)
    gamma, beta = style()
    expected = nnf.group_norm(x, 5) * (23 / 24) ** 0.5 * gamma[..., None, None] + beta[..., None, None]
    torch.testing.assert_close(layer(x, gamma, beta), expected, atol=1e-6, rtol=1e-6)
    assert [name for name, _ in LIN(5, 1.0, fixed=True).named_parameters()] == ["gamma", "beta"]
