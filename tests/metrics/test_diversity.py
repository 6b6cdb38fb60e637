import numpy as np
import pytest
import torch
from torch import nn

from instar.core.errors import UserError
from instar.metrics.diversity import FeatureDistance, distance_for, diversity
from instar.metrics.extractors import Extractor
from instar.metrics.lpips import LPIPS


class Value:
    """The squared difference of the first values of two images."""

    name = "value"
    seen = 0

    def embed(self, images):
        self.seen += len(images)
        return images[:, 0, 0, :1]


def constant(*values):
    return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 3, 4, 4)


def test_consecutive_samples_by_hand():
    distance = Value()
    found = diversity(distance, [constant(0.0, 1.0, -1.0, 0.5), constant(0.0, 0.0, 0.0, 0.9)], pairs=2)
    assert found.each == pytest.approx([(1 + 4) / 2, 0])
    assert found.mean == pytest.approx(1.25)
    assert found.name == "value diversity, consecutive samples, 2 inputs, 4 pairs"
    assert distance.seen == 6  # each sample once, and none beyond the pairs


def test_default_counts_are_the_papers():
    found = diversity(Value(), [torch.rand(20, 3, 2, 2) for _ in range(3)])
    assert found.name.endswith("3 inputs, 57 pairs")
    with pytest.raises(ValueError, match="19 consecutive pairs need 20 translations of each input, got 19"):
        diversity(Value(), [torch.rand(19, 3, 2, 2)])


def test_random_pairs_are_different_pairs_of_different_samples():
    values = constant(0.0, 1.0, 3.0)
    assert diversity(Value(), [values], "random", pairs=3).mean == pytest.approx((1 + 9 + 4) / 3)  # all there are
    found = {diversity(Value(), [values], "random", pairs=1, seed=seed).mean for seed in range(30)}
    assert found == {1, 4, 9}
    assert diversity(Value(), [values], "random", pairs=2, seed=5) == diversity(Value(), [values], "random", 2, 5)
    with pytest.raises(ValueError, match="3 translations of an input have 3 pairs, not 19"):
        diversity(Value(), [values], "random")


def test_both_protocols_estimate_the_same():
    torch.manual_seed(0)
    samples = [torch.randn(20, 3, 1, 1) for _ in range(400)]  # E (a - b)² = 2
    chained, random = diversity(Value(), samples), diversity(Value(), samples, "random")
    assert chained.mean == pytest.approx(2, rel=0.05)
    assert random.mean == pytest.approx(2, rel=0.05)
    for found in (chained, random):
        low, high = found.interval()
        assert low < 2 < high
        assert high - low < 0.3


def test_no_style_no_diversity():
    same = torch.rand(1, 3, 8, 8).expand(20, -1, -1, -1)
    assert diversity(Value(), [same]).mean == 0
    with pytest.raises(ValueError, match="at least one input"):
        diversity(Value(), [])


def test_distance_of_features_is_two_less_two_cosines():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 5))
    distance = FeatureDistance(Extractor(network, "own", "none"))
    assert distance.name == "own feature distance"
    x, y = torch.rand(3, 3, 4, 4), torch.rand(3, 3, 4, 4)
    found = (distance.embed(x) - distance.embed(y)).square().sum(1)
    f, g = network(x).detach().numpy(), network(y).detach().numpy()
    cosines = [a @ b / np.sqrt((a @ a) * (b @ b)) for a, b in zip(f, g, strict=True)]
    np.testing.assert_allclose(found, 2 - 2 * np.array(cosines), atol=1e-6)
    assert distance.embed(x).square().sum(1) == pytest.approx(1)


def test_what_takes_the_place_of_lpips(monkeypatch, tmp_path):
    own = Extractor(nn.Sequential(nn.Flatten(), nn.Linear(48, 5)), "own", "none")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.OpenerDirector.open", refuse)
    distance, why = distance_for(own)
    assert isinstance(distance, FeatureDistance)
    assert why.startswith("own feature distance instead of LPIPS: LPIPS v0.1 (alex): the weights of its backbone")
    with pytest.raises(UserError, match="neither read nor fetched"):
        distance_for(own, weights=tmp_path / "none.pth")
    monkeypatch.setattr(LPIPS, "load", lambda *given: LPIPS(*given[:2]))
    distance, why = distance_for(own, "squeeze", "0.0")
    assert (distance.name, why) == ("LPIPS v0.0 (squeeze)", "")
    samples = torch.rand(3, 3, 40, 40) * 2 - 1
    found = diversity(distance, [samples], pairs=2)
    assert found.name == "LPIPS v0.0 (squeeze) diversity, consecutive samples, 1 inputs, 2 pairs"
    assert found.mean == pytest.approx(distance(samples[:2], samples[1:]).mean().item(), rel=1e-4)
