"""Settings of a run: three frozen dataclasses from which flags, help and config.yaml are derived."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml

from instar.core.errors import UserError, setting
from instar.core.settings import (
    IF_SET,
    Bounds,
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    Settings,
    to_dict,
)

Device = Literal["auto", "cpu", "cuda", "mps"]

LARGE = 1.5
"""Images with a short side this many times that of the training show things at another scale: at twice it shapes are
lost, and users are told."""


@dataclass(frozen=True, kw_only=True)
class Optim(Settings):
    """Adam, as every method here uses it."""

    section: ClassVar[str] = "method.optim"

    lr: Fraction = 2e-4
    """Learning rate."""
    betas: Annotated[tuple[float, float], Bounds(0, below=1)] = (0.5, 0.999)
    """Decay of Adam's two averages."""
    hold: Fraction = 0.5
    """Share of the run at the full learning rate; then a straight line towards 0. 1 keeps it constant."""
    halve: Fraction = 0.0
    """Share of the run after which the learning rate halves, again and again (MUNIT); 0 never does."""
    weight_decay: Annotated[float, Bounds(0, 100)] = 0.0
    """L2 penalty in the gradient of matrices and kernels; biases and norms are left alone."""


@dataclass(frozen=True, kw_only=True)
class MethodConfig(Settings):
    """What every method has. A method's own Config adds its handful of options."""

    section: ClassVar[str] = "method"

    channels: int = 3
    """Channels of the images: 3 for colour, 1 for gray (files are converted as they are read)."""
    optim: Optim = field(default_factory=Optim)
    """Adam and its schedule."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels not in (1, 3):
            raise UserError(f"{setting('method.channels')} must be 1 (gray) or 3 (colour), not {self.channels}")


@dataclass(frozen=True, kw_only=True)
class DataConfig(Settings):
    """Which images, and how they are cut."""

    section: ClassVar[str] = "data"

    roots: tuple[Path, ...] = ()
    """One data set (a folder, a table, a tar), or one per domain."""
    source: str | None = None
    """Domain to translate from, by name; the first one found if not given."""
    target: str | None = None
    """Domain to translate to, by name; the other one if not given."""
    domains: tuple[str, ...] | None = field(default=None, metadata=IF_SET)
    """Names of all domains in the method's order, for methods with more than two; the order found if not given."""
    pair_by: str | None = field(default=None, metadata=IF_SET)
    """Regular expression for the names of pairs, less the suffix: images are a pair for which its groups in parentheses
    match the same. Names that it does not match count as they are: '(.*)_L' pairs 1_L.png with 1.png, '(.*)_[LR]' with
    1_R.png. The names themselves if not given."""
    size: Annotated[int, Bounds(24, 16_384)] = 256  # less is nothing after a discriminator's downsamplings
    """Side of the training crops in pixels."""
    zoom: Annotated[float, Bounds(1, 8)] = 286 / 256
    """Short side to which images are resized before cropping, in sizes; 1 crops along the long side only."""
    flip: bool = True
    """Mirror half of the training images."""
    max_bad: Fraction = 0.05
    """Share of unreadable files above which a run refuses to start."""
    holdout: NonNegativeInt = 8
    """Images per domain kept from training for the sample pictures where there is no test folder (at most a tenth)."""
    labelled: Fraction = 1.0
    """Share of the labels of each class that training may see, for methods that learn from some (TUNIT's semi)."""
    validation: NonNegativeInt = 0
    """Images per domain to score the run with while it trains (`train.score_every`): of the val folder, if there is one
    beside the test folder, else kept from training. Spread evenly over all."""
    cache_gb: NonNegativeFloat = 8.0
    """Largest decoded-image cache in GB; images that do not fit are decoded each time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pair_by is None:
            return
        said = setting("data.pair_by", self.pair_by)
        try:
            groups = re.compile(self.pair_by).groups
        except re.error as error:
            raise UserError(f"{said}: is no regular expression ({error})") from error
        if not groups:
            raise UserError(f"{said}: has no group in parentheses, which says what names of a pair have in common")

    @property
    def short_side(self) -> int:
        """Short side of a training image before it is cropped, in pixels."""
        return round(self.size * self.zoom)

    def names(self, domains: Sequence[str]) -> dict[str, str | None]:
        """Return what the domains of a method are called, None where nothing was said.

        Args:
            domains: their keys: those of `parts` of the method's kind of batch.

        Raises:
            UserError: two domains are named by `domains`, others by `source` and `target`, or not all are named.
        """
        count = f"{len(domains)} domain{'s' * (len(domains) != 1)}"
        pair = (setting("data.source", self.source), setting("data.target", self.target))
        if len(domains) == 2:
            if self.domains is not None:
                remedy = f"name them by {setting('data.source')} and {setting('data.target')}"
                raise UserError(f"{setting('data.domains', self.domains)}: this method has {count}; {remedy}")
            return dict(zip(domains, (self.source, self.target), strict=True))
        for said, value in zip(pair, (self.source, self.target), strict=True):
            if value is not None:
                raise UserError(f"{said}: this method has {count}; name them by {setting('data.domains')}")
        if self.domains is not None and len(self.domains) != len(domains):
            raise UserError(f"{setting('data.domains', self.domains)}: this method has {count}; name them all")
        return dict(zip(domains, self.domains or [None] * len(domains), strict=True))

    def named(self, names: Mapping[str, str]) -> DataConfig:
        """Return these settings with the names of all domains, by their keys."""
        if len(names) == 2:
            source, target = names.values()
            return replace(self, source=source, target=target)
        return replace(self, domains=tuple(names.values()))

    def unnamed(self) -> DataConfig:
        """Return these settings without names of domains."""
        return replace(self, source=None, target=None, domains=None)


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Settings):
    """How long, on what, and what is kept."""

    section: ClassVar[str] = "train"

    steps: PositiveInt = 100_000
    """Length of the run in optimiser steps."""
    batch: PositiveInt = 1
    """Images per domain in a step, over all devices."""
    seed: NonNegativeInt = 0
    """Initial weights, order of the images, augmentation and noise all follow from it."""
    device: Device = "auto"
    """Where to train; auto takes the first of cuda, mps, cpu that is there."""
    devices: PositiveInt = 1
    """Processes, each with its share of the batch: GPUs, or CPU processes."""
    precision: Literal["32", "bf16"] = "32"
    """32: float32 (TF32 on GPUs that have it). bf16: autocast, weights and losses stay float32."""
    ema: NonNegativeInt = 10_000
    """Half-life in images of the averaged weights used for translation, ramped up from 0; 0 turns them off."""
    clip: NonNegativeFloat = 0.0
    """Largest gradient norm per objective; 0 does not clip."""
    log_every: PositiveInt = 50
    """Steps between lines of metrics.jsonl."""
    preview_every: PositiveInt = 1000
    """Steps between sample pictures."""
    save_every: PositiveInt = 1000
    """Steps between checkpoints."""
    keep: NonNegativeInt = 2
    """Checkpoints to keep besides the last of each phase; 0 keeps all."""
    score_every: NonNegativeInt = 0
    """Steps between scores on the validation images: the kernel distance of their translations; 0 does not score."""
    score_with: str = "inception"
    """Features for these scores: inception, mobilenet=FILE, torchvision:NAME or module.path:callable."""
    keep_best: NonNegativeInt = 1
    """Checkpoints kept beside the last ones because they scored best on the validation images."""
    start_from: Path | None = None
    """Run or checkpoint from which networks are taken, as they were trained there, before the first step; each that
    has the same weights by name and shape."""
    start_with: tuple[str, ...] = ("all",)
    """Networks to take from there by the names that checkpoints give them, such as E_g vae; all takes what fits."""
    max_bad_steps: PositiveInt = 10
    """Steps in a row with a loss or gradient that is not finite, after which the run stops."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch % self.devices:
            batch, devices = setting("train.batch", self.batch), setting("train.devices", self.devices)
            raise UserError(f"{batch} cannot be shared equally by {devices}")


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


def names_code(extractor: str) -> bool:
    """Return whether the name of an extractor is code to be run: module.path:callable."""
    kind, colon, _ = extractor.partition("=")[0].partition(":")
    return bool(colon) and kind != "torchvision"


def code_in(config: RunConfig) -> str | None:
    """Return the setting that names code to be run, if one does."""
    named = config.train.score_with
    return setting("train.score_with", named) if names_code(named) else None


def to_yaml(config: RunConfig) -> str:
    """Return `config` as YAML; `from_dict` of its parts gives an equal config."""
    return yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True)
