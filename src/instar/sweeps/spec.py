"""A grid of runs, methods x data x seeds, as a YAML file says it, and where each of its runs stands."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import yaml

from instar.core import registry
from instar.core.config import DataConfig, RunConfig, TrainConfig, to_yaml
from instar.core.errors import UserError, nearest, shown
from instar.core.method import defaults
from instar.core.plain import read_yaml
from instar.core.run import CONFIG, checkpoints, is_unused, read_config, read_training
from instar.core.settings import from_dict
from instar.data import find, with_number_of_domains
from instar.evaluation.own_features import refuse_own_features
from instar.evaluation.validation import LEAST

SETTINGS = ("preset", "method", "data", "train")
"""What may be set for all runs at once, named as in config.yaml; a run may also set `name`, the method."""

SettingsT = TypeVar("SettingsT")


@dataclass(frozen=True, kw_only=True)
class Score:
    """How the runs are scored, while they train and at the end."""

    extractor: str = "inception"
    """As for `instar.evaluate`."""
    weights: str | None = None
    """File with the extractor's weights."""
    every: int = 0
    """Images, per domain, between scores on the validation images; 0 does not score while training."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """The file. Paths in it are relative to its folder; ``~`` and ``$NAME`` are filled in."""

    out: str
    """Folder of the runs, OUT/DATA/RUN/seed-N, and of the tables, OUT/DATA/table.md and so on."""
    data: Mapping[str, Any]
    """By name: a data set folder, or a list of two folders, one per domain."""
    runs: Mapping[str, Any]
    """By name: `name` (of the method; the run's own name if left out), `preset`, and changes to `method`, `data` and
    `train`, as in config.yaml. They win over `common`."""
    seeds: list[int] = field(default_factory=lambda: [0])
    """Each run is trained once with each."""
    images: int | None = None
    """Seen in training, per domain, by every run; as long as each preset says if left out."""
    common: Mapping[str, Any] = field(default_factory=dict)
    """`preset`, `method`, `data` and `train` for all runs."""
    score: Score = field(default_factory=Score)


@dataclass(frozen=True)
class Job:
    """One run of the grid."""

    data: str
    name: str
    """Of the run in the spec: a row of the table."""
    config: RunConfig
    folder: Path

    @property
    def title(self) -> str:
        """How it is called in messages."""
        return f"{self.data}/{self.name}/seed-{self.config.train.seed}"


@dataclass(frozen=True)
class Grid:
    """All runs, those of one seed beside each other, so that every method is there early."""

    out: Path
    extractor: str
    weights: Path | None
    jobs: list[Job]


def read_grid(path: Path) -> Grid:
    """Read a spec, build every run's settings, and look whether its images are there.

    Raises:
        UserError: a key or value is wrong, images are missing, or runs of a data set could not be compared.
    """
    spec = from_dict(Spec, _read(path), str(path))
    _check_names(spec, path)
    base = path.parent
    weights = _path(spec.score.weights, base, path) if spec.score.weights else None
    if weights and not weights.is_file():
        raise UserError(f"{path}, score.weights: {weights}: no such file")
    out = _path(spec.out, base, path)
    roots = {name: _roots(name, given, base, path) for name, given in spec.data.items()}
    configs = {name: _config(spec, name, weights, path) for name in spec.runs}
    jobs = []
    for data, seed, name in product(spec.data, spec.seeds, spec.runs):
        config = replace(
            configs[name],
            data=replace(configs[name].data, roots=roots[data]),
            train=replace(configs[name].train, seed=seed),
        )
        jobs.append(Job(data, name, config, out / data / name / f"seed-{seed}"))
    _check_images([job for job in jobs if job.config.train.seed == spec.seeds[0]], path)
    return Grid(out, spec.score.extractor, weights, jobs)


def standing(job: Job) -> int | None:
    """Return the step at which a run stands, or None if it has not begun.

    Raises:
        UserError: its folder holds something else, or a run with other settings.
    """
    if is_unused(job.folder):
        return None
    if not (job.folder / CONFIG).is_file():
        raise UserError(f"{job.folder}: not a run directory (it has no {CONFIG}); move it away")
    stored = read_config(job.folder / CONFIG)
    # The training writes the names of the domains down; the spec may leave them open.
    open_names = {
        key: getattr(stored.data, key) for key in ("source", "target") if getattr(job.config.data, key) is None
    }
    wanted = replace(job.config, data=replace(job.config.data, **open_names))
    if stored != wanted:
        setting, was, is_now = _first_difference(_flat(asdict(stored)), _flat(asdict(wanted)))
        raise UserError(
            f"{job.folder} was trained with {setting} {was}, and the spec now says {is_now}: "
            "put it back, give the run another name, or move the folder away"
        )
    kept = checkpoints(job.folder)
    if not kept:
        return 0
    step: int = read_training(kept[-1])["step"]
    return step


def _read(path: Path) -> Mapping[str, Any]:
    try:
        values = read_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UserError(f"{path}: not YAML ({error})") from error
    if not isinstance(values, Mapping):
        raise UserError(f"{path}: not a benchmark; it should hold out, data and runs")
    for key in ("out", "data", "runs"):
        if not values.get(key):
            raise UserError(f"{path}: {key!r} is missing")
    return values


def _check_names(spec: Spec, path: Path) -> None:
    for key, names in (("data", spec.data), ("runs", spec.runs)):
        for name in names:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", str(name)):
                raise UserError(f"{path}, {key}: {shown(name)} names a folder: use letters, digits, - and _")
    if not spec.seeds or min(spec.seeds) < 0 or len(set(spec.seeds)) < len(spec.seeds):
        raise UserError(f"{path}, seeds: give one or more different numbers from 0 on, not {spec.seeds}")


def _path(text: str, base: Path, spec: Path) -> Path:
    full = os.path.expandvars(os.path.expanduser(text))  # noqa: PTH111  (both, and before it is a path)
    if unknown := re.search(r"\$\{?(\w+)", full):
        raise UserError(f"{spec}: {text}: {unknown[1]} is not set; set it in the environment")
    # Unlike resolve(), this keeps the name of a symbolic link: a folder's name is its domain's.
    return Path(os.path.abspath(base / full))  # noqa: PTH100


def _roots(name: str, given: Any, base: Path, spec: Path) -> tuple[Path, ...]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise UserError(f"{spec}, data.{name}: give a folder, or a list of folders, not {shown(given)}")
    return tuple(_path(text, base, spec) for text in texts)


def _config(spec: Spec, name: str, weights: Path | None, path: Path) -> RunConfig:
    """Return the settings of a run but for its images and its seed."""
    own, where = spec.runs[name] or {}, f"{path}, runs.{name}"
    _check_settings(spec.common, SETTINGS, f"{path}, common")
    _check_settings(own, ("name", *SETTINGS), where)
    ruled = {("data", "roots"): "data", ("train", "seed"): "seeds"}
    ruled |= {("train", "steps"): "images"} if spec.images is not None else {}
    ruled |= dict.fromkeys([("train", "score_every"), ("train", "score_with")], "score") if spec.score.every else {}
    for (part, key), by in ruled.items():
        if any(key in (settings.get(part) or {}) for settings in (spec.common, own)):
            raise UserError(f"{where}: {part}.{key} follows from {by!r} of the spec; leave it out")
    method = own.get("name", name)
    kind = registry.get(method)
    base = defaults(method, kind, own.get("preset", spec.common.get("preset")))
    plain = yaml.safe_load(to_yaml(base))

    def changed(key: str, cls: type[SettingsT]) -> SettingsT:
        values = _merged(_merged(plain[key], spec.common.get(key) or {}), own.get(key) or {})
        return from_dict(cls, values, f"{where}.{key}")

    config = replace(
        base,
        method=changed("method", kind.options),
        data=changed("data", DataConfig),
        train=changed("train", TrainConfig),
    )
    train = config.train
    if spec.images is not None:
        train = replace(train, steps=_steps(spec.images, train.batch, f"{where}: images"))
    if spec.score.every:
        train = replace(
            train,
            score_every=_steps(spec.score.every, train.batch, f"{where}: score.every"),
            score_with=f"{spec.score.extractor}={weights}" if weights else spec.score.extractor,
        )
    try:
        refuse_own_features(config, spec.score.extractor)
    except UserError as error:
        raise UserError(f"{where}: {error.message.raw}") from error
    return replace(config, train=train)


def _check_settings(values: Any, known: tuple[str, ...], where: str) -> None:
    if not isinstance(values, Mapping):
        raise UserError(f"{where}: expected {', '.join(known)}, found {shown(values)}")
    for key, value in values.items():
        if key not in known:
            raise UserError(f"{where}: unknown setting {shown(key)}{nearest(str(key), known)}")
        if not isinstance(value, str if key in ("name", "preset") else Mapping) and value is not None:
            raise UserError(
                f"{where}.{key}: {shown(value)} is not {'a name' if key in ('name', 'preset') else 'settings'}"
            )


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return new
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}


def _steps(images: int, batch: int, where: str) -> int:
    if images < batch or images % batch:
        raise UserError(f"{where} {images} must be a multiple of its batch of {batch}")
    return images // batch


def _check_images(jobs: list[Job], path: Path) -> None:
    """Refuse, before anything is trained, what cannot be trained or compared."""
    first: dict[str, tuple[Job, tuple[Any, ...]]] = {}
    for job in jobs:
        cfg = job.config.data
        try:
            method = with_number_of_domains(job.config).method
            found = find(cfg, registry.get(job.config.name).kind_of(method))
        except UserError as error:
            raise UserError(f"{path}, {job.data}/{job.name}: {error.message.raw}") from error
        if not all(found.test.values()):
            raise UserError(f"{path}, data.{job.data}: there are no test images to score with")
        if job.config.train.score_every and min(len(refs) for refs in found.val.values()) < LEAST:
            raise UserError(f"{path}, score.every: set data.validation to {LEAST} or more, in common")
        mine = (f"{cfg.size} px", " -> ".join(found.names.values()))
        other, theirs = first.setdefault(job.data, (job, mine))
        if mine != theirs:
            said = f"{other.name} works on {', '.join(theirs)}, {job.name} on {', '.join(mine)}"
            raise UserError(f"{path}, {job.data}: runs of one table must work on the same images: {said}")


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": value}
    return found


def _first_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, str, str]:
    key = next(key for key in [*old, *new] if key not in old or key not in new or old[key] != new[key])
    was, is_now = (_said(values.get(key)) for values in (old, new))
    return key, was, is_now


def _said(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
