import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d

from instar.metrics.content import change, colour_explained, looks_inverted, luminance_correlation, structure_distance
from instar.metrics.diversity import FeatureDistance
from instar.metrics.extractors import Extractor


def images(n=6, side=32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, 3, side, side, generator=generator) * 2 - 1


def test_change():
    x = images() * 0.5
    assert change(x, x).l1.tolist() == [0] * 6
    brighter = ((x + 1) * 127.5).round() / 127.5 - 1 + 10 / 127.5
    assert change(x, brighter).l1.tolist() == pytest.approx([10] * 6)
    assert change(x, brighter).features is None
    distance = FeatureDistance(Extractor(torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten()), "own", "none"))
    found = change(x, -x, distance)
    assert found.features.tolist() == pytest.approx([4] * 6)  # opposite unit vectors
    assert change(x, 0.5 * x, distance).features.tolist() == pytest.approx([0] * 6, abs=1e-9)
    assert found.name == "own feature distance to the input"


def test_luminance_correlation_against_numpy():
    x, y = images(), images(seed=1)
    y = 0.6 * x.flip(1) + 0.4 * y
    weights = np.array([0.299, 0.587, 0.114])[:, None, None]
    wanted = [
        np.corrcoef((a * weights).sum(0).ravel(), (b * weights).sum(0).ravel())[0, 1]
        for a, b in zip(x.numpy(), y.numpy(), strict=True)
    ]
    np.testing.assert_allclose(luminance_correlation(x, y), wanted, atol=1e-6)


def test_luminance_correlation_of_simple_changes():
    x = images()
    assert luminance_correlation(x, 0.3 * x + 0.5).tolist() == pytest.approx([1] * 6)
    assert luminance_correlation(x, -x).tolist() == pytest.approx([-1] * 6)
    gray = (x * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    assert luminance_correlation(x, gray).tolist() == pytest.approx([1] * 6)
    assert luminance_correlation(x, torch.ones_like(x)).tolist() == [0] * 6
    with pytest.raises(ValueError, match="of one size"):
        luminance_correlation(x, x[:, :, :8])
    with pytest.raises(ValueError, match="1 or 3 channels, got 2"):
        luminance_correlation(x[:, :2], x)


def test_alarm():
    x, other = images(40), images(40, seed=1)
    assert looks_inverted(luminance_correlation(x, 0.5 * other - 0.5 * x))
    assert not looks_inverted(luminance_correlation(x, other))
    assert not looks_inverted(luminance_correlation(x, x))


def pooled(x):
    return avg_pool2d(x, 8)


def test_structure_distance_against_loops():
    x, y = images(2), images(2, seed=1)
    wanted = []
    for a, b in zip(pooled(x).flatten(2).numpy(), pooled(y).flatten(2).numpy(), strict=True):
        total = 0.0
        for i in range(16):
            for j in range(16):
                cosines = [f[:, i] @ f[:, j] / np.linalg.norm(f[:, i]) / np.linalg.norm(f[:, j]) for f in (a, b)]
                total += (cosines[0] - cosines[1]) ** 2
        wanted.append(total / 16**2)
    np.testing.assert_allclose(structure_distance(pooled, x, y), wanted, rtol=1e-5)


def test_structure_keeps_when_all_places_change_alike():
    x = images()
    assert structure_distance(pooled, x, x).tolist() == [0] * 6
    turned = x[:, [1, 2, 0]] * torch.tensor([1.0, -1.0, 1.0]).view(3, 1, 1) * 0.5  # a rotation of the colours
    assert structure_distance(pooled, x, turned).tolist() == pytest.approx([0] * 6, abs=1e-9)
    assert structure_distance(pooled, x, x.flip(3)).min() > 0.01
    with pytest.raises(ValueError, match=r"features by place \(N, C, h, w\), got \(6, 3\)"):
        structure_distance(lambda images: images.mean((2, 3)), x, x)


def test_structure_on_real_cats(real_data, network, score):
    """In the features of MobileNet a cat of other colours is nearer to itself than another cat is."""
    files = sorted((real_data / "unpaired" / "cat2dog" / "testA").iterdir())[:6]
    x = torch.cat([score["read"](file, 128) for file in files])
    assert network.maps(x[:1]).shape == (1, 192, 14, 14)
    recoloured = x.flip(1) * 0.7 - 0.1
    same, other = structure_distance(network.maps, x, recoloured), structure_distance(network.maps, x, x.roll(1, 0))
    assert same.max() < other.min()
    assert same.mean() < 0.4 * other.mean()


def test_an_affine_map_of_the_colours_is_all_colour() -> None:
    x = images(4)
    mixed = torch.einsum("ij,njhw->nihw", torch.tensor([[0.6, 0.2, 0.0], [0.1, 0.5, 0.1], [0.0, 0.3, 0.4]]), x)
    assert colour_explained(x, mixed + 0.1) == pytest.approx([1] * 4, abs=1e-9)
    assert colour_explained(x, -x) == pytest.approx([1] * 4, abs=1e-9)


def test_what_colours_do_not_explain() -> None:
    x = images(4)
    assert (colour_explained(x, x) == 0).all()
    assert (colour_explained(x, x + 0.1 * images(4, seed=1)) < 0.05).all()
    spot = x.clone()
    spot[:, :, 2:5, 2:5] += 1
    assert (colour_explained(x, spot) < 0.3).all()


def test_the_share_of_two_changes() -> None:
    """A shift by c beside noise of deviation s explains c² / (c² + s²)."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, 3, 64, 64, generator=generator)
    out = x + 0.3 + 0.3 * torch.randn(x.shape, generator=generator)
    assert colour_explained(x, out) == pytest.approx([0.5, 0.5], abs=0.03)


def test_one_colour_everywhere() -> None:
    flat = torch.zeros(1, 3, 32, 32)
    assert colour_explained(flat, flat + 0.5) == pytest.approx([1])
    assert colour_explained(images(1), flat) == pytest.approx([1])
    with pytest.raises(ValueError, match="of one size"):
        colour_explained(flat, flat[:, :, 1:])
