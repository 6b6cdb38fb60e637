import math

import pytest
import torch
from torch import Tensor

from instar.methods.tunit import views
from instar.methods.tunit.views import hue_rotation, random_affine, random_colours, random_view


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def picture(n: int = 64) -> Tensor:
    return torch.rand(n, 3, 16, 16) * 2 - 1


def test_range_shape_and_chance() -> None:
    x = picture()
    given = x.clone()
    view = random_view(x, 1.0)
    assert view.shape == x.shape
    assert view.abs().max() <= 1
    assert torch.equal(x, given)
    torch.manual_seed(1)
    first = random_view(x, 1.0)
    torch.manual_seed(1)
    assert torch.equal(random_view(x, 1.0), first)
    assert not torch.equal(view, first)


def test_every_image_has_a_view_of_its_own() -> None:
    view = random_view(picture(1).expand(4, -1, -1, -1), 1.0)
    assert len({tuple(one.flatten().tolist()) for one in view}) == 4


def test_bounds_of_the_maps() -> None:
    maps = random_affine(torch.zeros(4000, 1, 1, 1, dtype=torch.float64))
    area = maps[:, :, :2].det()
    assert 0.9 <= area.min() < 0.91
    assert 1.09 < area.max() <= 1.1
    assert 0.19 < maps[:, :, 2].abs().max() <= 0.2  # a tenth of sides that are 2 long
    angle = torch.atan2(maps[:, 1, 0], maps[:, 0, 0]).abs() * 180 / math.pi
    assert 19.5 < angle.max() <= 20


def test_part_of_the_area() -> None:
    area = random_affine(torch.zeros(4000, 1, 1, 1, dtype=torch.float64), (0.4, 1.0))[:, :, :2].det()
    assert 0.4 <= area.min() < 0.41
    assert 0.99 < area.max() <= 1.0


def test_without_moving_the_image_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "random_affine", lambda x, area: torch.eye(2, 3).repeat(len(x), 1, 1))
    x = picture()
    torch.testing.assert_close(random_view(x, 0.0), x)


def test_outside_is_black() -> None:
    view = random_view(torch.ones(50, 1, 16, 16), 0.0)
    assert view.min() == -1
    assert view[:, :, 6:10, 6:10].min() > 0.99


def test_colours() -> None:
    x = picture() / 2 + 0.5
    assert torch.equal(random_colours(x, 0.0).isfinite(), torch.ones_like(x, dtype=torch.bool))
    torch.testing.assert_close(random_colours(x.clamp(0, 1), 0.0), x.clamp(0, 1))
    changed = random_colours(x.clamp(0, 1), 1.0)
    assert 0 <= changed.min() < changed.max() <= 1
    gray = random_colours(torch.full((8, 3, 4, 4), 0.5), 1.0)
    torch.testing.assert_close(gray, gray[:, :1].expand(-1, 3, -1, -1))  # gray has no hue to turn
    assert len(gray.flatten(1).unique(dim=0)) == 8
    assert random_colours(torch.rand(4, 1, 4, 4), 1.0).shape == (4, 1, 4, 4)


def test_turning_hues() -> None:
    red = torch.tensor([1.0, 0.0, 0.0])
    third = hue_rotation(torch.tensor([1 / 3]))[0] @ red
    torch.testing.assert_close(third, torch.tensor([0.0, 1.0, 0.0]), atol=1e-6, rtol=0)
    matrices = hue_rotation(torch.rand(5))
    torch.testing.assert_close(matrices @ torch.ones(3), torch.ones(5, 3))
    torch.testing.assert_close(matrices.sum(1), torch.ones(5, 3))


def test_precision() -> None:
    assert random_view(picture().double(), 1.0).dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        assert random_view(picture(), 1.0).dtype == torch.float32
