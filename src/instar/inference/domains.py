"""The domains of a model. Outsiders give names, such as horse and zebra; a method has keys of its own for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from instar.core.batch import Domain
from instar.core.config import RunConfig


@dataclass(frozen=True)
class Domains:
    """Names and keys of a model's domains.

    Attributes:
        names: by key; the domain that was translated from in training first, the one that was translated into second.
        targets: keys of those into which the model translates.
    """

    names: Mapping[Domain, str]
    targets: tuple[Domain, ...]

    @classmethod
    def of(cls, config: RunConfig, keys: Iterable[Domain], targets: Sequence[Domain]) -> Domains:
        """Return the domains of a run whose method is given images of `keys` and translates into `targets`."""
        names = {key: name or key.upper() for key, name in config.data.names(tuple(keys)).items()}
        return cls(names, tuple(key for key in names if key in targets))

    @property
    def source(self) -> Domain:
        """The domain of the inputs where none is named."""
        return next(iter(self.names))

    @property
    def target(self) -> Domain:
        """The domain to translate into where none is named."""
        return list(self.names)[1]

    def key(self, name: str) -> Domain | None:
        """Return the key of a domain by its name, or by the key itself, in any case; None if there is no such one."""
        keys = {key.lower(): key for key in self.names}
        keys |= {called.lower(): key for key, called in self.names.items()}  # names win: they may be B and A
        return keys.get(name.lower())

    def opposite(self, domain: Domain) -> Domain:
        """Return the domain whose images are translated into `domain` where none is named."""
        return next(key for key in self.names if key != domain)
