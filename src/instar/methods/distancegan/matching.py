"""Feature matching: fakes should look like real images inside the discriminator (Salimans et al. 2016)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from instar.core.precision import full_precision


def feature_matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    r"""Distance of the mean features, \(\sum_l E|\bar f_l(y) - \bar f_l(G(x))|^2\), the means over the batch.

    Args:
        real: by layer, features (N, C, H, W) of real images; they get no gradient.
        fake: by layer, features of as many or fewer or more fakes.

    Returns:
        The sum over layers of the mean over channels and places, a scalar.
    """
    return torch.stack(
        [
            (full_precision(f).mean(0) - full_precision(r.detach()).mean(0)).square().mean()
            for r, f in zip(real, fake, strict=True)
        ]
    ).sum()
