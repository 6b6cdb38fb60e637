"""How far a normal distribution is from the standard one."""

from __future__ import annotations

import torch
from torch import Tensor


def kl_to_standard(mu: Tensor, logvar: Tensor) -> Tensor:
    r"""\(KL(N(\mu, \sigma^2) \| N(0, 1)) = -\frac12 \sum (1 + \log \sigma^2 - \mu^2 - \sigma^2)\).

    Args:
        mu: means (N, S).
        logvar: logarithms of the variances (N, S).

    Returns:
        The sum over the S numbers, the mean over the N rows. In float32 or better: under autocast they come in bf16.
    """
    mu, logvar = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in (mu, logvar))
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1).mean()
