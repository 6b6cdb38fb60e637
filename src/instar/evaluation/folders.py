"""The scores of pictures in folders, made by whatever tool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from instar.core.errors import UserError
from instar.core.images import UnreadableImage, list_images, natural
from instar.data import ImageRef
from instar.data.labels import square
from instar.evaluation.caveats import caveats, formats, leaks
from instar.evaluation.held_out import BATCH, squares
from instar.evaluation.runs import COPY, Column, Report
from instar.evaluation.scores import Judge
from instar.metrics.extractors import Extractor


def evaluate_folders(
    images: Path, reference: Path, extractor: Extractor, *, inputs: Path | None = None, size: int | None = None
) -> Report:
    """Score the pictures of a folder against real images of the target domain.

    Args:
        images: translations, with all sub-folders.
        reference: real images of the target domain.
        extractor: of the features in which distances are taken.
        inputs: what the translations were made from, under the same names: adds how much changed.
        size: side of the centre squares; the short side of the first translation if None.

    Raises:
        UserError: a folder holds no images, or no input has the name of a translation.
    """
    made, real = _refs(images, "--images"), _refs(reference, "--reference")
    side = size or min(made[0].probe()[:2])
    notes = [*caveats(made, "translations"), *caveats(real, "reference images")]
    notes += formats([ref.path for ref in made], [ref.path for ref in real])
    notes += [
        note.replace("training images of this run", "in --reference") for note in leaks(made, real, "translations")
    ]
    judge = Judge.of(extractor, squares(real, 3, side))
    columns = []
    if inputs is None:
        features = extractor.features(squares(made, 3, side))
        columns.append(Column(str(images), judge.distances(features)))
        count = len(features)
    else:
        pairs = _by_name(_refs(inputs, "--inputs"), inputs, made, images)
        columns.append(Column(COPY, judge.scores(((x, x, None) for x, _ in _rows(pairs, side)))[0]))
        scores, said = judge.scores((x, y, None) for x, y in _rows(pairs, side))
        columns.append(Column(str(images), scores))
        notes += said
        count = len(pairs)
    protocol = f"{extractor.describe((count, len(judge.real)))}; centre squares at {side} px"
    return Report(str(images), "", f"{images} against {reference}", protocol, columns, notes)


def _refs(folder: Path, flag: str) -> list[ImageRef]:
    if not folder.is_dir():
        raise UserError(f"{flag} {folder}: there is no such folder")
    found = [ImageRef(path) for path in sorted(list_images(folder, recursive=True), key=natural)]
    if not found:
        raise UserError(f"{flag} {folder}: no images")
    return found


def _by_name(
    inputs: list[ImageRef], inputs_root: Path, made: list[ImageRef], made_root: Path
) -> list[tuple[ImageRef, ImageRef]]:
    """Pair inputs and translations that have the same path but for the suffix."""
    known = {ref.path.relative_to(inputs_root).with_suffix(""): ref for ref in inputs}
    keyed = [(known.get(ref.path.relative_to(made_root).with_suffix("")), ref) for ref in made]
    pairs = [(x, y) for x, y in keyed if x is not None]
    if len(pairs) < len(made):
        missing = next(y for x, y in keyed if x is None)
        raise UserError(
            f"--inputs {inputs_root}: {len(made) - len(pairs)} translations have no input, {missing.path} first"
        )
    return pairs


def _rows(pairs: list[tuple[ImageRef, ImageRef]], side: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs and translations in batches; a pair of which one cannot be read is left out."""
    for start in range(0, len(pairs), BATCH):
        x, y = [], []
        for before, after in pairs[start : start + BATCH]:
            try:
                both = square(before, 3, side), square(after, 3, side)
            except UnreadableImage:
                continue
            x.append(both[0])
            y.append(both[1])
        if x:
            yield torch.stack(x), torch.stack(y)
