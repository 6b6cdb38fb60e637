import pytest
import torch

from instar.methods.transgaga.landmark_losses import concentration, equivariance, separation
from instar.methods.transgaga.landmarks import centres, soft_argmax


def grid() -> torch.Tensor:
    x, y = torch.linspace(-0.8, 0.8, 6), torch.linspace(-0.8, 0.8, 5)
    return torch.cartesian_prod(x, y)[None]


def test_coincident_landmarks_cost_1() -> None:
    assert separation(torch.full((2, 30, 2), 0.3)).item() == pytest.approx(1.0)


def test_two_landmarks_one_sigma_apart() -> None:
    u = torch.tensor([[[0.0, 0.0], [0.16, 0.0]]])
    assert 2 * separation(u, 0.16).item() == pytest.approx(1.2131, abs=1e-4)


@pytest.mark.parametrize(("sigma", "raw"), [(0.16, 9.366), (0.1, 0.315)])
def test_a_grid(sigma: float, raw: float) -> None:
    assert 870 * separation(grid(), sigma).item() == pytest.approx(raw, abs=5e-4)


def test_the_push_is_strongest_at_sigma() -> None:
    distances = torch.tensor([0.08, 0.16, 0.32])
    u = torch.zeros(3, 2, 2)
    u[:, 1, 0] = distances
    (slope,) = torch.autograd.grad(separation(u.requires_grad_()), u)
    assert slope[:, 1, 0].argmin() == 1


def test_near_landmarks_are_pushed_apart() -> None:
    u = torch.tensor([[[0.0, 0.1], [0.05, 0.1]]], requires_grad=True)
    (slope,) = torch.autograd.grad(separation(u, 0.16), u)
    assert slope[0, 0, 0] > 0 > slope[0, 1, 0]  # downhill the left one goes left
    assert not slope[0, :, 1].any()
    together = torch.zeros(1, 2, 2, requires_grad=True)
    (slope,) = torch.autograd.grad(separation(together, 0.16), together)
    assert not slope.any()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_concentration_of_a_bump(temperature: float) -> None:
    s, side = 0.05, 256
    x = centres(side, torch.zeros(1))
    logits = -((x[None] - 0.1).square() + (x[:, None] + 0.2).square()) / (2 * s**2)
    _, variance = soft_argmax(logits[None, None] / temperature)
    assert concentration(variance).item() == pytest.approx(2 * s**2 * temperature, rel=1e-3)


def test_equivariance() -> None:
    expected = torch.tensor([[[0.0, 0.0], [0.5, 0.5]], [[0.2, 1.5], [0.9, -0.9]]])
    found = expected + torch.tensor([0.3, 0.4])
    assert equivariance(found, expected).item() == pytest.approx(0.25)  # 0.5 squared, for the three in the image
    found[1, 0] = 7.0  # of a point outside
    assert equivariance(found, expected).item() == pytest.approx(0.25)
    assert equivariance(found, expected + 5).item() == 0


def test_equivariance_teaches_both() -> None:
    found, expected = (torch.rand(1, 3, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(equivariance, (found, expected))
