import pytest
import torch

from instar.methods.cut.attention import select


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_rows_are_the_softmax_of_products_in_order_of_their_entropy() -> None:
    feature = torch.randn(2, 3, 2, 4, dtype=torch.float64)
    rows = select(feature, 5)
    assert rows.shape == (2, 5, 8)
    for image in range(2):
        places = feature[image].flatten(1).T
        expected = [torch.exp(places @ p) / torch.exp(places @ p).sum() for p in places]
        ordered = sorted(expected, key=lambda row: -(row * row.log()).sum().item())
        torch.testing.assert_close(rows[image], torch.stack(ordered[:5]))


def test_what_stands_out_comes_first() -> None:
    """A place with a long feature attends to itself alone; the others, all equal, to all of their kind."""
    feature = torch.zeros(1, 2, 3, 3)
    feature[0, 0] = 1.0
    feature[0, 0, 1, 2], feature[0, 1, 1, 2] = 0.0, 20.0
    first, second = select(feature, 2)[0]
    assert first.argmax() == 5
    assert first[5] == pytest.approx(1.0)
    assert second.max() < 0.13  # 1 / 8


def test_no_more_rows_than_places_and_no_gradient() -> None:
    rows = select(torch.randn(1, 4, 2, 2, requires_grad=True), 64)
    assert rows.shape == (1, 4, 4)
    assert not rows.requires_grad
    torch.testing.assert_close(rows.sum(2), torch.ones(1, 4))


def test_autocast_does_not_round_and_long_features_stay_finite() -> None:
    feature = 50 * torch.randn(1, 8, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        rows = select(feature, 4)
    assert rows.dtype == torch.float32
    assert rows.isfinite().all()
    torch.testing.assert_close(rows, select(feature, 4))
