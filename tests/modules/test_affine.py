import math

import torch

from instar.modules.affine import Affine, random_affine, recoloured
from instar.modules.landmarks import render, soft_argmax


def test_landmarks_are_where_the_image_shows_them() -> None:
    torch.manual_seed(0)
    u = torch.rand(4, 3, 2) - 0.5
    maps = render(u, 128, 128)
    change = random_affine(maps)
    found, _ = soft_argmax(change.image(maps).clamp(min=1e-12).log())
    torch.testing.assert_close(found, change.points(u), atol=2e-3, rtol=0)
    assert (change.points(u) - u).abs().max() > 0.05


def test_points_undo_the_map() -> None:
    torch.manual_seed(0)
    change = random_affine(torch.zeros(3, 1, 2, 2, dtype=torch.float64))
    u = torch.randn(3, 5, 2, dtype=torch.float64)
    p = change.points(u)
    torch.testing.assert_close(p @ change.matrix.transpose(1, 2) + change.shift[:, None], u)


def test_nothing_changes_under_the_identity() -> None:
    x = torch.rand(2, 3, 8, 12)
    still = Affine(torch.eye(2).expand(2, 2, 2), torch.zeros(2, 2))
    torch.testing.assert_close(still.image(x), x, atol=1e-5, rtol=0)
    u = torch.randn(2, 4, 2)
    assert torch.equal(still.points(u), u)


def test_a_shift_to_the_right_shows_what_is_to_the_right() -> None:
    x = torch.arange(4.0).expand(1, 1, 4, 4)
    change = Affine(torch.eye(2)[None], torch.tensor([[0.5, 0.0]]))
    assert change.image(x)[0, 0, 0].tolist() == [1, 2, 3, 3]


def test_how_far_it_goes() -> None:
    torch.manual_seed(0)
    matrix, shift = random_affine(torch.zeros(2000, 1, 1, 1))
    size = torch.linalg.det(matrix).sqrt()
    angle = torch.atan2(matrix[:, 1, 0], matrix[:, 0, 0])
    for values, most in ((size - 1, 0.15), (angle, math.radians(15)), (shift[:, 0], 0.1), (shift[:, 1], 0.1)):
        assert values.abs().max() <= most + 1e-6
        assert values.min() < -0.95 * most
        assert values.max() > 0.95 * most


def test_places_are_exact_under_autocast() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 3, 64, 64)
    change = random_affine(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(change.image(x), change.image(x.clone()))
        inside = change.image(x)
    assert torch.equal(inside, change.image(x))


def test_recoloured() -> None:
    torch.manual_seed(0)
    x = torch.rand(200, 3, 4, 4) * 2 - 1
    out = recoloured(x)
    assert out.shape == x.shape
    assert out.abs().max() <= 1
    flat = recoloured(torch.zeros(500, 3, 2, 2))
    assert -0.3 <= flat.min() < -0.28
    assert 0.28 < flat.max() <= 0.3
    assert flat.std((2, 3)).max() < 1e-6  # one number for each channel of an image
    assert len(flat[:, :, 0, 0].unique()) > 1400
