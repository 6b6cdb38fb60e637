"""Starting a run from networks that another run has trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from instar.core.config import RunConfig
from instar.core.errors import UserError, nearest, setting
from instar.core.method import Method
from instar.core.run import METHOD, find_checkpoint, naming_the_last_whole
from instar.core.tensors import read_tensors

ALL = "all"


def pinned(config: RunConfig) -> RunConfig:
    """Return the settings with `start_from` as the checkpoint that it means now, so that a repeated run is the same.

    Raises:
        UserError: there is no such run, or it has no checkpoint.
    """
    if config.train.start_from is None:
        return config
    found = find_checkpoint(config.train.start_from)
    return replace(config, train=replace(config.train, start_from=found))


def take_over(method: Method[Any], config: RunConfig) -> str:
    """Put the networks of `train.start_from` into a method that is not trained yet, and return a line that lists them.

    A network, which is a direct child of the method, is taken whole or not at all. Optimisers, averages, pools and the
    count of steps begin anew.

    Args:
        method: with its initial weights.
        config: of the run to be started.

    Raises:
        UserError: one that is asked for does not fit, none fits, or one that the method needs is not taken.
    """
    source, wanted = config.train.start_from, config.train.start_with
    if source is None:
        _demand(method, config, ())
        return ""
    with naming_the_last_whole(source):
        there, networks = read_tensors(source / METHOD), _networks(method)
    taken, unfit = [], {}
    for name in networks if ALL in wanted else wanted:
        if name not in networks:
            asked = setting("train.start_with", name)
            raise UserError(f"{asked}: {config.name} has no such network{nearest(name, networks)}")
        why = _misfit(networks[name].state_dict(), _below(name, there))
        if why and name in wanted:
            raise UserError(f"{setting('train.start_with', name)}: that of {source} does not fit, {why}")
        if why:
            unfit[name] = why
        else:
            taken.append(name)
    left = "; ".join(f"{name}: {why}" for name, why in unfit.items())
    if not taken:
        raise UserError(f"{setting('train.start_from', source)}: no network there fits this run ({left})")
    _demand(method, config, taken)
    for name in taken:
        networks[name].load_state_dict(_below(name, there))
    return f"networks of {source}: {', '.join(taken)}" + (f"; left out: {left}" if left else "")


def _networks(method: Method[Any]) -> dict[str, nn.Module]:
    """Return the children that can be taken over: with weights, or with what was measured."""
    children = dict(method.named_children())
    weighty = {name for name, net in children.items() for _ in net.parameters()}
    return {name: net for name, net in children.items() if name in weighty or name in method.fitted}


def _below(name: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = f"{name}."
    return {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}


def _misfit(mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> str:
    """Return why weights are not those of the same network, or nothing."""
    if not theirs:
        return "it is not there"
    for key in [*mine, *theirs]:
        if key not in theirs or key not in mine:
            return f"{key} is only {'here' if key in mine else 'there'}"
        if mine[key].shape != theirs[key].shape:
            return f"{key} is {_size(theirs[key])} there, {_size(mine[key])} here"
    return ""


def _size(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"


def _demand(method: Method[Any], config: RunConfig, taken: Sequence[str]) -> None:
    missing = [name for name in method.untrained() if name not in taken]
    if missing:
        names = ", ".join(missing)
        raise UserError(
            f"{config.name} with these settings does not train {names}: "
            f"give a run that did with {setting('train.start_from', 'RUN')}"
        )
