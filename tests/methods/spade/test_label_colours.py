import pytest
import torch
from torch import Tensor

from instar.methods.spade.label_colours import LabelColours

SKY, ROAD, TREE = (70, 130, 180), (128, 64, 128), (107, 142, 35)


def painted(*rows: tuple[int, int, int]) -> Tensor:
    """A map (1, 3, rows, 4) of rows of one colour each."""
    levels = torch.tensor(rows, dtype=torch.float32)[:, None].expand(-1, 4, -1)
    return (levels / 127.5 - 1).permute(2, 0, 1)[None]


def test_colours_are_those_with_most_pixels_sorted() -> None:
    colours = LabelColours(2, 3)
    assert colours.fit([painted(SKY, ROAD, SKY), painted(TREE, ROAD, ROAD)]) == 2
    torch.testing.assert_close(colours.colours, torch.tensor([SKY, ROAD]) / 127.5 - 1)


def test_of_many_colours_those_that_are_about_the_same_are_one() -> None:
    """As JPEG makes them: around each of two colours there are some hundred others."""
    colours, noise = LabelColours(3, 3), torch.Generator().manual_seed(0)
    maps = painted(*[SKY] * 40, *[ROAD] * 40)
    maps = maps + (torch.rand(maps.shape, generator=noise) - 0.5) * 20 / 127.5
    assert colours.fit([maps]) == 2
    torch.testing.assert_close(colours.colours[:2], torch.tensor([SKY, ROAD]) / 127.5 - 1, atol=10 / 127.5, rtol=0)


def test_few_colours_are_taken_as_they_are() -> None:
    """As maps have them that hold the numbers of classes."""
    colours = LabelColours(4, 3)
    maps = painted(*[(i, i, i) for i in (0, 1, 2, 11)])
    assert colours.fit([maps]) == 4
    assert colours(maps).argmax(1)[0, :, 0].tolist() == [0, 1, 2, 3]


def test_maps_become_one_hot_by_the_nearest_colour() -> None:
    colours = LabelColours(4, 3)
    maps = painted(SKY, ROAD, TREE, ROAD)
    assert colours.fit([maps]) == 3
    blurred = maps + 0.1 * torch.rand(maps.shape, generator=torch.Generator().manual_seed(0))
    order = sorted([SKY, ROAD, TREE])
    for x in (maps, blurred, maps.double()):
        hot = colours(x)
        assert hot.shape == (1, 4, 4, 4)
        assert hot.dtype == x.dtype
        assert (hot.sum(1) == 1).all()
        assert hot.argmax(1)[0, :, 0].tolist() == [order.index(one) for one in (SKY, ROAD, TREE, ROAD)]


def test_autocast_mistakes_no_colour() -> None:
    """In bfloat16 the distances of these would be equal."""
    colours = LabelColours(2, 3)
    colours.colours.copy_(torch.tensor([[0.5, 0.5, 0.5], [0.501, 0.5, 0.5]]))
    x = torch.tensor([0.501, 0.5, 0.5]).reshape(1, 3, 1, 1)
    with torch.autocast("cpu", torch.bfloat16):
        assert colours(x).flatten().tolist() == [0, 1]


@pytest.mark.parametrize("channels", [1, 4])
def test_other_numbers_of_channels(channels: int) -> None:
    colours = LabelColours(2, channels)
    maps = torch.cat([torch.full((1, channels, 2, 3), value) for value in (-1.0, 1.0)], 2)
    assert colours.fit([maps]) == 2
    assert colours(maps).argmax(1)[0, :, 0].tolist() == [0, 0, 1, 1]
