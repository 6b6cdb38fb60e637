"""Settings of a run: three frozen dataclasses from which flags, help and config.yaml are derived.

The docstring under a field is its help text. A field exists because two published results, or two users,
need different values; every other number stands in the code with its source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

import cattrs
import yaml
from tyro.conf import Suppress, arg

from instar.core.errors import UserError, nearest

DataclassT = TypeVar("DataclassT")

LARGE = 1.5
"""Images with a short side this many times that of the training show things at another scale: at twice it shapes are
lost, and users are told."""


@dataclass(frozen=True, kw_only=True)
class Optim:
    """Adam, as every method here uses it."""

    lr: float = 2e-4
    """Learning rate."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Decay of Adam's two averages."""
    hold: float = 0.5
    """Share of the run at the full learning rate; then a straight line towards 0. 1 keeps it constant."""
    halve: float = 0.0
    """Share of the run after which the learning rate halves, again and again (MUNIT); 0 never does."""
    weight_decay: float = 0.0
    """L2 penalty in the gradient of matrices and kernels; biases and norms are left alone."""

    def __post_init__(self) -> None:
        for name in ("lr", "hold", "halve"):
            within(f"method.optim.{name}", getattr(self, name), 0.0, None if name == "lr" else 1.0)
        within("method.optim.weight-decay", self.weight_decay, 0.0, None)


