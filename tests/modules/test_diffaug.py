from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from instar.modules.diffaug import augmented, diffaug


def images(n: int = 64, size: int = 16, channels: int = 3) -> Tensor:
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_pixels_are_moved_or_gray() -> None:
    torch.manual_seed(0)
    x = torch.arange(1, 257, dtype=torch.float32).view(1, 1, 16, 16).expand(200, -1, -1, -1) / 256
    out = diffaug(x)
    assert set(out.unique().tolist()) <= {0.0, *x[0].flatten().tolist()}
    offsets = set()
    for image in out[:, 0]:
        rows, columns = image.nonzero(as_tuple=True)
        place = (image[rows, columns] * 256 - 1).long()
        moved = {*zip((place // 16 - rows).tolist(), (place % 16 - columns).tolist(), strict=True)}
        assert len(moved) == 1, "one shift for the whole image"
        offsets |= moved
    assert offsets == {(r, c) for r in range(-2, 3) for c in range(-2, 3)}, "an eighth of 16 px, both ways, all drawn"


def test_the_hole_is_half_the_sides_or_less_at_the_border() -> None:
    torch.manual_seed(0)
    gray = (diffaug(torch.ones(300, 1, 16, 16)) == 0)[:, 0, 2:14, 2:14]  # no shift reaches these
    area = gray.sum((1, 2))
    assert area.max() == 64
    assert 0 < area.float().mean() < 64
    assert gray.any(0).all(), "anywhere"


def test_each_image_has_chances_of_its_own_and_gradients_pass() -> None:
    torch.manual_seed(0)
    x = images(1).expand(8, -1, -1, -1).clone().requires_grad_()
    out = diffaug(x)
    assert len({one.item() for one in out.detach().sum((1, 2, 3))}) == 8
    out.sum().backward()
    assert x.grad is not None
    assert (x.grad.flatten(1).abs().sum(1) > 0).all()
    torch.manual_seed(1)
    first = diffaug(images())
    torch.manual_seed(1)
    assert torch.equal(first, diffaug(images()))


@pytest.mark.parametrize("channels", [1, 3, 6])
def test_any_number_of_channels(channels: int) -> None:
    assert diffaug(images(2, channels=channels)).shape == (2, channels, 16, 16)


def test_a_network_sees_changed_images_in_training_only() -> None:
    class Keeps(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    net, x = augmented(Keeps()), images(4)
    assert not torch.equal(net(x), x)
    assert torch.equal(net.eval()(x), x)
    assert not net.state_dict(), "nothing is added to what is saved"
