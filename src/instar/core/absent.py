"""Methods without some of their networks, as files of generators alone leave them."""

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


def without(method: Method[Any], absent: Iterable[str], config: RunConfig, run: Path) -> None:
    """Make the use of some networks a `UserError`, and take away the targets that need them.

    Args:
        method: whose attributes `absent` and `targets` are set.
        absent: names of its networks.
        config: of its run.
        run: for the message.
    """
    method.absent = frozenset(absent)
    _guard(method, method.absent, run)
    if method.absent & set(method.translators):
        tried = outline(type(method), config.method)
        _guard(tried, method.absent, run)
        method.targets = tuple(to for to in method.targets if _reaches(tried, to, config.method.channels))


def _guard(method: Method[Any], absent: frozenset[str], run: Path) -> None:
    for name in absent:
        said = f"{run}: this needs the network {name}, without which the run was imported"
        for part in method.get_submodule(name).modules():
            part.register_forward_pre_hook(_Refusal(said))


class _Refusal:
    def __init__(self, said: str) -> None:
        self.said = said

    def __call__(self, *_: Any) -> None:
        raise AbsentError(self.said)


def _reaches(method: Method[Any], to: Domain, channels: int) -> bool:
    """Return whether a translation into a domain goes through no absent network, by doing it without numbers."""
    side = method.fixed_size or method.size_divisor * -(-SIDE // method.size_divisor)
    try:
        with torch.no_grad():
            method.eval().translate(torch.empty(1, channels, side, side, device="meta"), to=to)
    except AbsentError:
        return False
    return True
