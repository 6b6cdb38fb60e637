import math

import pytest
import torch

from instar.losses.gan import Gan, hinge, lsgan, over_scales, r1, vanilla


@pytest.mark.parametrize(("p", "real", "fake"), [(0.0, 1.0, 0.0), (1.0, 0.0, 1.0), (0.5, 0.25, 0.25), (-1.0, 4.0, 1.0)])
def test_least_squares(p: float, real: float, fake: float) -> None:
    out = torch.full((2, 1, 3, 5), p)
    assert lsgan.real(out).item() == pytest.approx(real)
    assert lsgan.fake(out).item() == pytest.approx(fake)


@pytest.mark.parametrize("p", [0.0, 3.0, -3.0, 80.0])
def test_cross_entropy(p: float) -> None:
    out = torch.full((2, 1, 3, 5), p, dtype=torch.float64)
    assert vanilla.real(out).item() == pytest.approx(math.log1p(math.exp(-p)))
    assert vanilla.fake(out).item() == pytest.approx(math.log1p(math.exp(-p)) + p)


def test_cross_entropy_is_bce_on_logits() -> None:
    p = torch.randn(2, 1, 4, 4, dtype=torch.float64)
    for loss, label in ((vanilla.real, 1.0), (vanilla.fake, 0.0)):
        expected = torch.nn.functional.binary_cross_entropy(p.sigmoid(), torch.full_like(p, label))
        torch.testing.assert_close(loss(p), expected)
    assert vanilla.real(torch.zeros(1)).item() == pytest.approx(0.693147, abs=1e-6)


@pytest.mark.parametrize("gan", [lsgan, vanilla])
def test_the_generator_wants_its_fakes_to_pass_for_real(gan: Gan) -> None:
    p = torch.randn(2, 1, 4, 4)
    assert torch.equal(gan.generator(p), gan.real(p))


def test_hinge() -> None:
    zero = torch.zeros(3, 1, 2, 2)
    assert (hinge.real(zero), hinge.fake(zero), hinge.generator(zero)) == (1, 1, 0)
    p = torch.tensor([-2.0, 0.5, 3.0])
    torch.testing.assert_close(hinge.real(p), torch.tensor((3 + 0.5 + 0) / 3))
    torch.testing.assert_close(hinge.fake(p), torch.tensor((0 + 1.5 + 4) / 3))
    torch.testing.assert_close(hinge.generator(p), torch.tensor(-0.5))


def test_with_hinge_the_discriminator_stops_where_it_is_sure_and_the_generator_does_not() -> None:
    p = torch.tensor([1.5, -1.5], requires_grad=True)
    assert torch.autograd.grad(hinge.real(p), p)[0].tolist() == [0, -0.5]
    assert torch.autograd.grad(hinge.fake(p), p)[0].tolist() == [0.5, 0]
    assert torch.autograd.grad(hinge.generator(p), p)[0].tolist() == [-0.5, -0.5]


@pytest.mark.parametrize("gan", [lsgan, vanilla])
def test_gradients(gan: Gan) -> None:
    p = torch.randn(2, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(gan.real, p)
    assert torch.autograd.gradcheck(gan.fake, p)
    assert torch.autograd.gradcheck(gan.generator, p)


@pytest.mark.parametrize("gan", [lsgan, vanilla, hinge])
def test_bf16_outputs_are_averaged_in_float32(gan: Gan) -> None:
    p = torch.randn(4, 1, 30, 30)
    for loss in gan:
        found = loss(p.bfloat16())
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, loss(p.bfloat16().float()))


def test_scales_are_summed_not_averaged() -> None:
    """Each counts as much as another, however many patches it has."""
    outputs = [torch.zeros(2, 1, 8, 8), torch.full((2, 1, 2, 2), 3.0)]
    assert over_scales(lsgan.real, outputs) == 1 + 4
    assert over_scales(lsgan.fake, outputs[1:]) == 9


def test_r1_of_a_linear_discriminator_is_the_square_of_its_weight() -> None:
    torch.manual_seed(0)
    weight, x = torch.randn(3, 4, 4), torch.randn(5, 3, 4, 4, requires_grad=True)
    torch.testing.assert_close(r1((x * weight).sum((1, 2, 3)), x), weight.square().sum())


def test_r1_sums_maps_and_the_mean_is_over_images() -> None:
    x = torch.randn(4, 1, 2, 2, requires_grad=True)
    maps = (x**2).flatten(1)
    torch.testing.assert_close(r1(maps, x), (2 * x).square().sum() / 4)


def test_r1_has_a_gradient() -> None:
    w, x = torch.tensor(3.0, dtype=torch.float64, requires_grad=True), torch.randn(2, 1, 1, 1, dtype=torch.float64)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(r1((w * x).flatten(), x), w)
    torch.testing.assert_close(gradient, 2 * w.detach())


def test_r1_in_bf16() -> None:
    x = torch.randn(2, 1, 1, 1, requires_grad=True)
    assert r1((x * 2).bfloat16(), x).dtype == torch.float32
