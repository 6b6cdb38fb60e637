"""TransGaGa's transformers between domains: they act on short codes, so that linear layers stand for convolutions."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from instar.core.precision import full_precision
from instar.modules.init import kaiming


class Transformer(nn.Module):
    """Φ: a code of one domain to a code of the other. A ResNet generator of linear layers."""

    def __init__(self, size: int, width: int = 64, *, residual: bool = False) -> None:
        """Build the network.

        Args:
            size: numbers in a code.
            width: of the first layer; in the middle it is four times as much.
            residual: add the code itself to the result, which is the identity at first.
        """
        super().__init__()
        self.residual = residual
        layers: list[nn.Module] = []
        for cin, cout in pairwise([size, width, 2 * width, 4 * width]):
            layers += [nn.Linear(cin, cout), nn.ReLU(inplace=True)]
        layers += [Residual(4 * width) for _ in range(6)]
        for cin, cout in pairwise([4 * width, 2 * width, width]):
            layers += [nn.Linear(cin, cout), nn.ReLU(inplace=True)]
        last = nn.Linear(width, size)
        self.body = kaiming(nn.Sequential(*layers, last), 0.2)
        # Without norms six blocks would make codes eight times as large, and landmarks would start outside the image.
        starts_at_0 = [module.body[2] for module in layers if isinstance(module, Residual)] + [last] * residual
        for layer in starts_at_0:
            nn.init.zeros_(layer.weight)  # type: ignore[arg-type]

    def forward(self, code: Tensor) -> Tensor:
        """Map (N, size) to the same shape, in float32 or better."""
        out = full_precision(self.body(code))
        return code + out if self.residual else out


class Residual(nn.Module):
    """x + Linear(ReLU(Linear(x))), at first x."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width) to the same shape."""
        out: Tensor = x + self.body(x)
        return out


class Transformers(nn.Module):
    """The two ways into a domain: Φ^g for the principal components of landmarks, Φ^a for appearance codes."""

    def __init__(self, components: int, code: int, width: int = 64, *, residual_geometry: bool = False) -> None:
        super().__init__()
        self.geometry = Transformer(components, width, residual=residual_geometry)
        self.appearance = Transformer(code, width, residual=True)
