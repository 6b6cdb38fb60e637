import pytest
import torch
from methods.parts import count
from torch import nn

from instar.networks.patch_heads import PatchHeads, sample_places


def test_parameters() -> None:
    heads = PatchHeads({"rgb": 3, "a": 128, "b": 256, "c": 256, "d": 256})
    assert count(heads) == 560_384
    assert [count(head) for head in heads.heads.values()] == [66_816, 98_816, 131_584, 131_584, 131_584]


def test_projection_of_one_place_by_hand() -> None:
    torch.manual_seed(0)
    heads = PatchHeads({"a": 5}, dim=7)
    feature = torch.randn(2, 5, 3, 4)
    out = heads.project({"a": feature}, {"a": torch.tensor([6, 0])})["a"]
    first, _, second = heads.heads["a"]
    vector = second(first(feature[1, :, 1, 2]).relu())  # place 6 of a row of 4 is (1, 2)
    torch.testing.assert_close(out[1, 0], vector / (vector.norm() + 1e-7))
    torch.testing.assert_close(out.norm(dim=2), torch.ones(2, 2))
    assert out.shape == (2, 2, 7)


def test_scale_of_raw_features_does_not_matter() -> None:
    """Without the perceptron the vectors are the features' directions."""
    heads = PatchHeads({"a": 5})
    heads.heads["a"] = nn.Identity()
    feature, places = torch.randn(1, 5, 4, 4), {"a": torch.arange(16)}
    expected = heads.project({"a": feature}, places)["a"]
    torch.testing.assert_close(heads.project({"a": 37 * feature}, places)["a"], expected)


def test_a_vector_of_0_stays_finite() -> None:
    heads = PatchHeads({"a": 2})
    heads.heads["a"] = nn.Identity()
    feature = torch.zeros(1, 2, 2, 2, requires_grad=True)
    out = heads.project({"a": feature}, {"a": torch.arange(4)})["a"]
    out.sum().backward()
    assert not out.any()
    assert feature.grad is not None
    assert feature.grad.isfinite().all()


@pytest.mark.parametrize(("side", "count"), [(64, 256), (4, 16), (20, 256)])
def test_places_are_different_and_as_many_as_there_are(side: int, count: int) -> None:
    features = {"a": torch.empty(2, 3, side, side), "b": torch.empty(2, 3, side, side)}
    places = sample_places(features, 256)
    for ids in places.values():
        assert len(ids) == len(ids.unique()) == count
        assert int(ids.min()) >= 0
        assert int(ids.max()) < side * side
    assert not torch.equal(places["a"], places["b"])


def test_places_follow_the_seed() -> None:
    features = {"a": torch.empty(1, 1, 32, 32)}
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(sample_places(features, 16)["a"])
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
