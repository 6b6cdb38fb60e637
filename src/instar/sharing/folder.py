"""The files of a shared model, of a run's checkpoint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from instar.core import registry
from instar.core.config import RunConfig
from instar.core.description import description
from instar.core.digests import write_sums
from instar.core.errors import UserError, setting
from instar.core.files import read_own, write_atomically
from instar.core.method import outline
from instar.core.plain import read_json
from instar.core.run import (
    CONFIG,
    METHOD,
    TRAINING,
    find_checkpoint,
    naming_the_last_whole,
    read_config,
    read_training,
    translating_weights,
    write_config,
)
from instar.core.tensors import write_tensors
from instar.sharing.card import PICTURE, ModelCard

CARD = "README.md"
LARGEST = 1 << 24
"""Bytes of a file of scores."""


@dataclass(frozen=True)
class Words:
    """What a run cannot tell of itself.

    Attributes:
        data: on the images.
        license: what may be done with the weights.
        scores: JSON file that `evaluate` has written, if one is given.
        picture: to be shown on the card; the run's newest samples if None.
    """

    data: str = ""
    license: str = ""
    scores: Path | None = None
    picture: Path | None = None


def write_shared(run: Path, out: Path, name: str, words: Words, dtype: torch.dtype = torch.float32) -> ModelCard:
    """Write the files of a shared model into an empty folder.

    Of the weights only those are written that translate, as averages where these were kept. Settings lose what tells
    of this machine: the paths of images and of other runs. No optimiser, no name of an image and no code is written.

    Args:
        run: directory of a run, or one checkpoint.
        out: the folder.
        name: what the model is to be called.
        words: what a run cannot tell.
        dtype: in which weights are stored; they compute in float32 whatever it is.

    Raises:
        UserError: there is no whole checkpoint, a weight is too large for `dtype`, its method is code of one's own, or
            a file cannot be read.
    """
    checkpoint = find_checkpoint(run)
    with naming_the_last_whole(checkpoint):
        config = read_config(checkpoint / CONFIG)
        if registry.code(config.name):
            raise UserError(f"{run}: its method {config.name} is code of your own, which is not shared")
        method = outline(registry.get(config.name), config.method)
        weights = translating_weights(checkpoint, method, config)
        training = read_training(checkpoint)
    shared = _without_places(config)
    write_config(shared, out)
    rights = (out / CONFIG).stat().st_mode & 0o777
    write_tensors({name: _stored(tensor, dtype) for name, tensor in weights.items()}, out / METHOD, rights)
    shutil.copyfile(checkpoint / TRAINING, out / TRAINING)
    write_sums(out)
    picture = words.picture or _newest(run)
    card = ModelCard(
        name=name,
        config=shared,
        method=description(config.name),
        step=int(training["step"]),
        data=words.data,
        license=words.license,
        scores=[*_validation(training.get("best", ())), *(_scores(words.scores) if words.scores else ())],
        picture=picture is not None,
    )
    if picture is not None:
        _copy_picture(picture, out / PICTURE)
    write_atomically(out / CARD, card.text().encode())
    return card


def _stored(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    stored = tensor.to(dtype)
    if not bool(stored.isfinite().all()):
        raise UserError(f"a weight is too large for {dtype}")
    return stored


def _without_places(config: RunConfig) -> RunConfig:
    usual = type(config.train)()  # `score_with` may name a file
    data, train = replace(config.data, roots=()), replace(config.train, start_from=None, score_with=usual.score_with)
    return replace(config, data=data, train=train)


def _newest(run: Path) -> Path | None:
    found = sorted((run / "samples").glob("step-*.png"))
    return found[-1] if found else None


def _copy_picture(given: Path, out: Path) -> None:
    from PIL import Image  # noqa: PLC0415

    try:
        with Image.open(given) as image:
            image.convert("RGB").save(out)  # written anew: without what a file says of place and camera
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{setting('picture', given)}: cannot be read ({error})") from error


def _validation(best: Sequence[tuple[int, float]]) -> list[tuple[str, str]]:
    if not best:
        return []
    step, score = min(best, key=lambda one: one[1])
    return [(f"kernel distance on validation images, step {step:,}", f"{score:.4g}")]


def _scores(file: Path) -> list[tuple[str, str]]:
    """Return names and values of a report of `evaluate`, those of each column."""
    try:
        with read_own(file) as opened:
            report = read_json(opened.read(LARGEST))
        return [
            (f"{score['name']}, {column['title']}", f"{score['value']:.4g}")
            for column in report["columns"]
            for score in column["scores"]
            if isinstance(score["value"], (int, float))
        ]
    except (OSError, ValueError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise UserError(f"{setting('scores', file)}: no report that `instar.evaluate` has written as JSON") from error
