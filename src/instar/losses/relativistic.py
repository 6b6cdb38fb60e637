"""The relativistic pairing loss (Jolicoeur-Martineau 2018): real images should look more real than made ones."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as nnf

from instar.core.objective import Loss, term
from instar.core.precision import full_precision
from instar.losses.gan import r1

SOURCE = 0.5
"""Weight of the inputs among the discriminator's fakes."""


def more_real(real: Tensor, fake: Tensor) -> Tensor:
    r"""\(E[-\log \sigma(D(y) - D(\hat y))]\), for raw outputs of one shape, paired by their place in the batch.

    The discriminator minimises it, the generator the same with the two exchanged. An image is compared with one other
    and not with a fixed border: no kind of real image is left out for long (Sun et al. 2020). With penalties on the
    gradient at real and at made images the game converges locally (Huang et al. 2024). In float32 or better.
    """
    return nnf.softplus(full_precision(fake) - full_precision(real)).mean()


def pairs_loss(real: Tensor, fake: Tensor, source: Tensor, *, of: str = "") -> Loss:
    """Return the loss of D, given its raw outputs, of one shape, for real images, made ones, and what they are made of.

    `of` is put before the names of the terms, `fake` and `source`.
    """
    return term(f"{of}fake", more_real(real, fake)) + SOURCE * term(f"{of}source", more_real(real, source))


def penalties(seen: Sequence[tuple[Tensor, Tensor]], weight: float, *, of: str = "") -> Loss:
    """Return the penalties on D's gradient at real images, then at made ones: raw outputs, and the images of each.

    `of` is put before the names of the terms, `r1` and `r2`.
    """
    real, fake = seen
    return weight * term(f"{of}r1", r1(*real)) + weight * term(f"{of}r2", r1(*fake))
