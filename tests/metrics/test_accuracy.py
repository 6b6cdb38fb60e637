import pytest
import torch

from instar.metrics.accuracy import accuracy, accuracy_over


def test_closed_form():
    labels = torch.tensor([0, 1, 2, 1])
    assert accuracy(torch.tensor([0, 1, 2, 1]), labels) == 1
    assert accuracy(torch.tensor([0, 1, 1, 1]), labels) == 0.75
    assert accuracy(torch.tensor([1, 0, 0, 0]), labels) == 0
    logits = torch.tensor([[5.0, 1, 1], [0, -1, -2], [-3, -2, -1], [0, 0.1, 0]])
    assert accuracy(logits, labels) == 0.75


def test_over_batches_of_unequal_length():
    """Every image counts the same: no mean of means."""
    images = torch.arange(5.0).view(5, 1, 1, 1)

    def classify(x):
        assert not torch.is_grad_enabled()
        return torch.cat([2 - x[:, 0, 0], x[:, 0, 0] - 2], 1)  # class 1 above 2

    batches = [(images[:4], torch.tensor([0, 0, 1, 1])), (images[4:], torch.tensor([1]))]
    assert accuracy_over(classify, batches) == 0.8


def test_shapes():
    with pytest.raises(ValueError, match="prediction for each label"):
        accuracy(torch.zeros(3), torch.zeros(4))
    with pytest.raises(ValueError, match="prediction for each label"):
        accuracy(torch.zeros(0), torch.zeros(0))
    with pytest.raises(ValueError, match="at least one batch"):
        accuracy_over(lambda x: x, [])
