import torch

from instar.methods.quick.structure import local_correlation_loss


def smooth(seed: int, channels: int = 3) -> torch.Tensor:
    chance = torch.Generator().manual_seed(seed)
    coarse = torch.rand(2, channels, 8, 8, generator=chance, dtype=torch.float64) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=(48, 48), mode="bicubic")


def test_blind_to_brightness_contrast_and_sign() -> None:
    """Nearly: what is nearly flat always counts as different."""
    x = smooth(0)
    unlike = local_correlation_loss(x, smooth(1))
    for y in (x, 0.5 * x - 0.3, -x, 0.2 - 0.7 * x):
        assert local_correlation_loss(x, y) < 0.2 * unlike


def test_other_edges_are_seen() -> None:
    x = smooth(0)
    assert local_correlation_loss(x, smooth(1)) > 0.5
    assert local_correlation_loss(x, torch.zeros_like(x)) > 0.8
    moved = local_correlation_loss(x, x.roll(6, 3))
    assert 0.1 < moved < 1


def test_colour_alone_does_not_count() -> None:
    """Gray images, and the same with a cast of equal brightness."""
    x = smooth(0, 1).mul(0.5).expand(-1, 3, -1, -1)
    cast = torch.tensor([0.587, -0.299, 0.0]).double()[:, None, None] * 0.3
    torch.testing.assert_close(local_correlation_loss(x, x + cast), local_correlation_loss(x, x), atol=1e-6, rtol=0)


def test_where_nothing_is_to_be_seen_nothing_is_asked() -> None:
    flat = torch.zeros(1, 3, 32, 32)
    assert local_correlation_loss(flat, torch.rand(1, 3, 32, 32)) == 0


def test_only_the_translation_learns() -> None:
    x, y = smooth(0).requires_grad_(), smooth(1).requires_grad_()
    local_correlation_loss(x, y).backward()
    assert x.grad is None
    assert y.grad is not None
    assert y.grad.abs().sum() > 0


def test_precision() -> None:
    x = torch.rand(1, 3, 16, 16).bfloat16()
    assert local_correlation_loss(x, x).dtype == torch.float32
