"""How far a normal distribution is from the standard one."""

from __future__ import annotations

from torch import Tensor

from instar.core.precision import full_precision


def kl_to_standard(mu: Tensor, logvar: Tensor) -> Tensor:
    r"""\(KL(N(\mu, \sigma^2) \| N(0, 1)) = -\frac12 \sum (1 + \log \sigma^2 - \mu^2 - \sigma^2)\).

    Args:
        mu: means (N, S).
        logvar: logarithms of the variances (N, S).

    Returns:
        The sum over the S numbers, the mean over the N rows, in float32 or better.
    """
    mu, logvar = full_precision(mu), full_precision(logvar)
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1).mean()
