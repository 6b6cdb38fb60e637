"""What makes scores less than they seem, in words."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress

from instar.core.listing import LOSSY
from instar.core.member import File, size_of
from instar.core.reading import UnreadableImage, header_notes, summed
from instar.data import ImageRef

FEW = 50
"""Images below which a distance between sets says little."""


def set_notes(images: Sequence[ImageRef], what: str) -> list[str]:
    """Return what is to be known about a set of images: too few, of several sizes, some of them equal.

    Args:
        images: the set.
        what: its name in the sentences, as in "test images of cats".
    """
    notes = []
    if len(images) < FEW:
        notes.append(f"only {len(images)} {what}: distances of so few say little")
    sizes = Counter[tuple[int, int]]()
    for ref in images:
        with suppress(UnreadableImage):  # said by who reads them, see `lost_notes`
            width, height = ref.probe()[:2]
            sizes[width, height] += 1
    if len(sizes) > 1:
        (width, height), most = sizes.most_common(1)[0]
        notes.append(f"{what}: {len(sizes)} sizes, {width} x {height} the most frequent ({most}); all are cut alike")
    files = [ref.path for ref in images if not ref.entry and ref.half != "right" and not ref.page]
    whole = [ref.path for ref in images if not ref.entry and ref.half != "right" and ref.page is None]
    notes += [f"{what}: {line}" for line in summed((str(path), header_notes(path)) for path in whole)]
    twice = sum(len(group) - 1 for group in duplicate_files(files))
    if twice:
        notes.append(f"{what}: {twice} are copies of others, and count as often as they are there")
    return notes


def lost_notes(images: Sequence[ImageRef], kept: Collection[int], what: str) -> list[str]:
    """Return a sentence if images could not be read, with their number and the first of them.

    Args:
        images: all of the set.
        kept: places of those that could be read.
        what: name of the set in the sentence.
    """
    lost = [ref.name for place, ref in enumerate(images) if place not in kept]
    return [f"{what}: {len(lost)} cannot be read and are left out, {lost[0]} first"] if lost else []


def leak_notes(
    test: Iterable[ImageRef], train: Iterable[ImageRef], what: str, among: str = "training images of this run"
) -> list[str]:
    """Return a sentence if files of `test` are among those of `train`, byte for byte, under whatever name.

    Args:
        test: images by which something is scored.
        train: images among which they should not be.
        what: name of the first in the sentence, as in "test images".
        among: name of the second.
    """
    tested = {ref.path for ref in test if not ref.entry}
    trained = {ref.path for ref in train if not ref.entry}
    seen = tested & trained
    for group in duplicate_files(tested | trained):
        if any(path in trained for path in group):
            seen |= {path for path in group if path in tested}
    if not seen:
        return []
    if len(seen) == len(tested):
        return [f"{what}: all are {among}: the scores say what it has learned by heart"]
    return [f"{what}: {len(seen)} of {len(tested)} are {among}, {min(map(str, seen))} first"]


def format_notes(translations: Iterable[File], real: Iterable[File]) -> list[str]:
    """Return a sentence if one side is compressed with losses and the other is not: features see that."""
    lossy = [{path.suffix.lower() in LOSSY for path in side} for side in (list(translations), list(real))]
    if len(lossy[0]) == len(lossy[1]) == 1 and lossy[0] != lossy[1]:
        which = "the images" if True in lossy[0] else "the reference images"
        return [f"{which} are JPEG or WebP, the others are not: part of the distance is compression"]
    return []


def duplicate_files(paths: Iterable[File]) -> list[list[File]]:
    """Return groups of files with the same bytes; only files of equal length are read."""
    by_length: dict[int, list[File]] = defaultdict(list)
    for path in dict.fromkeys(paths):
        with suppress(OSError):  # a link that leads nowhere: it is said where images are read
            by_length[size_of(path)].append(path)
    by_bytes: dict[bytes, list[File]] = defaultdict(list)
    for group in by_length.values():
        for path in group if len(group) > 1 else ():
            with suppress(OSError):
                by_bytes[hashlib.blake2b(path.read_bytes(), digest_size=16).digest()].append(path)
    return [group for group in by_bytes.values() if len(group) > 1]
