"""Numbers between inputs and translations, which need no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from instar.core.events import CHANGE as CHANGE  # noqa: PLC0414  (a name for others)
from instar.metrics import paired
from instar.metrics.content import colour_explained, luminance_correlation

LOCAL, LUMINANCE, COLOURS = "largest local change", "luminance correlation", "change by colours alone"
"""Between input and translation: neither is good or bad in itself."""
BETWEEN: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    CHANGE: paired.l1,
    LOCAL: paired.local_l1,
    LUMINANCE: luminance_correlation,
    COLOURS: colour_explained,
}
"""Of an input and its translation, one number per image."""
