import math

import pytest
import torch

from instar.modules import warp as module
from instar.modules.warp import random_warp


def drawn(monkeypatch: pytest.MonkeyPatch, **amounts: float) -> None:
    """Give the chances (-1 to 1) of angle, shear, zoom, shift to the right, shift down instead of drawing them."""
    names = ("angle", "shear", "zoom", "right", "down")
    rows = torch.tensor([[(amounts.get(name, 0.0) + 1) / 2] for name in names], dtype=torch.float64)
    monkeypatch.setattr(module.torch, "rand", lambda *size, dtype: rows.to(dtype).expand(*size))


def spot(x: torch.Tensor) -> tuple[float, float]:
    """Centre of mass (right, down) of a light spot on black, from the centre of the image, in pixels."""
    mass = (x[0, 0] + 1).double()
    mass = mass / mass.sum()
    places = torch.arange(x.shape[-1], dtype=torch.float64) - (x.shape[-1] - 1) / 2
    return float((mass.sum(0) * places).sum()), float((mass.sum(1) * places).sum())


@pytest.fixture
def light() -> torch.Tensor:
    """A spot 8 pixels to the right of the centre of 41 x 41."""
    x = torch.full((1, 1, 41, 41), -1.0)
    x[..., 19:22, 27:30] = 1
    return x


def test_no_warp_at_strength_0_and_no_chance_is_drawn() -> None:
    x = torch.rand(2, 3, 8, 8)
    state = torch.get_rng_state()
    assert random_warp(x, 0) is x
    assert torch.equal(state, torch.get_rng_state())


def test_a_warp_by_0_gives_the_image(monkeypatch: pytest.MonkeyPatch, light: torch.Tensor) -> None:
    drawn(monkeypatch)
    assert random_warp(light, 1).allclose(light, atol=1e-4)


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_a_warp_turns(strength: float, monkeypatch: pytest.MonkeyPatch, light: torch.Tensor) -> None:
    drawn(monkeypatch, angle=1)
    right, down = spot(random_warp(light, strength))
    assert math.hypot(right, down) == pytest.approx(8, abs=0.1)
    assert abs(math.degrees(math.atan2(down, right))) == pytest.approx(20 * strength, abs=0.7)


def test_a_warp_zooms_and_shifts(monkeypatch: pytest.MonkeyPatch, light: torch.Tensor) -> None:
    drawn(monkeypatch, zoom=1)
    assert spot(random_warp(light, 1))[0] == pytest.approx(8 * math.exp(-0.2), abs=0.1)
    drawn(monkeypatch, down=-1)
    right, down = spot(random_warp(light, 1))
    assert right == pytest.approx(8, abs=0.1)
    assert down == pytest.approx(4.1, abs=0.1)  # a tenth of the side


def test_a_warp_shears_and_moves_what_is_above_and_below(monkeypatch: pytest.MonkeyPatch, light: torch.Tensor) -> None:
    drawn(monkeypatch, shear=1)
    assert spot(random_warp(light, 1))[0] == pytest.approx(8, abs=0.1)
    right, down = spot(random_warp(light.mT.contiguous(), 1))
    assert abs(right) == pytest.approx(8 * 0.3, abs=0.15)
    assert down == pytest.approx(8, abs=0.1)


def test_each_image_is_warped_by_itself() -> None:
    torch.manual_seed(0)
    one = torch.rand(1, 3, 16, 16).double() * 2 - 1
    made = random_warp(one.expand(3, -1, -1, -1), 1)
    assert made.dtype == one.dtype
    assert made.shape == (3, 3, 16, 16)
    assert not made[0].allclose(made[1])
    assert made.abs().max() <= 1
    torch.manual_seed(1)
    first = random_warp(one, 1)
    torch.manual_seed(1)
    assert torch.equal(first, random_warp(one, 1))


def test_a_warp_by_a_seed_is_the_same_in_every_release() -> None:
    """Runs are repeated by their seed: these are the numbers of the first release."""
    torch.manual_seed(0)
    made = random_warp(torch.linspace(-1, 1, 50, dtype=torch.float64).view(2, 1, 5, 5), 1.0)
    expected = torch.tensor([[-0.6948143019, -0.5067220092], [0.2208368759, 0.4609096769]], dtype=torch.float64)
    torch.testing.assert_close(made[:, 0, 1:3, 2], expected, atol=1e-8, rtol=0)
