"""Settings of a run: three frozen dataclasses from which flags, help and config.yaml are derived."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml

from instar.core.errors import UserError, nearest, setting
from instar.core.formats import DomainFormat
from instar.core.settings import (
    IF_SET,
    Bounds,
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    Settings,
    to_dict,
    with_changes,
)

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "32", "bf16"]
Pages = int | Literal["all", "first"]
"""Of a file of several: all, the first, or the one of this number, from 1."""

LARGE = 1.5
"""Images with a short side this many times that of the training show things at another scale: at twice it shapes are
lost, and users are told."""


def check_pages(name: str, pages: object) -> None:
    """Refuse what is no choice of pages."""
    if isinstance(pages, int) and not isinstance(pages, bool):
        Bounds(1).check(name, pages)
    elif pages not in ("all", "first"):
        raise UserError(f"{setting(name, pages)}: give all, first, or the number of a page, from 1")


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

    channels: PositiveInt = 3
    """Channels of the images: 3 for colour, 1 for gray (files are converted as they are read), others for as many bands
    of TIFFs."""
    target_channels: PositiveInt | None = field(default=None, metadata=IF_SET)
    """Channels of the target domain, if they are others than those of the source, for methods that can."""
    optim: Optim = field(default_factory=Optim)
    """Adam and its schedule."""

    def channels_of(self, domain: str) -> int:
        """Return the channels of a domain's images, by its key."""
        return self.channels if domain == "a" or self.target_channels is None else self.target_channels

    @property
    def equal_channels(self) -> bool:
        """Whether the images of both domains have as many channels."""
        return self.target_channels in (None, self.channels)


