import pytest
import torch

from instar.methods.unit_adaptation.augment import random_paint


def test_painted_images_have_a_colour_for_dark_and_one_for_light() -> None:
    """Over fields of one gray each, all channels alike: the painted grays lie between the painted dark and light."""
    torch.manual_seed(0)
    x = torch.full((200, 3, 12, 12), -1.0)
    x[:, :, :, 4:8] = 0
    x[:, :, :, 8:] = 1
    seed = torch.get_rng_state()
    made = random_paint(x)
    torch.set_rng_state(seed)
    dark = random_paint(torch.full_like(x, -1))
    torch.set_rng_state(seed)
    light = random_paint(torch.ones_like(x))
    torch.testing.assert_close(made[..., :4], dark[..., :4])
    torch.testing.assert_close(made[..., 4:8], (dark + light)[..., 4:8] / 2)
    torch.testing.assert_close(made[..., 8:], light[..., 8:])
    assert made.abs().max() <= 1
    assert light.mean() == pytest.approx(0, abs=0.05)
    even = (dark == dark[..., :1, :1]).all(3).all(2).all(1)
    assert torch.equal(even, (light == light[..., :1, :1]).all(3).all(2).all(1))
    assert 30 < even.sum() < 70  # a quarter
    assert not torch.equal(dark[even][0, 0], dark[even][0, 1])  # channels and images differ
    assert not torch.equal(dark[even][0], dark[even][1])


def test_paint_changes_softly() -> None:
    """Between neighbours on a grid of 8 over 57 px lie 8 steps: none is larger than 2 / 8."""
    torch.manual_seed(0)
    made = random_paint(torch.ones(40, 1, 57, 57))
    assert made.diff(dim=3).abs().max() <= 0.25 + 1e-5
    assert made.diff(dim=3).abs().max() > 0.15
