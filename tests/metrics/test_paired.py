import math

import numpy as np
import pytest
import torch

from instar.metrics.features import resize
from instar.metrics.paired import l1, local_l1, map_scores, pixel_accuracy, psnr, rmse, ssim


def at(*values):
    """Images (len(values), 3, 4, 4) of one 8-bit value each."""
    return (torch.tensor(values, dtype=torch.float32) / 127.5 - 1).view(-1, 1, 1, 1).expand(-1, 3, 4, 4).clone()


def test_constant_offsets():
    x, y = at(100, 100, 0), at(100, 110, 255)
    assert rmse(x, y).tolist() == [0, 10, 255]
    assert l1(x, y).tolist() == [0, 10, 255]
    assert rmse(x, y, sum_channels=True).tolist() == pytest.approx([0, 10 * math.sqrt(3), 255 * math.sqrt(3)])
    assert psnr(x, y).tolist() == pytest.approx([math.inf, 20 * math.log10(25.5), 0])


def test_root_of_the_mean_is_taken_per_image():
    x, y = at(100), at(100)
    y[0, 0, 0, 0] = 112 / 127.5 - 1  # one of 48 values off by 12
    assert rmse(x, y).item() == pytest.approx(12 / math.sqrt(48))
    assert rmse(x, y, sum_channels=True).item() == pytest.approx(12 / math.sqrt(16))
    assert l1(x, y).item() == pytest.approx(12 / 48)


def test_accuracy_takes_the_worst_channel_and_is_strict():
    x, y = at(100), at(100)
    for row, value in enumerate((115, 116, 84, 85)):  # 15, 16, 16 and 15 away, in one channel only
        y[0, row % 3, row] = value / 127.5 - 1
    assert pixel_accuracy(x, y).item() == 0.5
    assert pixel_accuracy(x, y, threshold=15).item() == 0
    assert pixel_accuracy(at(7, 8), at(12, 12), threshold=5).tolist() == [0, 1]


def test_values_are_those_of_the_saved_file():
    x = at(100) + 0.4 / 127.5
    assert rmse(x, at(100)).item() == 0
    assert rmse(at(255) + 0.5, at(255)).item() == 0


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match="of one shape"):
        rmse(torch.zeros(2, 3, 4, 4), torch.zeros(1, 3, 4, 4))


def noisy(n, height, width, channels=3, seed=0):
    """Smooth images, and copies of other brightness with noise, all of 8-bit values."""
    random = np.random.default_rng(seed)
    places = np.linspace(0, 6, height)[:, None] + np.linspace(0, 4, width)
    x = 127 + 90 * np.sin(places + random.uniform(0, 3, (n, channels, 1, 1)))
    y = x * 0.9 + random.normal(0, 20, x.shape)
    x, y = (torch.from_numpy(values.round().clip(0, 255)) / 127.5 - 1 for values in (x, y))
    return x.float(), y.float()


def ssim_by_loops(x, y):
    """Wang et al. 2004, eqs. 13 to 16, for two planes of values 0..255."""
    row = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(row, row) / row.sum() ** 2
    scores = []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            a, b = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            var_a, var_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
            covariance = (window * (a - mean_a) * (b - mean_b)).sum()
            c1, c2 = 6.5025, 58.5225
            scores.append(
                (2 * mean_a * mean_b + c1)
                * (2 * covariance + c2)
                / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
            )
    return np.mean(scores)


def pixels(images):
    return ((images.double() + 1) * 127.5).round().numpy()


def test_ssim_against_loops():
    x, y = noisy(2, 15, 18)
    wanted = []
    for a, b in zip(pixels(x), pixels(y), strict=True):
        wanted.append(np.mean([ssim_by_loops(*planes) for planes in zip(a, b, strict=True)]))
    assert 0.3 < min(wanted) < max(wanted) < 0.9
    np.testing.assert_allclose(ssim(x, y), wanted, atol=1e-10)


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_psnr_rmse_against_scikit_image(channels):
    metrics = pytest.importorskip("skimage.metrics")
    x, y = noisy(2, 40, 33, channels, seed=1)
    for i in range(2):
        a, b = (pixels(images)[i].astype(np.uint8) for images in (x, y))
        wanted = metrics.structural_similarity(
            a, b, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert ssim(x, y)[i].item() == pytest.approx(wanted, abs=1e-9)
        assert psnr(x, y)[i].item() == pytest.approx(metrics.peak_signal_noise_ratio(a, b), abs=1e-9)
        assert rmse(x, y)[i].item() ** 2 == pytest.approx(metrics.mean_squared_error(a, b))


def test_ssim_of_equal_and_constant_images():
    x, y = noisy(2, 16, 16)
    assert ssim(x, x).tolist() == pytest.approx([1, 1])
    # without contrast only the brightness counts: (2 a b + c1) / (a² + b² + c1)
    flat = torch.ones(1, 3, 11, 11) / 127.5
    a, b = 100, 150
    found = ssim(flat * a - 1, flat * b - 1).item()
    assert found == pytest.approx((2 * a * b + 6.5025) / (a**2 + b**2 + 6.5025))
    with pytest.raises(ValueError, match=r"11 pixels or more, got \(2, 3, 10, 16\) and \(2, 3, 10, 16\)"):
        ssim(x[:, :, :10], y[:, :, :10])


def test_map_scores_in_both_forms():
    x, y = at(100, 100, 100).repeat(1, 1, 64, 64), at(104, 108, 115).repeat(1, 1, 64, 64)
    found = map_scores(x, y)
    assert found.rmse.tolist() == [4, 8, 15]
    assert {t: a.tolist() for t, a in found.accuracy.items()} == {5: [1, 0, 0], 10: [1, 1, 0], 16: [1, 1, 1]}
    assert found.name == "maps, at 256 x 256"
    compatible = map_scores(x, y, compatible=True)
    assert compatible.rmse.tolist() == pytest.approx([4 * math.sqrt(3), 8 * math.sqrt(3), 15 * math.sqrt(3)])
    assert {t: a.tolist() for t, a in compatible.accuracy.items()} == {5: [1, 0, 0], 10: [1, 1, 0], 16: [1, 1, 1]}
    assert compatible.name == "maps as GcGAN's script, at 256²"


def test_the_compatible_form_scores_at_256():
    x, y = noisy(1, 64, 32)
    found, resized = map_scores(x, y, compatible=True), map_scores(*(resize(i, 256) / 127.5 - 1 for i in (x, y)))
    assert found.rmse.item() == pytest.approx(math.sqrt(3) * resized.rmse.item())
    assert found.accuracy[16].item() == resized.accuracy[16].item() != map_scores(x, y).accuracy[16].item()


def test_the_largest_local_change_is_that_of_one_place() -> None:
    x = torch.zeros(2, 3, 64, 64)
    y = x.clone()
    y[1, :, 8:16, 24:32] = 100 / 127.5
    y[1, :, 40, 40] = 1.0
    assert local_l1(y, x).tolist() == [0.0, 100.0]
    assert float(l1(y, x)[1]) == pytest.approx(100 / 64 + 127 / 64**2, abs=0.01)
