"""A run directory, and a method built from it.

```
RUN/config.yaml              everything needed to repeat the run
RUN/checkpoints/step-N/      config.yaml again, so that a checkpoint can be carried away and used alone
    method.safetensors       all weights and buffers of the method, as they are trained
    averages.safetensors     moving averages of the networks that translate
    optimizers.safetensors   Adam's averages
    training.json            where the run stood
    process-R.safetensors    with several processes: the pools and banks of process R
RUN/metrics.jsonl  RUN/run.log  RUN/samples/  RUN/tensorboard/
```
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from instar.core import registry
from instar.core.config import DataConfig, RunConfig, TrainConfig, to_yaml
from instar.core.errors import UserError, call, nearest
from instar.core.files import write_atomically
from instar.core.method import Method
from instar.core.seed import seeded
from instar.core.settings import from_dict

CONFIG = "config.yaml"
_KEYS = ("instar", "code", "name", "preset", "method", "data", "train")


def write_config(config: RunConfig, folder: Path) -> None:
    """Write config.yaml into `folder`, whole or not at all.

    Of a method that was registered it says where its code is, for people: what stands there is never run.
    """
    code = registry.code(config.name)
    head = {"instar": version("instar"), **({"code": code} if code else {})}
    content = yaml.safe_dump(head, sort_keys=False, allow_unicode=True) + to_yaml(config)
    write_atomically(folder / CONFIG, content.encode())


def read_config(path: Path) -> RunConfig:
    """Read a config.yaml. An unknown key or a wrong value is a `UserError` naming the file and the nearest key."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; give the {CONFIG} of a run")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not YAML ({str(error).splitlines()[0]})") from error
    if not isinstance(values, Mapping):
        raise UserError(f"{path}: not a config of a run; it should hold {', '.join(_KEYS)}")
    return config_from(values, path)


def config_from(values: Mapping[str, Any], path: Path) -> RunConfig:
    """Build the settings of a run from what config.yaml, at `path`, holds; errors are as in `read_config`."""
    for key in values:
        if key not in _KEYS:
            raise UserError(f"{path}: unknown setting {key!r}{nearest(str(key), _KEYS)}")
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
    )


def checkpoints(run: Path) -> list[Path]:
    """Return the complete checkpoints of a run, oldest first."""
    found = (run / "checkpoints").glob("step-*")
    return sorted(path for path in found if re.fullmatch(r"step-\d+", path.name))


def find_checkpoint(path: Path) -> Path:
    """Return the checkpoint meant by `path`: itself, or the last one of the run."""
    if (path / "method.safetensors").is_file():
        return path
    found = checkpoints(path)
    if found:
        return found[-1]
    if not (path / CONFIG).is_file():
        raise UserError(f"{path}: not a run directory (it has no {CONFIG})")
    raise UserError(f"{path}: this run has no checkpoint yet; train it on with: {call('resume', path)}")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file onto the CPU. A damaged one is a `UserError`."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from error


def load_method(path: Path, *, averaged: bool = True) -> tuple[Method[Any], RunConfig]:
    """Build the method of a run or checkpoint, with its weights, in eval mode, on the CPU.

    Args:
        path: a run directory (its last checkpoint is taken) or one checkpoint.
        averaged: put the averaged weights into the networks that translate, if the run kept any.
    """
    folder = find_checkpoint(path)
    config = read_config(folder / CONFIG)
    kind = registry.get(config.name)
    with seeded(config.train.seed, 0):  # the initial weights are replaced, but drawing them moves the generators
        method = kind(config.method)
    weights = read_tensors(folder / "method.safetensors")
    if averaged and (folder / "averages.safetensors").is_file():
        weights |= read_tensors(folder / "averages.safetensors")
    try:
        method.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(f"{folder}: these are not the weights of {config.name} as its {CONFIG} describes it") from error
    return method.eval().requires_grad_(False), config
