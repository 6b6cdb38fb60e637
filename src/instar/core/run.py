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
from safetensors.torch import load, load_file
from torch import Tensor

from instar.core import registry
from instar.core.absent import networks_of, without
from instar.core.config import DataConfig, RunConfig, TrainConfig, to_yaml
from instar.core.digests import DamagedError, check_sum, listed
from instar.core.errors import UserError, call, nearest, shown
from instar.core.files import is_temporary, lock, read_own, write_atomically
from instar.core.formats import DomainFormat
from instar.core.method import Method, build
from instar.core.plain import read_json, read_yaml
from instar.core.settings import from_dict

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
        UserError: it is none of both.
    """
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
    """Return the checkpoint meant by `path`: itself, or the last one of the run."""
    if _is_there(path / METHOD) or _STEP.fullmatch(path.name):
        return path
    found = checkpoints(path)
    if found:
        return found[-1]
    if not _is_there(path / CONFIG):
        raise UserError(f"{path}: not a run directory (it has no {CONFIG})")
    raise UserError(f"{path}: this run has no checkpoint yet; train it on with: {call('resume', path)}")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file onto the CPU. A damaged one, or numbers that are not finite, are a `UserError`."""
    check_sum(path)
    try:
        with read_own(path) as file:  # of a file that may not be read, safetensors says that there is none
            tensors = load_file(path) if _is_unicode(path) else load(file.read())  # it opens no other names
    except Exception as error:  # whatever the library makes of bytes that could be anything
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DamagedError(f"{path}: cannot be read ({why})") from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise DamagedError(f"{path}: {name} holds numbers that are not finite")
    return tensors


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
    """Build the method of a run or checkpoint, with its weights, in eval mode, on the CPU.

    Args:
        path: a run directory (its last checkpoint is taken) or one checkpoint.
        averaged: put the averaged weights into the networks that translate, if the run kept any.

    Raises:
        UserError: there is no checkpoint, or it is damaged.
    """
    folder = find_checkpoint(path)
    with naming_the_last_whole(folder):
        config = read_config(folder / CONFIG)
        method = build(registry.get(config.name), config.method, config.train.seed)
        weights = read_tensors(folder / METHOD)
        if averaged and (os.path.lexists(folder / AVERAGES) or AVERAGES in listed(folder)):
            weights |= read_tensors(folder / AVERAGES)
        fill(method, weights, config, folder)
    return method.eval().requires_grad_(False), config


def fill(method: Method[Any], weights: Mapping[str, Tensor], config: RunConfig, checkpoint: Path) -> None:
    """Put the weights of a checkpoint into its method. Those of other networks are a `UserError`.

    Networks that a run was imported without stay as they are and cannot be used (`core.absent`).
    """
    lacking = [name for name in networks_of(method) if not any(key.startswith(f"{name}.") for key in weights)]
    absent = [name for name in lacking if name in _declared_absent(checkpoint)] if lacking else []
    initial = {key: value for key, value in method.state_dict().items() if key.split(".")[0] in absent}
    try:
        method.load_state_dict({**initial, **weights})
    except RuntimeError as error:
        said = f"these are not the weights of {config.name} as its {CONFIG} describes it"
        raise DamagedError(f"{checkpoint}: {said}") from error
    if absent:
        without(method, absent, config, checkpoint)


def _declared_absent(checkpoint: Path) -> tuple[str, ...]:
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


def _is_unicode(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_there(path: Path) -> bool:
    """Return whether there is a file, or one that may not be looked at: reading it will say why."""
    try:
        return path.is_file()
    except OSError:
        return True
