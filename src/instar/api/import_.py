"""Checkpoints of the authors' own code as runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instar.api import directory
from instar.api.paths import AnyPath, Paths, several
from instar.core import registry
from instar.core.errors import Message, UserError, nearest, setting

if TYPE_CHECKING:
    from torch import Tensor

    from instar.core.config import RunConfig
    from instar.importing.imported import Imported


@dataclass(frozen=True)
class ImportResult:
    """A run made of a checkpoint.

    Attributes:
        run: its directory.
        method: name of the method.
        networks: those that were imported, by the method's names.
        absent: networks of the method that the files did not hold: what needs them is refused.
        targets: names of the domains into which the run translates.
        notes: what a user should know, a line each.
    """

    run: Path
    method: str
    networks: tuple[str, ...]
    absent: tuple[str, ...]
    targets: tuple[str, ...]
    notes: list[Message] = field(repr=False)


def import_checkpoint(
    kind: str,
    files: Paths,
    *,
    out: AnyPath,
    source: str | None = None,
    target: str | None = None,
    images: Paths = (),
    size: int | None = None,
) -> ImportResult:
    """Make a run of a checkpoint that the authors' own code has saved.

    The run translates, is evaluated, exported and trained on like any other; its training starts at step 0.

    Args:
        kind: whose file it is, such as "cyclegan" or "munit"; docs/import.md has the list.
        files: one for each network, or one with all; NETWORK=PATH where a file's name does not tell its network.
        out: directory of the run, new or empty.
        source: name of the domain that is translated from.
        target: name of the domain that is translated to.
        images: a data set folder or one folder per domain, to evaluate the run and train it on.
        size: side of the training crops in pixels; that of the authors if None. Where networks are tied to one, theirs.

    Raises:
        UserError: a file cannot be read, holds other networks than `kind` has, or `out` cannot be used. Nothing is
            written then.
    """
    from instar.core.run import declared_absent, find_checkpoint, load_method
    from instar.importing.formats import FORMATS
    from instar.importing.imported import labelled
    from instar.inference.domains import Domains

    if kind not in FORMATS:
        raise UserError(f"there is no format {kind!r}{nearest(kind, FORMATS)}")
    folder, chosen = Path(out), FORMATS[kind]
    directory.check_unused(folder)
    given = [str(file) for file in several(files)]
    if not given:
        raise UserError("give the file of the networks")
    if chosen.labels:
        found = chosen.take(labelled(given, chosen.labels, chosen.labels[0]))
    elif len(given) > 1 and kind not in ("munit", "unit"):
        raise UserError(f"{given[1]}: one file holds all networks; give it alone")
    else:
        found = chosen.take([("", Path(one)) for one in given])
    config = _config(found, size)
    data = replace(config.data, source=source, target=target, roots=several(images))
    config = replace(config, data=data)
    weights, averages = _weights(found, config, given[0])
    _write(config, folder, weights, averages)
    method, _ = load_method(folder)
    names = Domains.of(config, method.kind_of(config.method).parts, method.targets).names
    return ImportResult(
        folder,
        found.method,
        tuple(found.networks),
        tuple(sorted(declared_absent(find_checkpoint(folder)))),
        tuple(names[to] for to in names if to in method.targets),
        [Message(line) for line in found.notes],
    )


def _config(found: Imported, size: int | None) -> RunConfig:
    from instar.core.method import defaults
    from instar.core.settings import with_changes

    if found.size and size and size != found.size:
        raise UserError(f"{setting('size', size)}: these networks take {found.size} px")
    config = defaults(found.method, registry.get(found.method), found.preset)
    wanted = found.size or size
    return replace(
        config,
        method=with_changes(config.method, found.options),
        data=with_changes(config.data, {"size": wanted} if wanted else {}),
        train=with_changes(config.train, found.train),
    )


def _weights(found: Imported, config: RunConfig, file: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the state dict of the method with the networks that were found, and the averages, all checked."""
    from instar.core.absent import networks_of
    from instar.core.method import build

    method = build(registry.get(config.name), config.method, config.train.seed)
    there = set(found.networks)
    state = {
        name: tensor
        for name, tensor in method.state_dict().items()
        if name.split(".")[0] not in networks_of(method) or name.split(".")[0] in there
    }
    return _taken(found.networks, state, file, whole=True), _taken(found.averages, state, file, whole=False)


def _taken(
    networks: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Tensor], file: str, *, whole: bool
) -> dict[str, Tensor]:
    """Return the tensors of networks under their full names, with all others of `state` if it is to be whole."""
    flat = {f"{name}.{key}": tensor for name, net in networks.items() for key, tensor in net.items()}
    for name, tensor in flat.items():
        if name not in state or state[name].shape != tensor.shape:
            mine = _size(state[name]) if name in state else "not there"
            raise UserError(f"{file}: its networks do not fit: {name} is {_size(tensor)} in it, and {mine} in Instar's")
    for name in state:
        if name.split(".")[0] in networks and name not in flat:
            raise UserError(f"{file}: its networks do not fit: it has no {name}")
    return {**state, **flat} if whole else flat


def _write(config: RunConfig, folder: Path, weights: Mapping[str, Tensor], averages: Mapping[str, Tensor]) -> None:
    from instar.engine.checkpoint import save_untrained

    with directory.made(config, folder):
        try:
            save_untrained(folder, config, weights, averages)
        except OSError as error:
            raise UserError(f"{setting('out', folder)}: cannot be written ({error.strerror or error})") from error


def _size(tensor: Any) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"
