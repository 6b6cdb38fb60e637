"""Masks and label maps of inputs: files of the same names in a folder of their own, with a page for each of theirs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from typing_extensions import Self

from instar.core.config import Pages
from instar.core.errors import UserError, setting
from instar.core.files import write_atomically
from instar.core.formats import FULL, DomainFormat
from instar.core.images import to_array
from instar.core.listing import composed, listed, without_suffix
from instar.core.masks import as_mask, largest_of, white
from instar.core.raster import NotRead, Picture, Raster
from instar.core.rasters import as_raster
from instar.core.reading import UnreadableImage, page_count, probe, read
from instar.core.samples import WIDE
from instar.core.stack import Stack
from instar.core.windows import open_parts
from instar.inference.jobs import Job, is_file
from instar.inference.request import TranslationRequest
from instar.inference.results import Paged, Result, Single
from instar.inference.variants import Variant

T = TypeVar("T")

_DIRECT = ("L", "LA", "RGB", "RGBA", "CMYK")
"""Modes whose numbers may be mixed as they are."""


class Companions:
    """The images of a folder by what they belong to: their paths in it, without the suffix."""

    def __init__(self, folder: Path, given_as: str) -> None:
        """List the folder.

        Args:
            folder: of the companions.
            given_as: name of the setting, for messages.

        Raises:
            UserError: there is no such folder, or no image in it.
        """
        if not folder.is_dir():
            raise UserError(f"{setting(given_as, folder)}: there is no such folder")
        self.folder = folder
        self._files: dict[str, Path] = {}
        for path in listed(folder).images:
            key = composed(without_suffix(path.relative_to(folder).as_posix()))
            other = self._files.setdefault(key, path)
            if other != path:
                raise UserError(f"{setting(given_as, folder)}: {other.name} and {path.name} would belong to one image")
        if not self._files:
            raise UserError(f"{setting(given_as, folder)}: holds no images")

    def of(self, job: Job) -> Path:
        """Return the companion of a job's input.

        Raises:
            UserError: it has none.
        """
        found = self._files.get(composed(job.key))
        if found is None:
            raise UserError(f"{self.folder} holds no image {job.key}, with whatever suffix, for it")
        return found


class Finish:
    """What is done with a result before it is written: kept as the input outside a mask, label maps beside it."""

    def __init__(
        self,
        masks: Companions | None,
        labels: Companions | None,
        labels_out: Path,
        translations: frozenset[int],
        hides: DomainFormat | None = None,
        pages: Pages = "first",
    ) -> None:
        """Make one.

        Args:
            masks: where the input is kept.
            labels: what is copied.
            labels_out: where to.
            translations: numbers of the variants that are translations, not pictures about them.
            hides: what the inputs are, for a model that has never seen what lies outside of masks; None for others.
            pages: of the inputs that are translated.
        """
        self._masks, self._labels, self.labels_out, self._translations = masks, labels, labels_out, translations
        self._hides, self._pages = hides, pages

    def shown(self, job: Job, given: Picture | Stack) -> Picture | Stack:
        """Return what the network is to see of an input. Errors as of calling it."""
        masks = self._read_masks(job, given) if self._hides else []
        if self._hides is None or not masks:
            return given
        if isinstance(given, Stack):
            pages = zip(given.pages, masks, strict=True)
            return replace(given, pages=tuple(hidden(page, mask, self._hides) for page, mask in pages))
        return hidden(given, masks[0], self._hides)

    def __call__(self, job: Job, given: Picture | Stack, result: Result) -> Result:
        """Return the result as it is to be written.

        Raises:
            UserError: the mask or the label map is missing, cannot be read, or is of another size or number of pages.
        """
        if job.variant not in self._translations or not isinstance(result, (Single, Paged)):
            return result
        labels = self._labels.of(job) if self._labels else None
        if labels:
            read_companion(labels, given, self._pages)
        finished = self._outside_kept(job, given, result)
        if labels:
            self._copy(labels, job)
        return finished

    def _outside_kept(self, job: Job, given: Picture | Stack, result: Single | Paged) -> Result:
        masks = self._read_masks(job, given)
        if not masks:
            return result
        if isinstance(result, Paged) and isinstance(given, Stack):
            pages = zip(given.pages, result.stack.pages, masks, strict=True)
            kept = tuple(outside_kept(page, made, mask) for page, made, mask in pages)
            return Paged(replace(result.stack, pages=kept))
        assert isinstance(result, Single)
        assert not isinstance(given, Stack)
        return Single(outside_kept(given, result.image, masks[0]))

    def _read_masks(self, job: Job, given: Picture | Stack) -> list[Picture]:
        """Return the masks of an input, one for each of its pages; none if none were given."""
        if self._masks is None:
            return []
        return [as_mask(page) for page in read_companion(self._masks.of(job), given, self._pages)]

    def of_windows(self, job: Job, size: tuple[int, int], pages: int) -> WindowedMask | None:
        """Return the mask of an image that is translated window by window, and copy its label map.

        Args:
            job: of the image.
            size: its width and height.
            pages: how many of its pages are translated.

        Raises:
            UserError: as calling it; of a label map only its header is read.
        """
        if job.variant not in self._translations:
            return None
        if self._labels:
            labels = self._labels.of(job)
            for number in set(_numbers(labels, self._pages, pages)):
                _check_size(labels, _told(partial(probe, labels, number))[:2], size)
            self._copy(labels, job)
        if not self._masks:
            return None
        mask = self._masks.of(job)
        return WindowedMask(mask, _numbers(mask, self._pages, pages), size, self._hides)

    def _copy(self, labels: Path, job: Job) -> None:
        suffix = labels.name[len(without_suffix(labels.name)) :]
        target = self.labels_out / f"{without_suffix(job.output)}{suffix}"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(target, labels.read_bytes())
        except OSError as error:
            raise UserError(f"cannot write {target}: {error.strerror}") from error


def finish_of(request: TranslationRequest, made: Sequence[Variant], hides: DomainFormat | None = None) -> Finish:
    """Return what a request asks for.

    Args:
        request: says it.
        made: its variants.
        hides: as of `Finish`.

    Raises:
        UserError: a folder is missing or empty, or label maps would be written over those that were given.
    """
    masks = Companions(request.keep_outside, "keep_outside") if request.keep_outside else None
    labels = Companions(request.labels, "labels") if request.labels else None
    out = Path(os.path.abspath(request.out))  # noqa: PTH100  (a link keeps its name)
    beside = out.with_name(f"{out.stem if is_file(out) else out.name}_labels")
    if labels and os.path.realpath(beside) == os.path.realpath(labels.folder):
        why = f"they would be written over themselves; choose another {setting('out')}"
        raise UserError(f"{setting('labels', labels.folder)}: {why}")
    translations = frozenset(number for number, one in enumerate(made) if not one.naming.suffix)
    return Finish(masks, labels, beside, translations, hides, request.pages)


class WindowedMask:
    """A mask of which parts are read: a TIFF or NumPy file that allows it, else a page of it is in memory."""

    def __init__(self, path: Path, numbers: Sequence[int], size: tuple[int, int], hides: DomainFormat | None) -> None:
        """Open a mask.

        Args:
            path: of the mask.
            numbers: of the pages of it that belong to those of the image, from 0.
            size: of the image, width and height.
            hides: as of `Finish`.

        Raises:
            UserError: as of calling a `Finish`.
        """
        self._path, self._numbers, self._size, self._hides = path, numbers, size, hides
        self._open(numbers[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: Any) -> None:
        if self._parts:
            self._parts.__exit__(*raised)

    def turn_to(self, page: int) -> None:
        """Go to what belongs to a page of the image, counted from 0."""
        if self._numbers[page] != self._number:
            self.__exit__(None, None, None)
            self._open(self._numbers[page])

    def shown(self, given: Picture, top: int, left: int) -> Picture:
        """Return what the network is to see of the part of an input that begins at a row and a column."""
        return given if self._hides is None else hidden(given, self._part(given, top, left), self._hides)

    def kept(self, given: Picture, made: Picture, top: int, left: int) -> Picture:
        """Return a part of a translation that is its input where the mask is black."""
        return outside_kept(given, made, self._part(given, top, left))

    def _open(self, number: int) -> None:
        self._number = number
        self._parts = open_parts(self._path, number)
        self._whole = None if self._parts else as_mask(_told(partial(read, self._path, number)))
        found = self._parts.header[:2] if self._parts else self._whole.size if self._whole else self._size
        _check_size(self._path, found, self._size)
        try:
            self._largest = largest_of(self._parts) if self._parts else 0
        except NotRead as error:
            raise UserError(f"{self._path}: {error}") from error

    def _part(self, like: Picture, top: int, left: int) -> Picture:
        right, bottom = left + like.width, top + like.height
        if self._whole:
            return self._whole.crop((left, top, right, bottom))
        assert self._parts
        try:
            return as_mask(self._parts.window(top, left, bottom, right), self._largest)
        except NotRead as error:
            raise UserError(f"{self._path}: {error}") from error


def outside_kept(given: Picture, made: Picture, mask: Picture) -> Picture:
    """Return a translation that is its input where a mask is black, bit for bit.

    Gray of the mask mixes both. Of a palette image the result is RGB, or RGBA.

    Args:
        given: the input.
        made: its translation, of the same size.
        mask: of that size.

    Raises:
        UserError: the input and its translation are of different kinds.
    """
    weights = to_array(mask, 1)
    weight = _weight(weights[:, :, 0])
    if isinstance(given, Raster) or isinstance(made, Raster):
        return _raster_mixed(given, made, weight)
    if made.mode in WIDE and given.mode == made.mode:
        mixed = _mixed(np.asarray(given), np.asarray(made), weight)
        result = Image.frombytes(made.mode, made.size, mixed.tobytes())
    else:
        plain = "RGBA" if given.has_transparency_data or made.has_transparency_data else "RGB"
        mode = given.mode if given.mode == made.mode and given.mode in _DIRECT else plain
        one, other = (np.asarray(image.convert(mode)) for image in (given, made))
        mixed = _mixed(one, other, weight[..., None] if one.ndim == 3 else weight)
        result = Image.frombytes(mode, made.size, mixed.tobytes())
    result.info = dict(made.info)
    return result


def hidden(given: Picture, mask: Picture, form: DomainFormat) -> Picture:
    """Return an input that is in the middle of its range where a mask is black, as in a training within masks.

    Args:
        given: the input. One with a palette, or of 1 bit or four colours, becomes RGB.
        mask: of that size.
        form: of the domain of the input.
    """
    outside = ~white(to_array(mask, 1))
    if isinstance(given, Raster):
        pixels = given.pixels.copy()
        pixels[outside, : given.bands] = _middle(form, pixels.dtype)[: given.bands]
        pixels[outside, given.bands :] = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
        return replace(given, pixels=pixels)
    if given.mode not in (*WIDE, "L", "LA", "RGB", "RGBA"):
        given = given.convert("RGBA" if given.has_transparency_data else "RGB")
    pixels = np.array(given)
    bands = len(given.getbands()) - given.mode.endswith("A")
    middle = _middle(form, pixels.dtype)[:bands]
    if pixels.ndim == 2:
        pixels[outside] = middle[0]
    else:
        pixels[outside, :bands] = middle
        pixels[outside, bands:] = 255
    found = Image.frombytes(given.mode, given.size, pixels.tobytes())
    found.info = {key: value for key, value in given.info.items() if key != "transparency"}
    return found


def _middle(form: DomainFormat, dtype: np.dtype[Any]) -> NDArray[np.float64]:
    """Return what of the values of a type is nearest to 0 for the networks: of each band, or of all, (1,)."""
    middle: NDArray[np.float64]
    if not form.plain and not (form.whole_type and dtype in FULL):
        middle = np.mean(form.ranges, axis=1)
    elif dtype.kind == "f":
        middle = np.array([0.5])
    else:
        middle = np.array([128.0 if dtype.itemsize == 1 else 32768.0])
    rounded: NDArray[np.float64] = middle if dtype.kind == "f" else np.rint(middle)
    return rounded


def _weight(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return a mask's values, of `to_array`, in [0, 1]."""
    if values.dtype == np.float32:
        return (values.astype(np.float64) + 1) / 2
    weight: NDArray[np.float64] = values / np.float64(65535 if values.dtype == np.uint16 else 255)
    return weight