@dataclass(frozen=True, kw_only=True)
class ManyDomainsConfig(MethodConfig):
    """What methods have that take any number of domains (`instar.core.batch.ManyDomains`)."""

    domains: Annotated[int, Bounds(2, 1000)] | None = None
    """Number of domains; as many as the data set has if not given. `train.batch` counts the images of all of them."""


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
    native: bool = field(default=False, metadata=IF_SET)
    """Cut crops from images of their own size, without resizing them first. Of large TIFFs and .npy files only the
    crops are read."""
    foreground: Fraction = field(default=0.0, metadata=IF_SET)
    """Least share of a crop that shows more than background, if one of eight places does; else the place of these that
    shows most. Background is what has little contrast. 0 takes any place."""
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
    range_a: tuple[float, ...] | None = field(default=None, metadata=IF_SET)
    """Values of the source domain's files that become black and white, such as -1000 2000; the first may be the larger
    one. Or two for each band, in their order, where bands have units of their own. If not given: that of the type for
    unsigned 8 and 16 bits, 0 to 1 for floats within it, measured for others."""
    range_b: tuple[float, ...] | None = field(default=None, metadata=IF_SET)
    """The same of the target domain: translations are written in its range."""
    ranges: tuple[float, ...] | None = field(default=None, metadata=IF_SET)
    """Black and white of each domain in the method's order, or of each band of each domain, for methods with more or
    less than two domains."""
    measure: bool = field(default=False, metadata=IF_SET)
    """Measure ranges that are not given, also where the type has one: for 12 bits in files of 16."""
    per_band: bool = field(default=False, metadata=IF_SET)
    """Measure ranges that are not given for each band by itself, as `measure` does for all bands as one: for files
    whose bands have units of their own."""
    percentiles: tuple[float, float] = field(default=(0.1, 99.9), metadata=IF_SET)
    """Of the values of up to 64 training images, which become black and white where a range is measured."""

    masks: str | None = field(default=None, metadata=IF_SET)
    """End of the names of masks, such as _mask: of a folder beside that of the images (`trainA_mask`) with files of the
    same names, or of files beside the images (`1_mask.png`). Losses see images where their masks are white."""
    pages: Pages = field(default="first", metadata=IF_SET)
    """Of files of several pages or frames (TIFF, GIF, APNG, WebP): all, each an image; the first; or the number of one,
    from 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_pages("data.pages", self.pages)
        given = {"range_a": self.range_a, "range_b": self.range_b, "ranges": self.ranges}
        for name, values in {**given, "percentiles": self.percentiles}.items():
            if values is not None:
                _check_pairs(name, values)
        first, last = self.percentiles
        if not 0 <= first < last <= 100:
            raise UserError(f"{setting('data.percentiles', self.percentiles)}: give two from 0 to 100, the lower first")
        if self.masks is not None and not re.fullmatch(r"[^/\\]*\w", self.masks):
            raise UserError(f"{setting('data.masks', self.masks)}: give the end of a name, such as _mask")
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

    def ranges_of(self, channels: Mapping[str, int]) -> dict[str, tuple[tuple[float, float], ...]]:
        """Return the ranges of values that are given for the domains of a method: one, one for each band, or none.

        Args:
            channels: of the networks, by the keys of the domains in the method's order.

        Raises:
            UserError: the ranges of two domains are given by `ranges`, those of others by `range_a` and `range_b`, or
                they are not two numbers for each, or for each of its bands.
        """
        domains = tuple(channels)
        count = f"{len(domains)} domain{'s' * (len(domains) != 1)}"
        if len(domains) == 2:
            if self.ranges is not None:
                remedy = f"give {setting('data.range_a')} and {setting('data.range_b')}"
                raise UserError(f"{setting('data.ranges', self.ranges)}: this method has {count}; {remedy}")
            both = zip(domains, (("range_a", self.range_a), ("range_b", self.range_b)), strict=True)
            return {domain: _ranges(name, values, channels[domain]) for domain, (name, values) in both}
        for name in ("range_a", "range_b"):
            if (value := getattr(self, name)) is not None:
                said = setting(f"data.{name}", value)
                raise UserError(f"{said}: this method has {count}; give {setting('data.ranges')}")
        if self.ranges is None:
            return dict.fromkeys(domains, ())
        pairs = iter(_pairs(self.ranges))
        if len(self.ranges) == 2 * len(domains):
            return {domain: (next(pairs),) for domain in domains}
        if len(self.ranges) == 2 * sum(channels.values()):
            return {domain: tuple(islice(pairs, channels[domain])) for domain in domains}
        said = setting("data.ranges", self.ranges)
        raise UserError(f"{said}: this method has {count}; give two numbers for each, or for each of their bands")

    def named(self, names: Mapping[str, str]) -> DataConfig:
        """Return these settings with the names of all domains, by their keys."""
        if len(names) == 2:
            source, target = names.values()
            return replace(self, source=source, target=target)
        return replace(self, domains=tuple(names.values()))

    def unnamed(self) -> DataConfig:
        """Return these settings without names of domains."""
        return replace(self, source=None, target=None, domains=None)


def _pairs(values: Sequence[float]) -> tuple[tuple[float, float], ...]:
    return tuple(zip(values[::2], values[1::2], strict=True))


def _check_pairs(name: str, values: tuple[float, ...]) -> None:
    """Refuse what are no pairs of different numbers."""
    said = setting(f"data.{name}", values)
    if not values or len(values) % 2:
        raise UserError(f"{said}: give two values, or two for each band")
    if any(first == last for first, last in _pairs(values)):
        raise UserError(f"{said}: black and white are the same; give two values")


def _ranges(name: str, values: tuple[float, ...] | None, channels: int) -> tuple[tuple[float, float], ...]:
    """Return the ranges of a domain: none, one for all bands, or one for each."""
    pairs = _pairs(values or ())
    if len(pairs) not in (0, 1, channels):
        wanted = f"give two values, or two for each of {channels} channels"
        raise UserError(f"{setting(f'data.{name}', values)}: {len(values or ())} values; {wanted}")
    return pairs


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Settings):
    """How long, on what, and what is kept."""

    section: ClassVar[str] = "train"

    steps: PositiveInt = 100_000
    """Length of the run in optimiser steps."""
    batch: PositiveInt = 1
    """Images per domain in a step, over all devices."""
    accumulate: PositiveInt = field(default=1, metadata=IF_SET)
    """Parts in which each process takes its share of the batch, one after the other: gradients are those of the whole
    batch, up to norms and chance that look at several images, for less memory."""
    seed: NonNegativeInt = 0
    """Initial weights, order of the images, augmentation and noise all follow from it."""
    device: Device = "auto"
    """Where to train; auto takes the first of cuda, mps, cpu that is there."""
    devices: PositiveInt = 1
    """Processes, each with its share of the batch: GPUs, or CPU processes."""
    precision: Precision = "32"
    """32: float32 (TF32 on GPUs that have it). bf16: autocast, weights and losses stay float32. auto: bf16 where the
    device has instructions for it and the first step agrees with that of float32, else 32; config.yaml says which."""
    compile: bool = field(default=False, metadata=IF_SET)
    """Compile the networks with torch.compile, which takes minutes, for steps of fewer, larger kernels. Where there is
    no compiler, or the first step comes out another one, they stay as they are."""
    cuda_graphs: bool = field(default=False, metadata=IF_SET)
    """Record passes of the networks as CUDA graphs, which start all of their kernels at once: for small batches on
    NVIDIA GPUs. On other devices, or where the first step is another one or no faster, networks stay as they are."""
    activation_checkpointing: tuple[str, ...] = field(default=(), metadata=IF_SET)
    """Networks, by the names that checkpoints give them, or all, that keep little of a pass and compute it once more
    for its gradient: the same numbers in less memory and more time."""
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
    watch_every: NonNegativeInt = 200
    """Steps between measurements of translations of 16 held-out images: how much changes, whether there are spots,
    whether light and dark are swapped. Advice follows from them. 0 does not measure."""
    score_every: NonNegativeInt = 0
    """Steps between scores on the validation images: the kernel distance of their translations; 0 does not score."""
    score_with: str = "inception"
    """Features for these scores: inception, mobilenet=FILE, efficientnet, torchvision:NAME, timm:NAME or
    module.path:callable."""
    keep_best: NonNegativeInt = 1
    """Checkpoints kept beside the last ones because they scored best on the validation images."""
    logger: Literal["trackio", "mlflow", "wandb"] | None = field(default=None, metadata=IF_SET)
    """Also tell this logger, which is imported then: settings, numbers and sample pictures. Where it keeps them,
    its own variables say."""
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
        ways = ("compile", "cuda_graphs", "activation_checkpointing")
        asked = [setting(f"train.{way}", getattr(self, way)) for way in ways if getattr(self, way)]
        if len(asked) > 1:
            raise UserError(f"{' and '.join(asked)}: give one of them")
        if self.batch % self.parts:
            batch, parts = setting("train.batch", self.batch), setting("train.accumulate", self.accumulate)
            raise UserError(f"{batch} cannot be cut into equal parts by {parts}; take a multiple of {self.parts}")

    @property
    def parts(self) -> int:
        """In how many parts a batch is seen: those of all processes."""
        return self.devices * self.accumulate


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
    formats: tuple[DomainFormat, ...] = field(default=(), metadata=IF_SET)
    """What was found of the domains' images, in the order of their keys; nothing where all are plain."""

    def format_of(self, domain: str, domains: Sequence[str]) -> DomainFormat:
        """Return the format of a domain's images.

        Args:
            domain: its key.
            domains: the keys of all.
        """
        if not self.formats:
            return DomainFormat(channels=self.method.channels_of(domain))
        return dict(zip(domains, self.formats, strict=True))[domain]


