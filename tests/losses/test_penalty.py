import torch

from instar.losses.penalty import r1


def test_of_a_linear_discriminator_it_is_the_square_of_its_weight() -> None:
    torch.manual_seed(0)
    weight, x = torch.randn(3, 4, 4), torch.randn(5, 3, 4, 4, requires_grad=True)
    torch.testing.assert_close(r1((x * weight).sum((1, 2, 3)), x), weight.square().sum())


def test_maps_are_summed_and_the_mean_is_over_images() -> None:
    x = torch.randn(4, 1, 2, 2, requires_grad=True)
    maps = (x**2).flatten(1)
    torch.testing.assert_close(r1(maps, x), (2 * x).square().sum() / 4)


def test_it_has_a_gradient() -> None:
    w, x = torch.tensor(3.0, dtype=torch.float64, requires_grad=True), torch.randn(2, 1, 1, 1, dtype=torch.float64)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(r1((w * x).flatten(), x), w)
    torch.testing.assert_close(gradient, 2 * w.detach())


def test_precision() -> None:
    x = torch.randn(2, 1, 1, 1, requires_grad=True)
    assert r1((x * 2).bfloat16(), x).dtype == torch.float32
