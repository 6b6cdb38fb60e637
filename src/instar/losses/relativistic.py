"""The relativistic pairing loss (Jolicoeur-Martineau 2018): real images should look more real than made ones."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as nnf

from instar.core.precision import full_precision


def more_real(real: Tensor, fake: Tensor) -> Tensor:
    r"""\(E[-\log \sigma(D(y) - D(\hat y))]\), for raw outputs of one shape, paired by their place in the batch.

    The discriminator minimises it, the generator the same with the two exchanged. An image is compared with one other
    and not with a fixed border: no kind of real image is left out for long (Sun et al. 2020). With penalties on the
    gradient at real and at made images the game converges locally (Huang et al. 2024). In float32 or better.
    """
    return nnf.softplus(full_precision(fake) - full_precision(real)).mean()