def under_preset(
    name: str, options: type[MethodConfig], presets: Mapping[str, Preset], preset: str | None
) -> RunConfig:
    """Return the complete settings of a method under a preset.

    Args:
        name: of the method.
        options: its class of settings.
        presets: all that it has, by name.
        preset: name of one; the first if None.

    Raises:
        UserError: there is no such preset.
    """
    preset = preset or next(iter(presets))
    if preset not in presets:
        raise UserError(f"{name} has no preset {preset!r}{nearest(preset, presets)}")
    chosen = presets[preset]
    return RunConfig(
        name=name,
        preset=preset,
        method=with_changes(options(), chosen.method),
        data=with_changes(DataConfig(), chosen.data),
        train=with_changes(TrainConfig(), chosen.train),
    )


def names_code(extractor: str) -> bool:
    """Return whether the name of an extractor is code to be run: module.path:callable."""
    kind, colon, _ = extractor.partition("=")[0].partition(":")
    return bool(colon) and kind not in ("torchvision", "timm")


def code_in(config: RunConfig) -> str | None:
    """Return the setting that names code to be run, if one does."""
    named = config.train.score_with
    return setting("train.score_with", named) if names_code(named) else None


def to_yaml(config: RunConfig) -> str:
    """Return `config` as YAML; `from_dict` of its parts gives an equal config."""
    return yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True)
