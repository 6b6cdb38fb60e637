"""What a format makes of files: settings and networks of a method."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from instar.core.errors import UserError, nearest
from instar.importing.weights import Weights, read

_LABELLED = re.compile(r"(?:.*_)?net_(\w+)\.(?:pth|pt)")


@dataclass
class Imported:
    """Networks of a method, and the settings that they were built with.

    Attributes:
        method: its name.
        preset: that of the authors.
        options: of the method, where the weights show them.
        size: side of the images in pixels that the networks are tied to; that of the preset if None.
        networks: by the method's names for them, the tensors by Instar's names.
        averages: the same for averaged weights, if the file holds such beside the others.
        train: settings of the training, where they are not the preset's.
        notes: what a user should know, a line each.
    """

    method: str
    preset: str
    options: dict[str, Any] = field(default_factory=dict)
    size: int | None = None
    networks: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    averages: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=lambda: {"ema": 0})
    notes: list[str] = field(default_factory=list)

    def agree(self, weights: Weights, found: Mapping[str, Any]) -> None:
        """Take options that a network shows; those of another network must be the same."""
        for name, value in found.items():
            if self.options.setdefault(name, value) != value:
                raise weights.misfit(f"{name} is {value} in it and {self.options[name]} in the file before")


@dataclass(frozen=True)
class Format:
    """A repository whose checkpoints can be read."""

    about: str
    """Whose code."""
    take: Callable[[Sequence[tuple[str, Path]]], Imported]
    """Makes networks of (label, file), where the label may be empty."""
    labels: tuple[str, ...] = ()
    """Names of networks, as they stand in names of files; none where one file holds all."""


def labelled(files: Sequence[str], labels: Sequence[str], only: str) -> list[tuple[str, Path]]:
    """Return files with the networks that they hold: NETWORK=FILE says it, or the name, as in latest_net_G_A.pth.

    Args:
        files: paths, or NETWORK=PATH.
        labels: the networks that there are.
        only: the network of a single file whose name tells nothing.

    Raises:
        UserError: a name tells nothing, or two files are the same network.
    """
    found: dict[str, Path] = {}
    for given in files:
        label, equals, path = given.partition("=")
        if not equals or label not in labels:
            path = given
            match = _LABELLED.fullmatch(Path(path).name)
            label = match[1] if match else only if len(files) == 1 else ""
        if label not in labels:
            hint = f"; name it: {labels[0]}={path}" if not label else nearest(label, labels)
            what = f"network {label!r} is not known" if label else "its name does not tell which network it is"
            raise UserError(f"{path}: {what}{hint}")
        if label in found:
            raise UserError(f"{path}: {label} is {found[label]} already")
        found[label] = Path(path)
    return list(found.items())


def weights_of(path: Path, what: str) -> Weights:
    """Return the weights of a file that holds one network."""
    return Weights(path, read(path), what)
