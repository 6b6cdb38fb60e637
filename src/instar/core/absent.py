"""Methods without some of their networks: those that only training needs, or that an imported file did not hold."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from instar.core.batch import Domain
from instar.core.config import RunConfig
from instar.core.errors import UserError
from instar.core.method import Method, outline

SIDE = 64
"""At least this many pixels have the images with which it is tried what a direction uses."""


class AbsentError(UserError):
    """A network was used that is not there."""


def networks_of(method: Method[Any]) -> list[str]:
    """Return the names of the direct children that have weights."""
    return [name for name, net in method.named_children() if any(True for _ in net.parameters())]


def used_by_translating(method: Method[Any], weight: str) -> bool:
    """Return whether translating, or another ability, uses a tensor of the state dict, as its name tells."""
    child, dot, _ = weight.partition(".")
    return not dot or child in (*method.translators, *method.also_used, *method.fitted)


def without_training(method: Method[Any], run: Path) -> None:
    """Take all children with weights or other state out of a method that only training uses.

    Using one is a `UserError` then.
    """
    for name, child in list(method.named_children()):
        if child.state_dict() and not used_by_translating(method, f"{name}."):
            said = f"{run}: this needs {name}, which only training should; `also_used` of its method does not name it"
            setattr(method, name, _Missing(said))


def without(method: Method[Any], absent: Iterable[str], config: RunConfig, run: Path) -> None:
    """Make the use of some networks a `UserError`, and take away the targets that need them.

    Args:
        method: whose attributes `absent` and `targets` are set.
        absent: names of its networks.
        config: of its run.
        run: for the message.
    """
    method.absent = frozenset(absent)
    _take_out(method, method.absent, run)
    if method.absent & set(method.translators):
        tried = outline(type(method), config.method)
        _take_out(tried, method.absent, run)
        method.targets = tuple(to for to in method.targets if _reaches(tried, to, config.method.channels))


def _take_out(method: Method[Any], absent: frozenset[str], run: Path) -> None:
    for name in absent:
        said = f"{run}: this needs the network {name}, without which the run was imported"
        setattr(method, name, _Missing(said))


class _Missing(torch.nn.Module):
    """Stands where a network was: any use is an `AbsentError`."""

    def __init__(self, said: str) -> None:
        super().__init__()
        self._said = said

    def forward(self, *_: Any, **__: Any) -> None:
        raise AbsentError(self._said)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # which Python and PyTorch ask any module for
            return super().__getattr__(name)
        raise AbsentError(self._said)


def _reaches(method: Method[Any], to: Domain, channels: int) -> bool:
    """Return whether a translation into a domain goes through no absent network, by doing it without numbers."""
    side = method.fixed_size or method.size_divisor * -(-SIDE // method.size_divisor)
    try:
        with torch.no_grad():
            method.eval().translate(torch.empty(1, channels, side, side, device="meta"), to=to)
    except AbsentError:
        return False
    return True
