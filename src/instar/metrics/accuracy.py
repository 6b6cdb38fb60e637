"""Share of images whose class is predicted rightly."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor


def accuracy(predicted: Tensor, labels: Tensor) -> float:
    """Return the share of right predictions, 0..1.

    Args:
        predicted: classes (N,), or logits (N, K) of which the largest counts.
        labels: the true classes (N,).
    """
    if predicted.ndim == 2:
        predicted = predicted.argmax(1)
    if predicted.shape != labels.shape or not len(labels):
        raise ValueError(f"accuracy needs a prediction for each label, got {predicted.shape} and {labels.shape}")
    return (predicted == labels).double().mean().item()


def accuracy_over(classify: Callable[[Tensor], Tensor], batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Return the share of images that `classify` gives their class, over all batches, 0..1.

    Args:
        classify: from images (N, C, H, W) to logits (N, K).
        batches: images and their classes (N,).
    """
    with torch.inference_mode():
        pairs = [(classify(images).argmax(1).cpu(), labels.cpu()) for images, labels in batches]
    if not pairs:
        raise ValueError("accuracy needs at least one batch of labelled images")
    return accuracy(torch.cat([predicted for predicted, _ in pairs]), torch.cat([labels for _, labels in pairs]))
