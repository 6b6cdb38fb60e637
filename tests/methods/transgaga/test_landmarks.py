import math

import pytest
import torch
from torch import Tensor

from instar.methods.transgaga.landmarks import centres, kept_inside, render, soft_argmax


def test_centres_are_those_of_grid_sample() -> None:
    assert centres(4, torch.zeros(1)).tolist() == [-0.75, -0.25, 0.25, 0.75]
    identity = torch.eye(2, 3)[None]
    grid = torch.nn.functional.affine_grid(identity, [1, 1, 5, 7], align_corners=False)
    torch.testing.assert_close(grid[0, 0, :, 0], centres(7, grid))
    torch.testing.assert_close(grid[0, :, 0, 1], centres(5, grid))


def test_a_flat_map_is_in_the_middle() -> None:
    points, variance = soft_argmax(torch.full((2, 3, 64, 64), 5.0))
    torch.testing.assert_close(points, torch.zeros(2, 3, 2), atol=1e-6, rtol=0)
    torch.testing.assert_close(variance, torch.full((2, 3), 0.66650), atol=1e-5, rtol=0)
    assert pytest.approx(0.66650, abs=1e-5) == 2 * (64**2 - 1) / (3 * 64**2)


def test_one_pixel_is_where_it_is() -> None:
    logits = torch.full((1, 1, 64, 64), -1e9)
    logits[0, 0, 10, 20] = 0  # row 10, column 20
    points, variance = soft_argmax(logits)
    torch.testing.assert_close(points[0, 0], torch.tensor([-0.3594, -0.6719]), atol=1e-4, rtol=0)
    assert variance.item() == pytest.approx(0, abs=1e-7)


def test_equals_sums_over_all_pixels() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 5, 8, dtype=torch.float64)
    points, variance = soft_argmax(logits)
    for n in range(2):
        for k in range(3):
            p = logits[n, k].exp() / logits[n, k].exp().sum()
            places = [((2 * j + 1) / 8 - 1, (2 * i + 1) / 5 - 1, p[i, j].item()) for i in range(5) for j in range(8)]
            x, y = (sum(place[axis] * place[2] for place in places) for axis in range(2))
            assert points[n, k].tolist() == pytest.approx([x, y])
            v = sum(((px - x) ** 2 + (py - y) ** 2) * mass for px, py, mass in places)
            assert variance[n, k].item() == pytest.approx(v)


@pytest.mark.parametrize(("right", "down"), [(3, 0), (0, -5), (4, 7)])
def test_a_shift_moves_the_point_by_as_much(right: int, down: int) -> None:
    torch.manual_seed(0)
    logits = torch.full((1, 2, 32, 48), -1e9)
    logits[..., 10:18, 12:20] = torch.randn(1, 2, 8, 8)
    points, variance = soft_argmax(logits)
    moved, same = soft_argmax(logits.roll((down, right), (2, 3)))
    torch.testing.assert_close(moved - points, torch.tensor([2 * right / 48, 2 * down / 32]).expand(1, 2, 2))
    torch.testing.assert_close(same, variance)


@pytest.mark.parametrize("side", [16, 32, 64, 128, 256])
def test_rendered_points_are_found_again(side: int) -> None:
    u = torch.tensor([[[0.3, -0.2], [-0.6, 0.6]]], dtype=torch.float64)
    maps = render(u, side, side)
    assert maps.shape == (1, 2, side, side)
    assert maps.max() <= 1
    points, variance = soft_argmax(maps[:, :1].log())  # the softmax of logarithms only divides by the sum
    # At 16 px a bump is less than a pixel wide, and its samples' mean is a little off: 2 exp(-2 (0.8 π)²) of a pixel.
    torch.testing.assert_close(points, u[:, :1], atol=3e-6 if side == 16 else 1e-6, rtol=0)
    assert variance[0, 0].item() == pytest.approx(0.02, abs=2e-4)
    assert maps[0, 0].sum().item() == pytest.approx(2 * math.pi * 0.01 * (side / 2) ** 2, rel=1e-3)


def test_the_mass_of_a_bump() -> None:
    masses = [render(torch.tensor([[[0.3, -0.2]]]), side, side).sum().item() for side in (64, 256)]
    assert masses == pytest.approx([64.34, 1029.4], rel=1e-3)


def test_rendered_is_the_formula() -> None:
    u = torch.tensor([[[0.1, -0.7]]], dtype=torch.float64)
    maps = render(u, 6, 4, sigma=0.3)
    for i in range(6):
        for j in range(4):
            x, y = (2 * j + 1) / 4 - 1, (2 * i + 1) / 6 - 1
            expected = math.exp(-((x - 0.1) ** 2 + (y + 0.7) ** 2) / (2 * 0.09))
            assert maps[0, 0, i, j].item() == pytest.approx(expected)


def test_gradients_reach_the_logits() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(1, 2, 6, 6, dtype=torch.float64)

    def seen(maps: Tensor) -> Tensor:
        return (render(soft_argmax(maps)[0], 6, 6, sigma=0.4) * weights).sum()

    assert torch.autograd.gradcheck(seen, logits)


def test_bf16_is_averaged_in_float32() -> None:
    logits = torch.randn(1, 2, 16, 16).bfloat16()
    points, variance = soft_argmax(logits)
    assert points.dtype == variance.dtype == torch.float32
    torch.testing.assert_close(points, soft_argmax(logits.float())[0])


def test_kept_inside() -> None:
    u = torch.tensor([[[1.5, -3.0], [0.25, 1.0]]], requires_grad=True)
    kept = kept_inside(u)
    assert kept.tolist() == [[[1.0, -1.0], [0.25, 1.0]]]
    kept.sum().backward()
    assert u.grad is not None
    assert u.grad.tolist() == [[[1.0, 1.0], [1.0, 1.0]]]
