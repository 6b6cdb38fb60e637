import math

import torch

from instar.methods.transgaga.augment import random_affine, random_colours
from instar.methods.transgaga.landmarks import render, soft_argmax


def test_how_far_it_goes() -> None:
    torch.manual_seed(0)
    matrix, shift = random_affine(torch.zeros(2000, 1, 1, 1))
    size = torch.linalg.det(matrix).sqrt()
    angle = torch.atan2(matrix[:, 1, 0], matrix[:, 0, 0])
    for values, most in ((size - 1, 0.15), (angle, math.radians(15)), (shift[:, 0], 0.1), (shift[:, 1], 0.1)):
        assert values.abs().max() <= most + 1e-6
        assert values.min() < -0.95 * most
        assert values.max() > 0.95 * most


def test_random_colours() -> None:
    torch.manual_seed(0)
    x = torch.rand(200, 3, 4, 4) * 2 - 1
    out = random_colours(x)
    assert out.shape == x.shape
    assert out.abs().max() <= 1
    flat = random_colours(torch.zeros(500, 3, 2, 2))
    assert -0.3 <= flat.min() < -0.28
    assert 0.28 < flat.max() <= 0.3
    assert flat.std((2, 3)).max() < 1e-6  # one number for each channel of an image
    assert len(flat[:, :, 0, 0].unique()) > 1400


def test_landmarks_are_where_the_image_shows_them() -> None:
    torch.manual_seed(0)
    u = torch.rand(4, 3, 2) - 0.5
    maps = render(u, 128, 128)
    change = random_affine(maps)
    found, _ = soft_argmax(change.image(maps).clamp(min=1e-12).log())
    torch.testing.assert_close(found, change.points(u), atol=2e-3, rtol=0)
    assert (change.points(u) - u).abs().max() > 0.05
