import torch

from instar.losses.hinge import hinge, hinge_generator


def test_values() -> None:
    zero = torch.zeros(3, 1, 2, 2)
    assert (hinge.real(zero), hinge.fake(zero), hinge_generator(zero)) == (1, 1, 0)
    p = torch.tensor([-2.0, 0.5, 3.0])
    torch.testing.assert_close(hinge.real(p), torch.tensor((3 + 0.5 + 0) / 3))
    torch.testing.assert_close(hinge.fake(p), torch.tensor((0 + 1.5 + 4) / 3))
    torch.testing.assert_close(hinge_generator(p), torch.tensor(-0.5))


def test_the_discriminator_stops_where_it_is_sure_and_the_generator_does_not() -> None:
    p = torch.tensor([1.5, -1.5], requires_grad=True)
    assert torch.autograd.grad(hinge.real(p), p)[0].tolist() == [0, -0.5]
    assert torch.autograd.grad(hinge.fake(p), p)[0].tolist() == [0.5, 0]
    assert torch.autograd.grad(hinge_generator(p), p)[0].tolist() == [-0.5, -0.5]


def test_precision() -> None:
    p = torch.zeros(2, dtype=torch.bfloat16)
    assert {f(p).dtype for f in (hinge.real, hinge.fake, hinge_generator)} == {torch.float32}
