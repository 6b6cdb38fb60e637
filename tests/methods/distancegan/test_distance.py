from itertools import combinations

import pytest
import torch
from torch import Tensor

from instar.methods.distancegan.distance import all_distances, distances


@pytest.fixture
def images() -> Tensor:
    return torch.rand(4, 3, 6, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1


def by_pairs(x: Tensor) -> list[float]:
    return [(u - v).abs().mean().item() for u, v in combinations(x, 2)]


def test_pairs(images: Tensor) -> None:
    assert distances(images).tolist() == pytest.approx(by_pairs(images))


@pytest.mark.parametrize(("n", "pairs"), [(2, 1), (16, 120), (64, 2016)])
def test_number_of_pairs(n: int, pairs: int) -> None:
    assert distances(torch.rand(n, 1, 2, 2)).shape == (pairs,)


def test_a_single_image_has_no_distance() -> None:
    with pytest.raises(ValueError, match="at least 2 images, not 1"):
        distances(torch.rand(1, 3, 4, 4))


def test_what_distances_do_not_see(images: Tensor) -> None:
    """Isometries: brighter, negative, mirrored, channels or pixels in another order."""
    scramble = torch.randperm(48, generator=torch.Generator().manual_seed(1))
    others = [images + 0.3, -images, images.flip(3), images[:, [2, 0, 1]], images.flatten(2)[..., scramble]]
    for other in others:
        torch.testing.assert_close(distances(other.reshape(images.shape)), distances(images), atol=2e-6, rtol=0)
    assert not torch.allclose(distances(0.5 * images), distances(images))


def test_halves(images: Tensor) -> None:
    by_rows = [(x[:, :3] - x[:, 3:]).abs().mean().item() for x in images]
    by_columns = [(x[..., :4] - x[..., 4:]).abs().mean().item() for x in images]
    assert distances(images, "top-bottom").tolist() == pytest.approx(by_rows)
    assert distances(images, "left-right").tolist() == pytest.approx(by_columns)
    assert distances(images[:1], "top-bottom").tolist() == pytest.approx(by_rows[:1])


def test_halves_are_alike_when_swapped_or_repeated(images: Tensor) -> None:
    swapped = images.roll(3, dims=2)
    torch.testing.assert_close(distances(swapped, "top-bottom"), distances(images, "top-bottom"))
    repeated = images[:, :, :3].repeat(1, 1, 2, 1)
    assert not distances(repeated, "top-bottom").any()
    assert distances(repeated, "left-right").all()


@pytest.mark.parametrize("between", ["top-bottom", "left-right"])
def test_the_middle_of_an_odd_side_belongs_to_no_half(images: Tensor, between: str) -> None:
    odd = images[:, :, :5, :7]
    middle = odd.clone()
    (middle[:, :, 2] if between == "top-bottom" else middle[..., 3]).fill_(9.0)
    assert torch.equal(distances(odd, between), distances(middle, between))  # type: ignore[arg-type]


@pytest.mark.parametrize("between", ["images", "top-bottom", "left-right"])
def test_gradient(images: Tensor, between: str) -> None:
    x = images[:3, :1, :4, :4].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: distances(x, between), x)  # type: ignore[arg-type]


@pytest.mark.parametrize("between", ["images", "top-bottom"])
def test_bf16_is_averaged_in_float32(images: Tensor, between: str) -> None:
    coarse = images.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = distances(coarse, between)  # type: ignore[arg-type]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, distances(coarse.float(), between))  # type: ignore[arg-type]


@pytest.mark.parametrize("between", ["images", "top-bottom", "left-right"])
@pytest.mark.parametrize("chunk", [2, 3, 64])
def test_distances_of_many(between: str, chunk: int) -> None:
    """8-bit images lose nothing, and the pairs come in the same order."""
    levels = torch.randint(256, (7, 3, 6, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    x = levels / 127.5 - 1
    found = all_distances(levels, between, chunk)  # type: ignore[arg-type]
    torch.testing.assert_close(found, distances(x, between), atol=1e-6, rtol=1e-6)  # type: ignore[arg-type]


def test_distances_of_one_are_none() -> None:
    assert all_distances(torch.zeros(1, 3, 4, 4, dtype=torch.uint8)).shape == (0,)
