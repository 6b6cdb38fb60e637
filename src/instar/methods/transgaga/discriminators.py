"""TransGaGa's discriminators: of images, and of the codes that images are taken apart into."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from torch import Tensor, nn

from instar.modules.init import normal
from instar.networks.patchgan import PatchGAN


class Outputs(NamedTuple):
    """Raw outputs of a domain's discriminators."""

    image: Tensor
    """(N, 1, H', W')."""
    geometry: Tensor
    """(N, 1)."""
    appearance: Tensor
    """(N, 1)."""


class Discriminators(nn.Module):
    """A domain's discriminators: of images, of the principal components of landmarks, of appearance codes."""

    def __init__(self, channels: int, components: int, code: int, width: int = 64) -> None:
        """Build the networks.

        Args:
            channels: of the images.
            components: numbers of a geometry.
            code: numbers of an appearance.
            width: of the first layers, at most eight times as much later.
        """
        super().__init__()
        self.image = normal(PatchGAN(channels, width))
        self.geometry = code_discriminator(components, width)
        self.appearance = code_discriminator(code, width)

    def forward(self, image: Tensor, z: Tensor, a: Tensor) -> Outputs:
        """Return raw outputs for images (N, C, H, W), components (N, M) and appearances (N, S)."""
        return Outputs(self.image(image), self.geometry(z), self.appearance(a))


def code_discriminator(size: int, width: int = 64) -> nn.Sequential:
    """Return a discriminator of codes (N, size): four linear layers with LeakyReLU 0.2, and raw outputs (N, 1)."""
    layers: list[nn.Module] = []
    for cin, cout in pairwise([size, width, 2 * width, 4 * width, 8 * width]):
        layers += [nn.Linear(cin, cout), nn.LeakyReLU(0.2, inplace=True)]
    return normal(nn.Sequential(*layers, nn.Linear(8 * width, 1)))
