import torch

from instar.modules.affine import Affine


def test_places_are_exact_under_autocast() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 3, 64, 64)
    turned = Affine(torch.eye(2) + 0.1 * torch.randn(2, 2, 2), 0.1 * torch.randn(2, 2))
    with torch.autocast("cpu", torch.bfloat16):
        inside, rounded = turned.image(x), turned.sampled(x)
    assert torch.equal(inside, turned.image(x))
    assert not torch.equal(inside, rounded)


def test_points_undo_the_map() -> None:
    torch.manual_seed(0)
    change = Affine(torch.randn(3, 2, 2, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64))
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
