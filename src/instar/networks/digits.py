"""A discriminator of digits that also names their classes: CoGAN's, and UNIT's for domain adaptation.

"Own" layers exist once for each domain, all others are shared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.batch import Domain
from instar.modules.by_domain import by_domain


class DigitDiscriminator(nn.Module):
    """Convolutions, of which the first is the domain's own, and two heads: real or not, and which class."""

    def __init__(
        self,
        own: nn.ModuleDict,
        trunk: Sequence[nn.Module],
        heads: tuple[nn.Conv2d, nn.Conv2d],
        rates: tuple[float, ...] = (),
    ) -> None:
        """Draw weights from Xavier's uniform distribution at gain √2, biases 0.1.

        Args:
            own: by domain, the first stage.
            trunk: the shared stages.
            heads: the last layers of the two outputs; their maps have one place.
            rates: of the dropout after each stage.
        """
        super().__init__()
        self.own = own
        self.trunk = nn.ModuleList(trunk)
        self.real, self.label = heads
        self.rates = rates
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.xavier_uniform_(module.weight, math.sqrt(2))
                nn.init.constant_(module.bias, 0.1)

    def features(self, a: Tensor, b: Tensor, *, drop: bool = True) -> Tensor:
        """Return the features (Na + Nb, F, h, w) of images of a, then of b; without dropout if `drop` is off."""
        x = torch.cat([self.own["a"](a), self.own["b"](b)])
        return self._trunk(x, self.rates if drop else ())

    def realness(self, features: Tensor) -> Tensor:
        """Return the logits (N) of being real: the difference of the two logits of a softmax."""
        logits: Tensor = self.real(features)
        return logits[:, 1, 0, 0] - logits[:, 0, 0, 0]

    def classes(self, features: Tensor) -> Tensor:
        """Return the logits (N, classes) of the labels."""
        return self.label(features)[:, :, 0, 0]  # type: ignore[no-any-return]

    def classify(self, x: Tensor, domain: Domain) -> Tensor:
        """Return the logits (N, classes) of the labels of images (N, C, side, side) of a domain."""
        return self.classes(self._trunk(self.own[domain](x), self.rates))

    def _trunk(self, x: Tensor, rates: tuple[float, ...]) -> Tensor:
        for i, stage in enumerate([nn.Identity(), *self.trunk]):
            x = stage(x)
            if rates:
                x = nnf.dropout(x, rates[i], self.training)
        return x


def codis28x28(channels: tuple[int, int], classes: int = 10) -> DigitDiscriminator:
    """Return CoGAN's discriminator for MNIST and USPS: a LeNet with 20, 50 and 500 channels, without dropout."""
    return DigitDiscriminator(
        by_domain(channels, lambda n: nn.Sequential(nn.Conv2d(n, 20, 5), nn.MaxPool2d(2))),
        [nn.Sequential(nn.Conv2d(20, 50, 5), nn.MaxPool2d(2)), nn.Sequential(nn.Conv2d(50, 500, 4), nn.PReLU())],
        (nn.Conv2d(500, 2, 1), nn.Conv2d(500, classes, 1)),
    )
