"""A network for each of two domains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from torch import nn

from instar.core.batch import Domain

NetT = TypeVar("NetT", bound=nn.Module)


class PerDomain(nn.Module, Generic[NetT]):
    """The network of domain a and that of domain b, trained as one; or one network that serves both."""

    def __init__(self, build: Callable[[], NetT], *, shared: bool = False) -> None:
        """Build the networks, that of a first.

        Args:
            build: makes one with fresh weights.
            shared: make only one.
        """
        super().__init__()
        self.a = build()
        self.b = None if shared else build()

    def __getitem__(self, domain: Domain) -> NetT:
        """Return the network of a domain."""
        return self.a if domain == "a" or self.b is None else self.b