def _raster_mixed(given: Picture, made: Picture, weight: NDArray[np.float64]) -> Raster:
    one, other = as_raster(given), as_raster(made)
    if one.mode != other.mode:
        why = f"the input is {one.mode}, its translation {other.mode}: one cannot stand in for the other"
        raise UserError(f"{setting('keep_outside')}: {why}")
    return replace(other, pixels=_mixed(one.pixels, other.pixels, weight[..., None]))


def _mixed(one: NDArray[Any], other: NDArray[Any], weight: NDArray[np.float64]) -> NDArray[Any]:
    mixed = one + (other.astype(np.float64) - one) * weight
    if np.issubdtype(one.dtype, np.integer):
        mixed = np.rint(mixed)
    kept = np.broadcast_to(weight == 0, one.shape)
    return np.where(kept, one, mixed.astype(one.dtype))


def read_companion(path: Path, given: Picture | Stack, chosen: Pages = "first") -> list[Picture]:
    """Read a mask or a label map of an image: for each page that is translated its own, or one for all of them.

    Args:
        path: of the file.
        given: the image, or its pages.
        chosen: which of its pages these are.

    Raises:
        UserError: it cannot be read, or is of another size or number of pages.
    """
    numbers = _numbers(path, chosen, len(given.pages) if isinstance(given, Stack) else 1)
    pages = {number: _told(partial(read, path, number)) for number in dict.fromkeys(numbers)}
    for page in pages.values():
        _check_size(path, page.size, given.size)
    return [pages[number] for number in numbers]


def _numbers(path: Path, chosen: Pages, wanted: int) -> list[int]:
    """Return for each page of an image that is translated the number of what belongs to it in a companion, from 0."""
    there = _told(partial(page_count, path))
    if there == 1:
        return [0] * wanted
    if chosen == "all":
        if there != wanted:
            raise UserError(f"{path} has {there} pages, its image {wanted}: give it as many, or one for all of them")
        return list(range(there))
    return [chosen - 1 if isinstance(chosen, int) else 0]


def _told(look: Callable[[], T]) -> T:
    """Look at a companion; that it cannot be read is said with its own name."""
    try:
        return look()
    except UnreadableImage as error:
        raise UserError(error.message.raw) from error


def _check_size(path: Path, found: tuple[int, ...], size: tuple[int, int]) -> None:
    if tuple(found) != size:
        raise UserError(f"{path} is {found[0]} x {found[1]}, its image {size[0]} x {size[1]}")
