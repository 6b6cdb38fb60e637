"""The scores of pictures in folders, made by whatever tool."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from instar.core.errors import UserError
from instar.core.images import Array, list_images, natural, to_tensor
from instar.data import ImageRef
from instar.data.labels import square_pixels
from instar.evaluation.by_class import mean_over_classes
from instar.evaluation.held_out import loaded
from instar.evaluation.references import features_of, real_features
from instar.evaluation.runs import COPY, Column, Report
from instar.evaluation.sanity import caveats, formats, leaks
from instar.evaluation.scores import Judge, Row
from instar.metrics.extractors import Extractor


def evaluate_folders(
    images: Path, reference: Path, extractor: Extractor, *, inputs: Path | None = None, size: int | None = None
) -> Report:
    """Score the pictures of a folder against real images of the target domain.

    Where both folders have the same sub-folders, these are classes, and the means over classes are scored too.

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
    reference_features = real_features(extractor, real, 3, side)
    judge = Judge(extractor, reference_features.features)
    of_real = [real[place].label for place in reference_features.places]
    columns = []
    if inputs is None:
        seen, places = features_of(extractor, made, 3, side)
        scores, shown = judge.distances(seen), [made[place] for place in places]
    else:
        pairs = _by_name(_refs(inputs, "--inputs"), inputs, made, images)
        columns.append(Column(COPY, judge.scores((x, x, None) for _, x, _ in _rows(pairs, side))[0]))
        shown = []

        def rows() -> Iterator[Row]:
            for refs, x, y in _rows(pairs, side):
                shown.extend(refs)
                yield x, y, None

        seen, means, said = judge.look(rows())
        scores = [*judge.distances(seen), *means]
        notes += said
    more, said = mean_over_classes(extractor, seen, [ref.label for ref in shown], judge.real, of_real)
    columns.append(Column(str(images), [*scores, *more]))
    protocol = f"{extractor.describe((len(seen), len(judge.real)))}; centre squares at {side} px"
    return Report(str(images), "", f"{images} against {reference}", protocol, columns, [*notes, *said])


def _refs(folder: Path, flag: str) -> list[ImageRef]:
    """Return the images of a folder; their classes are the folders in it."""
    if not folder.is_dir():
        raise UserError(f"{flag} {folder}: there is no such folder")
    found = sorted(list_images(folder, recursive=True), key=natural)
    if not found:
        raise UserError(f"{flag} {folder}: no images")
    inside = [path.relative_to(folder).parts for path in found]
    return [ImageRef(path, label=parts[0] if parts[1:] else None) for path, parts in zip(found, inside, strict=True)]


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


def _rows(pairs: list[tuple[ImageRef, ImageRef]], side: int) -> Iterator[tuple[list[ImageRef], Tensor, Tensor]]:
    """Yield translations as they are named, inputs and translations in batches; unreadable pairs are left out."""

    def load(pair: tuple[ImageRef, ImageRef]) -> tuple[ImageRef, Array, Array]:
        return pair[1], square_pixels(pair[0], 3, side), square_pixels(pair[1], 3, side)

    for found in loaded(pairs, load):
        refs, x, y = zip(*found, strict=True)
        yield list(refs), _stacked(x), _stacked(y)


def _stacked(arrays: Iterable[Array]) -> Tensor:
    return torch.stack([to_tensor(array) for array in arrays])
