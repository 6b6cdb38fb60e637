"""The scores of pictures in folders, made by whatever tool."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from instar.core.device import pick_device
from instar.core.errors import Message, UserError, setting
from instar.core.events import Listener, ignore
from instar.core.formats import DomainFormat
from instar.core.images import to_tensor
from instar.core.listing import composed, left_out_notes, listed, natural, without_suffix
from instar.core.pairing import paired
from instar.core.raster import Array
from instar.core.reading import UnreadableImage
from instar.data import ImageRef
from instar.data.labels import square_pixels
from instar.evaluation.by_class import mean_over_classes
from instar.evaluation.held_out import loaded, squares
from instar.evaluation.kept_labels import KeptLabels, with_labels
from instar.evaluation.label_maps import LabelTask
from instar.evaluation.progress import counted
from instar.evaluation.references import features_of, real_features
from instar.evaluation.registered_scores import RegisteredScores, reference_images
from instar.evaluation.report import COPY, REAL, Column, Report
from instar.evaluation.sanity import format_notes, leak_notes, lost_notes, set_notes
from instar.evaluation.score import Score, by_name
from instar.evaluation.scores import Batch, Scorer
from instar.evaluation.verdict import verdict
from instar.metrics.extractors import Extractor

COLOUR = DomainFormat(channels=3)
"""As folders are read."""


def evaluate_folders(  # noqa: PLR0913  (a folder for each thing that may be known)
    images: Path,
    reference: Path,
    extractor: Extractor,
    *,
    inputs: Path | None = None,
    size: int | None = None,
    labels: LabelTask | None = None,
    label_maps: Path | None = None,
    reference_labels: Path | None = None,
    on_event: Listener = ignore,
) -> Report:
    """Score the pictures of a folder against real images of the target domain.

    Where both folders have the same sub-folders, these are classes, and the means over classes are scored too.

    Args:
        images: translations, with all sub-folders.
        reference: real images of the target domain.
        extractor: of the features in which distances are taken.
        inputs: what the translations were made from, under the same names: adds how much changed.
        size: side of the centre squares; the short side of the first translation if None.
        labels: how the labels of `label_maps` are found in images.
        label_maps: of the translations, under the same names: adds how well a segmenter finds them.
        reference_labels: label maps of the real images, from which the segmenter learns then, and what these score.
        on_event: told how far it is (`Worked`).

    Raises:
        UserError: a folder holds no images, or no input has the name of a translation.
    """
    left_out: list[str] = []
    made, real = _refs(images, "images", left_out), _refs(reference, "reference", left_out)
    side = size or _short_side(made)
    notes = [*set_notes(made, "translations"), *set_notes(real, "reference images")]
    notes += format_notes([ref.path for ref in made], [ref.path for ref in real])
    notes += leak_notes(made, real, "translations", f"in {setting('reference')}")
    found = real_features(extractor, real, COLOUR, side, on_event)
    notes += lost_notes(real, set(found.places), "reference images")
    scorer = Scorer(extractor, found.features, reference_images(lambda: squares(real, COLOUR, side)))
    columns = []
    of_real: list[tuple[ImageRef, ImageRef]] = []
    if reference_labels:
        there = _refs(reference_labels, "reference_labels", left_out)
        of_real = with_labels(real, there, "reference_labels", reference_labels)
    kept = None
    if label_maps:
        how, maps = labels or LabelTask(), _refs(label_maps, "labels", left_out)
        kept = _Finder(KeptLabels(maps, label_maps, how.palette, how.segmenter or "unet", real=of_real), side, on_event)
    if inputs is None:
        seen, places = features_of(extractor, made, COLOUR, side, "translations", on_event)
        shown = [made[place] for place in places]
        notes += lost_notes(made, set(places), "translations")
        means = _registered(made, side, scorer)
    else:
        pairs = _by_name(_refs(inputs, "inputs", left_out), inputs, made)
        copies = ((x, x, None) for _, x, _ in _rows(pairs, side, COPY, on_event))
        found_there = kept([one for one, _ in pairs]) if kept else []
        columns.append(Column(COPY, [*scorer.scores(copies)[0], *found_there]))
        shown = []

        def batches() -> Iterator[Batch]:
            for refs, x, y in _rows(pairs, side, "translations", on_event):
                shown.extend(refs)
                yield x, y, None

        seen, means, said = scorer.measure(batches())
        read = set(shown)
        notes += [*lost_notes(made, {i for i, ref in enumerate(made) if ref in read}, "translations"), *said]
    classes_of_real = [real[place].label for place in found.places]
    more, said = mean_over_classes(extractor, seen, [ref.label for ref in shown], scorer.real, classes_of_real)
    scores = [*scorer.distances(seen), *means]
    words = verdict(by_name(scores), by_name(columns[0].scores), {}) if columns else ""
    found_here, ceiling = (kept(made), kept.ceiling()) if kept else ([], [])
    columns += [Column(REAL, ceiling)] if ceiling else []
    notes += kept.notes if kept else []
    columns.append(Column(str(images), [*scores, *more, *found_here], verdict=words))
    protocol = f"{extractor.describe((len(seen), len(scorer.real)))}; centre squares at {side} px"
    told = [Message(note) for note in [*notes, *said, *dict.fromkeys(left_out)]]
    return Report(str(images), "", f"{images} against {reference}", protocol, columns, told)


class _Finder:
    """Finds labels in images of one size, and knows in words how."""

    def __init__(self, kept: KeptLabels, side: int, on_event: Listener) -> None:
        self._kept, self._side, self._on_event = kept, side, on_event
        self._device = torch.device(pick_device("auto"))
        self.notes: list[str] = []

    def __call__(self, images: Sequence[ImageRef]) -> list[Score]:
        found, about = self._kept.scores(images, self._side, self._device, self._on_event)
        self.notes = [f"labels are found by {about}"]
        return found

    def ceiling(self) -> list[Score]:
        """Return what real images with label maps score; nothing without any."""
        return self._kept.ceiling(self._side, self._device, self._on_event)


def _registered(made: list[ImageRef], side: int, scorer: Scorer) -> list[Score]:
    """Return the registered scores of translations whose inputs are not known."""
    registered = RegisteredScores(scorer.reference)
    if not registered:
        return []
    for y in squares(made, COLOUR, side):
        registered.add(y)
    return registered.scores()


def _refs(folder: Path, parameter: str, left_out: list[str]) -> list[ImageRef]:
    """Return the images of a folder; their classes are the folders in it. Add to lines about what is left out."""
    if not folder.is_dir():
        raise UserError(f"{setting(parameter, folder)}: there is no such folder")
    listing = listed(folder)
    lines = left_out_notes(listing.left_out)
    if not listing.images:
        raise UserError("; ".join([f"{setting(parameter, folder)}: no images", *lines]))
    left_out += lines
    refs = []
    for path in sorted(listing.images, key=natural):
        inside = path.relative_to(folder)
        label = composed(inside.parts[0]) if inside.parts[1:] else None
        refs.append(ImageRef(path, label=label, key=without_suffix(inside.as_posix())))
    return refs


def _short_side(refs: list[ImageRef]) -> int:
    """Return the short side of the first image that can be read."""
    for ref in refs:
        with suppress(UnreadableImage):
            return min(ref.probe()[:2])
    raise UserError(f"none of the {len(refs)} images can be read, the first is {refs[0].path}")


def _by_name(inputs: list[ImageRef], root: Path, made: list[ImageRef]) -> list[tuple[ImageRef, ImageRef]]:
    """Pair inputs and translations that have the same path, or else the same but for the suffix."""
    found = paired([made, inputs], lambda ref: (ref.key, ref.path.suffix))
    pairs = {row[0]: row[1] for row in found.rows}
    missing = [ref for ref in made if ref not in pairs]
    if missing:
        said = f"{len(missing)} translations have no input, {missing[0].path} first"
        raise UserError(f"{setting('inputs', root)}: {said}")
    return [(pairs[ref], ref) for ref in made]


def _rows(
    pairs: list[tuple[ImageRef, ImageRef]], side: int, what: str, on_event: Listener
) -> Iterator[tuple[list[ImageRef], Tensor, Tensor]]:
    """Yield translations as they are named, inputs and translations in batches; unreadable pairs are left out."""

    def load(pair: tuple[ImageRef, ImageRef]) -> tuple[ImageRef, Array, Array]:
        return pair[1], square_pixels(pair[0], COLOUR, side), square_pixels(pair[1], COLOUR, side)

    for found in counted(loaded(pairs, load), len, what, len(pairs), on_event):
        refs, x, y = zip(*found, strict=True)
        yield list(refs), _stacked(x), _stacked(y)


def _stacked(arrays: Iterable[Array]) -> Tensor:
    return torch.stack([to_tensor(array) for array in arrays])
