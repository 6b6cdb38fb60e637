import pytest
import torch
from torch import Tensor, nn

from instar.methods.transgaga.landmarks import render
from instar.methods.transgaga.networks import (
    AppearanceEncoder,
    ConditionalVAE,
    Decoder,
    GeometryEncoder,
    LandmarkDetector,
)
from methods.parts import count


def test_parameters() -> None:
    with torch.device("meta"):
        assert count(LandmarkDetector()) == 3_500_030
        assert count(GeometryEncoder()) == 2_770_752
        assert count(AppearanceEncoder()) == 2_828_672
        assert count(AppearanceEncoder(landmarks=30)) == 2_922_752
        assert count(Decoder()) == 3_760_131
        assert count(Decoder(inject="concat")) == 3_807_363
        assert count(ConditionalVAE()) == 12_953_665 - 3_500_030


def test_sizes() -> None:
    x, g = torch.rand(2, 3, 32, 64), torch.rand(2, 5, 32, 64)
    points, variance = LandmarkDetector(3, 2, 5)(x)
    assert points.shape == (2, 5, 2)
    assert variance.shape == (2, 5)
    features = GeometryEncoder(5, 4)(g)
    assert [tuple(f.shape) for f in features] == [
        (2, 4, 32, 64), (2, 8, 16, 32), (2, 16, 8, 16), (2, 16, 4, 8), (2, 16, 2, 4)
    ]  # fmt: skip
    mu, logvar = AppearanceEncoder(3, 4, 7, 5)(x, g)
    assert mu.shape == logvar.shape == (2, 7)
    for inject in ("film", "concat"):
        out = Decoder(3, 4, 7, inject=inject)(features, mu)  # type: ignore[arg-type]
        assert out.shape == x.shape
        assert out.abs().max() <= 1


def test_landmarks_do_not_start_in_the_same_place() -> None:
    """At exact coincidence nothing would push them apart."""
    torch.manual_seed(0)
    points, _ = LandmarkDetector(3, 4, 6)(torch.rand(1, 3, 32, 32) * 2 - 1)
    apart = torch.cdist(points[0], points[0]) + torch.eye(6)
    assert apart.min() > 1e-4


def maps(side: int) -> Tensor:
    torch.manual_seed(0)
    return render(torch.rand(1, 30, 2) * 1.2 - 0.6, side, side)


def influence(decoder: Decoder, side: int) -> float:
    """How far two random appearances make the middle of an image differ, on average."""
    features = GeometryEncoder()(maps(side))
    first, second = (decoder(features, torch.randn(1, 128)) for _ in range(2))
    quarter = side // 4
    return (first - second)[..., quarter:-quarter, quarter:-quarter].abs().mean().item()


@torch.no_grad()
def test_the_appearance_reaches_the_middle_from_the_start() -> None:
    """The sheet measured 0.67 with FiLM, and 0.08 where the code lies beside the features: instance norm removes it."""
    torch.manual_seed(0)
    assert influence(Decoder(), 64) > 0.3
    assert influence(Decoder(inject="concat"), 64) < 0.15


@torch.no_grad()
def test_the_appearance_hardly_knows_places() -> None:
    torch.manual_seed(0)
    encoder = AppearanceEncoder()
    x = torch.zeros(1, 3, 96, 96)
    x[..., 32:48, 32:48] = torch.rand(1, 3, 16, 16) * 2 - 1
    mu, _ = encoder(x, x)
    moved, _ = encoder(x.roll(16, 3), x)
    assert 0 < (mu - moved).abs().max() < 0.01 * mu.abs().max()


@torch.no_grad()
def test_first_codes() -> None:
    """Means are spread out and deviations near 1: PyTorch's own initial weights would give means below 0.07."""
    torch.manual_seed(0)
    encoder = AppearanceEncoder(3, 32, 64)
    mu, logvar = encoder(torch.rand(4, 3, 64, 64) * 2 - 1, torch.empty(0))
    assert mu.abs().max() > 0.3
    assert logvar.abs().max() < 0.2


@torch.no_grad()
def test_drawn_twice() -> None:
    torch.manual_seed(0)
    vae = ConditionalVAE(3, 4, 5, 7)
    points, a = torch.rand(2, 5, 2), torch.randn(2, 7)
    once = vae.draw(points, a, torch.Size([2, 3, 32, 32]))
    twice = vae.draw(points, a, torch.Size([2, 3, 32, 32]), twice=True)
    torch.testing.assert_close(twice, torch.cat([once, once]), atol=1e-5, rtol=0)


def test_the_second_drawing_teaches_the_appearance_alone() -> None:
    torch.manual_seed(0)
    vae = ConditionalVAE(3, 4, 5, 7)
    points, a = torch.rand(2, 5, 2, requires_grad=True), torch.randn(2, 7, requires_grad=True)
    first, second = vae.draw(points, a, torch.Size([2, 3, 32, 32]), twice=True).chunk(2)
    assert torch.autograd.grad(first.sum(), points, retain_graph=True)[0].any()
    no_way = torch.autograd.grad(second.sum(), points, retain_graph=True, materialize_grads=True)[0]
    assert not no_way.any()
    assert torch.autograd.grad(second.sum(), a)[0].any()


def test_the_landmarks_do_not_learn_from_the_appearance() -> None:
    vae = ConditionalVAE(3, 4, 5, 7)
    points = torch.rand(2, 5, 2, requires_grad=True)
    mu, _ = vae.appearance(torch.rand(2, 3, 32, 32), points)
    assert torch.autograd.grad(mu.sum(), points, materialize_grads=True)[0].eq(0).all()


def test_first_weights() -> None:
    torch.manual_seed(0)
    vae = ConditionalVAE()
    film = torch.cat([m.weight.flatten() for m in vae.D.modules() if isinstance(m, nn.Linear)])
    assert film.std().item() == pytest.approx(0.05, rel=0.02)
    assert vae.E_a.logvar.weight.std().item() == pytest.approx(0.01, rel=0.02)
    fan_in = 256 * 16
    assert vae.E_c.down[2][0].weight.std().item() == pytest.approx((2 / 1.04 / fan_in) ** 0.5, rel=0.02)  # type: ignore[index]
    assert all(not m.bias.any() for m in vae.modules() if isinstance(m, (nn.Conv2d, nn.Linear)) and m.bias is not None)
