"""A training may not be scored in the features that it trains on: they would praise what was fitted to them."""

from __future__ import annotations

from instar.core import registry
from instar.core.config import RunConfig
from instar.core.errors import UserError, setting
from instar.metrics.extractors import Extractor

_LIBRARIES = ("torchvision", "timm")


def refuse_own_features(config: RunConfig, extractor: Extractor | str) -> None:
    """Refuse an extractor, or its name, for a run whose method declares that it trains on it (`Method.trains_on`).

    A network is the same in whichever library, and with whichever weights.

    Raises:
        UserError: it is one of them.
    """
    names = [extractor] if isinstance(extractor, str) else [extractor.asked, extractor.name]
    for own in registry.get(config.name).trains_on(config.method):
        for name in names:
            if name and _network(name.partition("=")[0]) == _network(own):
                said = f"{config.name} with these settings trains on the features of {own}, which would praise it"
                raise UserError(f"{setting('extractor', name)}: {said}; choose another extractor")


def _network(name: str) -> str:
    """Return what tells a network from others: its name in a library without that of its weights."""
    kind, _, rest = name.partition(":")
    return rest.partition(".")[0].lower() if kind in _LIBRARIES and rest else name
