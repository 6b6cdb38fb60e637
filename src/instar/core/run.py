"""A run directory, and a method built from it.

```
RUN/config.yaml              everything needed to repeat the run
RUN/checkpoints/step-N/      config.yaml again, so that a checkpoint can be carried away and used alone
    method.safetensors       all weights and buffers of the method, as they are trained
    averages.safetensors     moving averages of the networks that translate
    optimizers.safetensors   Adam's averages
    training.json            where the run stood
    images.txt               the images that it was trained on, to see whether they change
    process-R.safetensors    with several processes: the pools and banks of process R
    SHA256SUMS               digests of these files
RUN/metrics.jsonl  RUN/run.log  RUN/samples/  RUN/tensorboard/  RUN/index.html  RUN/copies.json
RUN/.lock                    held by the training that is at work
```
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from instar.core import registry
from instar.core.absent import networks_of, used_by_translating, without, without_training
from instar.core.config import DataConfig, RunConfig, TrainConfig, to_yaml
from instar.core.digests import DamagedError, check_sum, listed
from instar.core.errors import UserError, call, nearest, setting, shown
from instar.core.files import is_temporary, lock, read_own, write_atomically
from instar.core.formats import DomainFormat
from instar.core.method import Method, unfilled
from instar.core.plain import read_json, read_yaml
from instar.core.settings import from_dict
from instar.core.store import local, place
from instar.core.tensors import read_tensors, tensor_names

CONFIG, METHOD, AVERAGES, OPTIMIZERS = (
    "config.yaml",
    "method.safetensors",
    "averages.safetensors",
    "optimizers.safetensors",
)
TRAINING, IMAGES, LOCK = "training.json", "images.txt", ".lock"
CHECKPOINTS = "checkpoints"
OWN_FOLDERS = (CHECKPOINTS, "samples", "tensorboard")
"""Folders of a run that a training writes into."""
_STEP = re.compile(r"step-\d+")
_KEYS = ("instar", "code", "name", "preset", "method", "data", "train", "formats")


def write_config(config: RunConfig, folder: Path) -> None:
    """Write config.yaml into `folder`, whole or not at all.

    Of a method that was registered it says where its code is, for people: what stands there is never run.
    """
    code = registry.code(config.name)
    head = {"instar": version("instar"), **({"code": code} if code else {})}
    content = yaml.safe_dump(head, sort_keys=False, allow_unicode=True) + to_yaml(config)
    write_atomically(folder / CONFIG, content.encode())


def is_unused(folder: Path) -> bool:
    """Return whether a new run may be made here: nothing is there, or what a training left that was killed at once."""
    if not folder.exists():
        return True
    return folder.is_dir() and all(path.name == LOCK or is_temporary(path) for path in folder.iterdir())


def owner(run: Path) -> str | None:
    """Return who trains in a run, as its lock says, such as "process 12 on host"; None if nobody does."""
    with suppress(OSError), read_own(run / LOCK) as file:
        if not lock(file):
            return " ".join(file.read(100).decode(errors="replace").split())
    return None


def read_config(path: Path) -> RunConfig:
    """Read a config.yaml. An unknown key or a wrong value is a `UserError` naming the file and the nearest key."""
    check_sum(path)
    try:
        with read_own(path) as file:
            values = read_yaml(file.read().decode("utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; give the {CONFIG} of a run") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise DamagedError(f"{path}: not YAML ({error})") from error
    if not isinstance(values, Mapping):
        raise DamagedError(f"{path}: not a config of a run; it should hold {', '.join(_KEYS)}")
    return config_from(values, path)


def config_from(values: Mapping[str, Any], path: Path) -> RunConfig:
    """Build the settings of a run from what config.yaml, at `path`, holds; errors are as in `read_config`."""
    for key in values:
        if key not in _KEYS:
            raise UserError(f"{path}: unknown setting {shown(key)}{nearest(str(key), _KEYS)}")
    for key in ("name", "method", "data", "train"):
        if key not in values:
            raise UserError(f"{path}: {key!r} is missing")
    name = str(values["name"])
    if "code" in values and name not in registry.names():
        raise registry.unknown(name, str(values["code"]), path)
    return RunConfig(
        name=name,
        preset=str(values.get("preset", "")),
        method=from_dict(registry.get(name).options, values["method"], f"{path}, method"),
        data=from_dict(DataConfig, values["data"], f"{path}, data"),
        train=from_dict(TrainConfig, values["train"], f"{path}, train"),
        formats=tuple(from_dict(DomainFormat, one, f"{path}, formats") for one in values.get("formats", ())),
    )


def checkpoints(run: Path) -> list[Path]:
    """Return the complete checkpoints of a run, oldest first. Links are none of them."""
    found = (run / CHECKPOINTS).glob("step-*")
    return sorted(path for path in found if _STEP.fullmatch(path.name) and path.is_dir() and not path.is_symlink())


def run_of(path: Path) -> tuple[Path, Path | None]:
    """Return the run that is meant by a run directory, or by one of its checkpoints, and that checkpoint.

    Raises:
        UserError: it is none of both, or a shared model.
    """
    where = place(path)
    if not isinstance(where, Path) or (_is_there(where / METHOD) and not _STEP.fullmatch(where.absolute().name)):
        begin = setting("train.start_from", path)
        raise UserError(
            f"{path}: a shared model, which cannot be trained on: it holds what translates, not what a training "
            f"goes on with; begin a new run with its networks: {begin}"
        )
    path = where
    if _STEP.fullmatch(path.absolute().name) and path.absolute().parent.name == CHECKPOINTS:
        run = path.parent.parent if len(path.parts) > 2 else path.absolute().parent.parent
        if not path.is_dir():
            there = ", ".join(one.name for one in checkpoints(run))
            raise UserError(f"{path}: no such checkpoint; there is: {there or 'none'}")
        return run, path
    if not _is_there(path / CONFIG):
        raise UserError(f"{path}: not a run directory (it has no {CONFIG})")
    return path, None


def find_checkpoint(path: Path) -> Path:
    """Return the checkpoint meant by `path`: itself, the last one of the run, or that of the model at an address."""
    path = local(path)
    if _is_there(path / METHOD) or _STEP.fullmatch(path.name):
        return path
    found = checkpoints(path)
    if found:
        return found[-1]
    if not _is_there(path / CONFIG):
        raise UserError(f"{path}: not a run directory (it has no {CONFIG})")
    raise UserError(f"{path}: this run has no checkpoint yet; train it on with: {call('resume', path)}")


def read_training(checkpoint: Path) -> dict[str, Any]:
    """Return where the run stood at a checkpoint. A damaged file is a `UserError`."""
    path = checkpoint / TRAINING
    check_sum(path)
    try:
        with read_own(path) as file:
            training: dict[str, Any] = read_json(file.read())
        if not _is_training(training):
            raise ValueError(training)
    except OSError as error:
        raise DamagedError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedError(f"{path}: damaged: it does not say where the run stood") from error
    return training


def last_whole(run: Path, but: Path | None = None) -> Path | None:
    """Return the last checkpoint of a run, other than `but`, that is not damaged, if there is one."""
    for folder in (one for one in reversed(checkpoints(run)) if but is None or one.name != but.name):
        try:
            for name in listed(folder) or _parts(folder):
                check_sum(folder / name)
                if name.endswith(".safetensors"):
                    read_tensors(folder / name)
            read_config(folder / CONFIG)
            read_training(folder)
        except UserError:
            continue
        return folder
    return None


@contextmanager
def naming_the_last_whole(checkpoint: Path) -> Iterator[None]:
    """Within this context a damaged `checkpoint` is an error that also names the last whole one of its run."""
    try:
        yield
    except DamagedError as error:
        run = checkpoint.parent.parent
        whole = last_whole(run, checkpoint) if checkpoint.parent.name == CHECKPOINTS else None
        if whole is None:
            raise
        advice = (
            f"the last whole checkpoint is {whole}; give that instead, to train on from it: {call('resume', whole)}"
        )
        raise DamagedError(f"{error.message.raw}; {advice}") from error


def load_method(path: Path, *, averaged: bool = True) -> tuple[Method[Any], RunConfig]:
    """Build the method of a run or checkpoint, with the weights that translate, in eval mode, on the CPU.

    Networks that only training needs are not read and cannot be used, nor those that a run was imported without
    (`core.absent`).

    Args:
        path: a run directory (its last checkpoint is taken), one checkpoint, or the address of a shared model.
        averaged: put the averaged weights into the networks that translate, if the run kept any.

    Raises:
        UserError: there is no checkpoint, or it is damaged.
    """
    folder = find_checkpoint(path)
    with naming_the_last_whole(folder):
        config = read_config(folder / CONFIG)
        method = unfilled(registry.get(config.name), config.method)
        weights = translating_weights(folder, method, config, averaged=averaged)
        there = {name.partition(".")[0] for name in weights}
        used = (name for name in networks_of(method) if used_by_translating(method, f"{name}."))
        lacking = [name for name in used if name not in there]
        without_training(method, folder)
        if lacking:
            without(method, set(lacking) & set(declared_absent(folder)), config, folder)
        own = method.state_dict()
        try:
            method.load_state_dict(
                {name: tensor.to(own[name].dtype, copy=True) for name, tensor in weights.items()},
                assign=True,  # each has its memory once; of the file, which may change, there is a copy
            )
        except RuntimeError as error:
            raise other_networks(config, folder) from error
    return method.eval().requires_grad_(False), config


def translating_weights(
    checkpoint: Path, method: Method[Any], config: RunConfig, *, averaged: bool = True
) -> dict[str, Tensor]:
    """Read what translates out of a checkpoint: averages, and of the weights only what has none.

    Args:
        checkpoint: its folder.
        method: as its settings describe it; its own weights do not count.
        config: these settings.
        averaged: take averages, if there are any.

    Raises:
        DamagedError: it cannot be read, or holds other networks than the method has.
    """
    has_averages = os.path.lexists(checkpoint / AVERAGES) or AVERAGES in listed(checkpoint)
    weights = read_tensors(checkpoint / AVERAGES) if averaged and has_averages else {}
    there = tensor_names(checkpoint / METHOD)
    if not {*there, *weights} <= method.state_dict().keys():
        raise other_networks(config, checkpoint)
    whole = {name.partition(".")[0] for name in weights}
    rest = {name for name in there if used_by_translating(method, name) and name.partition(".")[0] not in whole}
    return {**weights, **(read_tensors(checkpoint / METHOD, rest) if rest else {})}


def other_networks(config: RunConfig, checkpoint: Path) -> DamagedError:
    """Return the error that the weights of a checkpoint are not those of its method."""
    return DamagedError(f"{checkpoint}: these are not the weights of {config.name} as its {CONFIG} describes it")


def declared_absent(checkpoint: Path) -> tuple[str, ...]:
    """Return the networks that a checkpoint says it does not have."""
    try:
        return tuple(read_training(checkpoint).get("absent", ()))
    except DamagedError:
        return ()


def _is_training(training: Any) -> bool:
    """Return whether training.json holds what a run goes on with; an error of types and keys says no, too."""
    number = (int, float)
    steps = (training["step"], training["bad_steps"], training.get("memory", 0))
    return (
        all(isinstance(value, int) and value >= 0 for value in steps)
        and isinstance(training["phase"], str)
        and isinstance(training["seconds"], number)
        and all(isinstance(sum_, number) and isinstance(n, int) and n > 0 for sum_, n in training["meter"].values())
        and all(isinstance(n, int) for counts in training.get("counts", {}).values() for n in counts)
        and all(isinstance(name, str) for name in training.get("absent", []))
        and all(isinstance(step, int) and isinstance(score, number) for step, score in training.get("best", []))
    )


def _parts(checkpoint: Path) -> list[str]:
    """Return the files of tensors that a checkpoint without digests should have."""
    return [METHOD, OPTIMIZERS, *([AVERAGES] if (checkpoint / AVERAGES).exists() else [])]


def _is_there(path: Path) -> bool:
    """Return whether there is a file, or one that may not be looked at: reading it will say why."""
    try:
        return path.is_file()
    except OSError:
        return True