@dataclass(frozen=True, kw_only=True)
class MethodConfig:
    """What every method has. A method's own Config adds its handful of options."""

    channels: Annotated[int, arg(aliases=["--channels"])] = 3
    """Channels of the images: 3 for colour, 1 for gray (files are converted as they are read)."""
    optim: Optim = field(default_factory=Optim)
    """Adam and its schedule."""

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise UserError(f"--channels must be 1 (gray) or 3 (colour), not {self.channels}")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which images, and how they are cut."""

    roots: Suppress[tuple[Path, ...]] = ()
    """One data set folder, or one folder per domain."""
    source: Annotated[str | None, arg(aliases=["--from"], metavar="NAME")] = None
    """Domain to translate from, by name; the first one found if not given."""
    target: Annotated[str | None, arg(aliases=["--to"], metavar="NAME")] = None
    """Domain to translate to, by name; the other one if not given."""
    size: Annotated[int, arg(aliases=["--size"])] = 256
    """Side of the training crops in pixels."""
    zoom: float = 286 / 256
    """Short side to which images are resized before cropping, in sizes; 1 crops along the long side only."""
    flip: bool = True
    """Mirror half of the training images."""
    max_bad: float = 0.05
    """Share of unreadable files above which a run refuses to start."""
    holdout: int = 8
    """Images per domain kept from training for the sample pictures where there is no test folder (at most a tenth)."""
    labelled: float = 1.0
    """Share of the labels of each class that training may see, for methods that learn from some (TUNIT's semi)."""
    validation: int = 0
    """Images per domain to score the run with while it trains (--train.score-every): of the val folder, if there is one
    beside the test folder, else kept from training. Spread evenly over all."""
    cache_gb: float = 8.0
    """Largest decoded-image cache in GB; images that do not fit are decoded each time."""

    def __post_init__(self) -> None:
        within("size", self.size, 24, None)  # less is nothing after a discriminator's downsamplings
        within("data.max-bad", self.max_bad, 0.0, 1.0)
        within("data.holdout", self.holdout, 0, None)
        within("data.labelled", self.labelled, 0.0, 1.0)
        within("data.validation", self.validation, 0, None)
        within("data.zoom", self.zoom, 1.0, 8.0)

    @property
    def short_side(self) -> int:
        """Short side of a training image before it is cropped, in pixels."""
        return round(self.size * self.zoom)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How long, on what, and what is kept."""

    steps: Annotated[int, arg(aliases=["--steps"])] = 100_000
    """Length of the run in optimiser steps."""
    batch: Annotated[int, arg(aliases=["--batch"])] = 1
    """Images per domain in a step, over all devices."""
    seed: Annotated[int, arg(aliases=["--seed"])] = 0
    """Initial weights, order of the images, augmentation and noise all follow from it."""
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], arg(aliases=["--device"])] = "auto"
    """Where to train; auto takes the first of cuda, mps, cpu that is there."""
    devices: Annotated[int, arg(aliases=["--devices"])] = 1
    """Processes, each with its share of the batch: GPUs, or CPU processes."""
    precision: Annotated[Literal["32", "bf16"], arg(aliases=["--precision"])] = "32"
    """32: float32 (TF32 on GPUs that have it). bf16: autocast, weights and losses stay float32."""
    ema: int = 10_000
    """Half-life in images of the averaged weights used for translation, ramped up from 0; 0 turns them off."""
    clip: float = 0.0
    """Largest gradient norm per objective; 0 does not clip."""
    log_every: int = 50
    """Steps between lines of metrics.jsonl."""
    preview_every: int = 1000
    """Steps between sample pictures."""
    save_every: int = 1000
    """Steps between checkpoints."""
    keep: int = 2
    """Checkpoints to keep besides the last of each phase; 0 keeps all."""
    score_every: int = 0
    """Steps between scores on the validation images: the kernel distance of their translations; 0 does not score."""
    score_with: str = "inception"
    """Features for these scores: inception, mobilenet=FILE, torchvision:NAME or module.path:callable."""
    keep_best: int = 1
    """Checkpoints kept beside the last ones because they scored best on the validation images."""
    start_from: Path | None = None
    """Run or checkpoint from which networks are taken, as they were trained there, before the first step; each that
    has the same weights by name and shape."""
    start_with: tuple[str, ...] = ("all",)
    """Networks to take from there by the names that checkpoints give them, such as E_g vae; all takes what fits."""
    max_bad_steps: int = 10
    """Steps in a row with a loss or gradient that is not finite, after which the run stops."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "devices"):
            within(name, getattr(self, name), 1, None)
        within("seed", self.seed, 0, None)
        for name in ("log_every", "preview_every", "save_every", "max_bad_steps"):
            within(f"train.{name.replace('_', '-')}", getattr(self, name), 1, None)
        for name in ("ema", "clip", "keep", "score_every", "keep_best"):
            within(f"train.{name.replace('_', '-')}", getattr(self, name), 0, None)
        if self.batch % self.devices:
            raise UserError(f"--batch {self.batch} cannot be shared equally by --devices {self.devices}")


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named set of changes to the three configs' defaults."""

    about: str
    """One line: what it is for, how long it takes."""
    method: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything needed to repeat a run; written to config.yaml."""

    name: str
    """The method."""
    preset: str
    """The preset whose values the other fields started from."""
    method: MethodConfig
    data: DataConfig
    train: TrainConfig


def to_yaml(config: RunConfig) -> str:
    """Return `config` as YAML; `from_dict` of it gives an equal config."""
    return yaml.safe_dump(cattrs.unstructure(_plain(asdict(config))), sort_keys=False, allow_unicode=True)


def from_dict(cls: type[DataclassT], values: Mapping[str, Any], where: str) -> DataclassT:
    """Build dataclass `cls` from plain values. An unknown key is a `UserError` naming the nearest one.

    Args:
        cls: a config dataclass, nested ones included.
        values: as YAML gives them.
        where: the file, for the message.
    """
    _check_keys(cls, values, where)
    try:
        return _converter().structure(values, cls)
    except UserError:
        raise
    except Exception as error:  # cattrs raises groups of whatever the conversions raised
        reasons = "; ".join(cattrs.transform_error(error)) if isinstance(error, cattrs.BaseValidationError) else error
        raise UserError(f"{where}: {reasons}") from error


def with_changes(config: DataclassT, changes: Mapping[str, Any]) -> DataclassT:
    """Return dataclass `config` with `changes` applied; a nested mapping changes a nested dataclass."""
    nested = {
        key: with_changes(getattr(config, key), value) if isinstance(value, Mapping) else value
        for key, value in changes.items()
    }
    return replace(config, **nested)  # type: ignore[type-var]


def _check_keys(cls: Any, values: Mapping[str, Any], where: str) -> None:
    if not isinstance(values, Mapping):
        raise UserError(f"{where}: expected settings of {cls.__name__}, found {values!r}")
    known = [f.name for f in fields(cls)]
    types = get_type_hints(cls)
    for key, value in values.items():
        if key not in known:
            raise UserError(f"{where}: unknown setting {key!r}{nearest(str(key), known)}")
        if is_dataclass(types[key]):
            _check_keys(types[key], value, where)


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    converter.register_structure_hook(Path, lambda value, _: Path(value))
    return converter


def _plain(value: Any) -> Any:
    """Turn tuples and paths into what YAML can hold."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def within(flag: str, value: float, low: float | None, high: float | None) -> None:
    """Raise a `UserError` naming the flag if a number is outside its bounds (None: no bound)."""
    if (low is not None and value < low) or (high is not None and value > high):
        bounds = f"at least {low}" if high is None else f"between {low} and {high}"
        raise UserError(f"--{flag} must be {bounds}, not {value}")
