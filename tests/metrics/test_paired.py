import math

import pytest
import torch

from instar.metrics.paired import l1, pixel_accuracy, psnr, rmse


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
