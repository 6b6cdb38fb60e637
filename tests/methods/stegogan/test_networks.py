import pytest
import torch
from torch import nn

from instar.methods.stegogan.networks import AddingGenerator, SeparatingGenerator, SplitGenerator
from methods.parts import count


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def small(kind: type[SplitGenerator], blocks: int = 3, split: int = 2, **options: bool) -> SplitGenerator:
    return kind(3, 4, blocks, split, out=3, **{"antialias": False, "skip": False, **options})


def test_parameters() -> None:
    """Those of CycleGAN, and a residual block, or three convolutions."""
    with torch.device("meta"):
        options = {"out": 3, "antialias": False, "skip": False}
        for split in (0, 8, 9):
            assert count(AddingGenerator(3, 64, 9, split, **options)) == 11_378_179 + 2 * 590_080 == 12_558_339
            assert count(SeparatingGenerator(3, 64, 9, split, **options)) == 11_378_179 + 3 * 590_080 == 13_148_419


@pytest.mark.parametrize(("blocks", "split"), [(3, 0), (3, 2), (3, 3), (0, 0)])
@pytest.mark.parametrize("kind", [AddingGenerator, SeparatingGenerator])
def test_shapes(kind: type[SplitGenerator], blocks: int, split: int) -> None:
    assert small(kind, blocks, split)(torch.zeros(2, 3, 16, 20)).shape == (2, 3, 16, 20)


def test_what_is_kept_and_what_is_removed_are_the_features() -> None:
    net = small(SeparatingGenerator)
    assert isinstance(net, SeparatingGenerator)
    x = torch.rand(2, 3, 16, 16)
    found = net.separate(x)
    features = net.first(x)
    assert torch.equal(found.image, net(x))
    kept = torch.sigmoid(net.matchability(features))
    torch.testing.assert_close(features * kept + found.removed, features)
    torch.testing.assert_close(found.mask, 1 - kept.min(1, keepdim=True).values)
    assert found.mask.shape == (2, 1, 4, 4)


def test_nothing_is_removed_where_all_is_kept() -> None:
    net = small(SeparatingGenerator)
    assert isinstance(net, SeparatingGenerator)
    last = net.matchability[-1]
    nn.init.zeros_(last.weight)  # type: ignore[arg-type]
    nn.init.constant_(last.bias, 100.0)  # type: ignore[arg-type]
    x = torch.rand(1, 3, 16, 16)
    found = net.separate(x)
    assert not found.removed.any()
    assert not found.mask.any()
    torch.testing.assert_close(found.image, net.second(net.first(x)).tanh())


def test_features_are_added_between_the_parts() -> None:
    net = small(AddingGenerator)
    x, added = torch.rand(1, 3, 16, 16), torch.randn(1, 16, 4, 4)
    torch.testing.assert_close(net(x, added), net.second(net.first(x) + net.fusion(added)).tanh())  # type: ignore[operator]
    assert not torch.allclose(net(x, added), net(x))
    assert net.fusion(torch.zeros_like(added)).abs().max() < 1e-5  # type: ignore[operator]


def test_a_skip_starts_as_a_copy() -> None:
    net, x = small(AddingGenerator, skip=True), torch.rand(1, 3, 16, 16) * 1.6 - 0.8
    nn.init.zeros_(net.second[-1].weight)  # type: ignore[arg-type]
    torch.testing.assert_close(net(x), x, atol=1e-5, rtol=0)
