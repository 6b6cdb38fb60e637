"""Models that translate for the page, the last ones asked for kept in memory."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from instar.api.load import load
from instar.core.run import find_checkpoint

if TYPE_CHECKING:
    from instar.inference.base import BaseTranslator

HELD = 2


class Models:
    """Models by where they lie. Threads may share it."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._held: OrderedDict[tuple[Path, float], BaseTranslator] = OrderedDict()
        self._lock = Lock()

    def get(self, path: Path) -> BaseTranslator:
        """Return the model of a run, as its last checkpoint has it, or of an exported file.

        Raises:
            UserError: it cannot be loaded.
        """
        with self._lock:
            key = _now(path)
            if key not in self._held:
                self._held[key] = load(path)
                while len(self._held) > HELD:
                    self._held.popitem(last=False)
            self._held.move_to_end(key)
            return self._held[key]


def _now(path: Path) -> tuple[Path, float]:
    """Return what is there now: a training replaces checkpoints, an export files."""
    found = find_checkpoint(path) if path.is_dir() else path
    return found, found.stat().st_mtime
