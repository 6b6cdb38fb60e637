"""The light networks of SimDCL: from the vectors of an image's patches to one vector for the image."""

from __future__ import annotations

from torch import Tensor, nn

DIM = 64
"""Numbers of a summary."""


class SummaryHead(nn.Module):
    """A convolution with layers as channels, the mean over patches and numbers, a perceptron, L2 normalisation."""

    def __init__(self, layers: int) -> None:
        """Build the head for vectors of patches of so many `layers`."""
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(layers, DIM, 3, stride=2),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(DIM, DIM),
            nn.ReLU(inplace=True),
            nn.Linear(DIM, DIM),
        )

    def forward(self, vectors: Tensor) -> Tensor:
        """Map the vectors (N, layers, S, C) of S patches to (N, 64) vectors x / (|x| + 1e-7); S at least 3."""
        out: Tensor = self.body(vectors)
        unit: Tensor = out / (out.norm(dim=1, keepdim=True) + 1e-7)
        return unit
