"""The models of a server: loaded when they are first asked for, put away when others need the memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from instar.core.abilities import Styled, supports
from instar.core.config import RunConfig
from instar.core.errors import UserError
from instar.inference.base import BaseTranslator
from instar.inference.load import load


@dataclass(frozen=True)
class Loaded:
    """A model in memory, and what of it clients are told."""

    translator: BaseTranslator

    def facts(self) -> dict[str, Any]:
        """Return what a client needs to know to ask for translations."""
        model = self.translator
        styled = supports(model.method, Styled)
        return {
            "method": model.name,
            "domains": list(model.domains),
            "targets": list(model.targets),
            "channels": model.channels,
            "size": model.trained_at,
            "styles": styled,
            "style_size": model.styles(1)[0].shape[-1] if styled else 0,
        }


class Models:
    """Models by name. Threads may share it."""

    def __init__(self, paths: Mapping[str, Path], device: str, budget: int) -> None:
        """Load nothing yet.

        Args:
            paths: run directories, checkpoints or exported files, by the name under which they are served.
            device: auto, cpu, cuda or mps.
            budget: bytes that their weights may take together; one is always held.
        """
        self.paths, self.device, self.budget = dict(paths), device, budget
        self._held: OrderedDict[str, Loaded] = OrderedDict()
        self._known: dict[str, dict[str, Any]] = {}
        self._lock = Lock()

    @property
    def held(self) -> tuple[str, ...]:
        """Names of the models in memory, the one asked for last at the end."""
        return tuple(self._held)

    def get(self, name: str) -> BaseTranslator:
        """Return a model, which is loaded if it is not held.

        Raises:
            KeyError: there is none of that name.
            UserError: it cannot be loaded.
        """
        path = self.paths[name]
        with self._lock:
            if name not in self._held:
                translator = load(path, self.device)
                self._make_room(translator.bytes)
                self._held[name] = Loaded(translator)
                self._known[name] = self._held[name].facts()
            self._held.move_to_end(name)
            return self._held[name].translator

    def facts(self) -> list[dict[str, Any]]:
        """Return what clients are told of each model; those that were never loaded say less."""
        return [
            {"name": name, "loaded": name in self._held, **(self._known.get(name) or _facts(path))}
            for name, path in self.paths.items()
        ]

    def _make_room(self, size: int) -> None:
        while self._held and sum(one.translator.bytes for one in self._held.values()) + size > self.budget:
            self._held.popitem(last=False)


def _facts(path: Path) -> dict[str, Any]:
    """Return what a run's settings tell without its weights; nothing of a file."""
    config = _config(path)
    return {} if config is None else {"method": config.name, "channels": config.method.channels}


def _config(path: Path) -> RunConfig | None:
    if not path.is_dir():
        return None
    from instar.core.run import CONFIG, read_config  # noqa: PLC0415  (seconds of torch, which files can do without)

    try:
        return read_config(path / CONFIG)
    except UserError:
        return None
