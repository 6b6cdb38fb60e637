import pytest
import torch
from torch import Tensor

from instar.core.errors import setting
from instar.methods.transgaga.gram import RandomPyramid, Texture, gram, gram_distance


def features(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_gram_of_two_channels() -> None:
    f = torch.tensor([[1.0, 2.0], [3.0, 0.0]]).view(1, 2, 1, 2)
    assert gram(f).tolist() == [[[5 / 4, 3 / 4], [3 / 4, 9 / 4]]]


def test_gram_is_a_matrix_of_products() -> None:
    g = gram(features(2, 5, 4, 6))
    torch.testing.assert_close(g, g.transpose(1, 2))
    assert torch.linalg.eigvalsh(g).min() > -1e-6
    trace = g.diagonal(dim1=1, dim2=2).sum(1)
    torch.testing.assert_close(trace, features(2, 5, 4, 6).square().mean((1, 2, 3)))


def test_gram_does_not_know_places() -> None:
    f = features(2, 5, 4, 6)
    shuffled = f.flatten(2)[:, :, torch.randperm(24)].view(f.shape)
    torch.testing.assert_close(gram(shuffled), gram(f))
    torch.testing.assert_close(gram(f.flip(3)), gram(f))
    assert gram_distance([f, f], [f, f]).item() == 0


def test_distance_is_the_sum_over_layers() -> None:
    one, other = torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 3, 3)
    assert gram_distance([one, 2 * one], [0 * one, one]).item() == pytest.approx(1 + 3)
    assert gram_distance([other], [other]).item() == 0


def test_bf16_is_multiplied_in_float32() -> None:
    f = features(1, 4, 8, 8).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = gram(f)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, gram(f.float()))


@pytest.mark.parametrize("channels", [1, 3])
def test_random_features_are_always_the_same(channels: int) -> None:
    torch.manual_seed(1)
    x = torch.rand(2, channels, 32, 48)
    first = RandomPyramid(channels, 4)(x)
    torch.manual_seed(2)
    second = RandomPyramid(channels, 4)(x)
    assert [tuple(f.shape) for f in first] == [(2, 4, 32, 48), (2, 8, 16, 24), (2, 16, 8, 12)]
    assert all(torch.equal(f, s) for f, s in zip(first, second, strict=True))
    assert all(0.05 < f.mean() < 2 for f in first)


def test_texture_sees_colour_but_not_place() -> None:
    texture = Texture("random", 3, 16)
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    assert texture.distance(x, x).item() == 0
    moved = texture.distance(x.roll((8, 8), (2, 3)), x)
    tinted = texture.distance(x * torch.tensor([1.0, 0.2, 0.2])[:, None, None], x)
    assert tinted > 3 * moved > 0
    assert texture.note() == ""


def test_only_the_first_image_learns() -> None:
    x, y = (torch.rand(1, 3, 16, 16, requires_grad=True) for _ in range(2))
    Texture("random", 3, 4).distance(x, y).backward()
    assert x.grad is not None
    assert x.grad.any()
    assert y.grad is None


def test_of_vgg_the_flag_that_does_without_is_known() -> None:
    vgg = Texture("vgg").vgg
    assert vgg is not None
    assert vgg.layer == "relu4_3"
    assert vgg.instead == setting("method.texture", "random")
