"""Everything that may be wrong with a folder of images, before hours of training are spent on it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from instar.core.batch import Paired, Unpaired
from instar.core.config import DataConfig
from instar.core.errors import Message, UserError
from instar.core.evenly import evenly
from instar.core.events import Listener, Worked, ignore
from instar.core.images import eight_bit, to_array, viewable
from instar.core.listing import LeftOut, Listing, left_out_notes, listed, natural
from instar.core.packed import is_packed
from instar.core.raster import Picture, Raster
from instar.core.reading import UnreadableImage, notes, summed
from instar.core.samples import WIDE
from instar.data.dataset import DataSet, Split, Splits
from instar.data.layouts import tabular, tree
from instar.data.likeness import MOST, UNLIKE, unlike
from instar.data.refs import ImageRef
from instar.data.selection import Selection, read, select
from instar.data.threads import each_in_threads

TINY = 32
_LISTED = 10
_SMALL = 256
"""Longer side, in pixels, of images that are compared or shown."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What one image turned out to be."""

    ref: ImageRef
    size: tuple[int, int] = (0, 0)
    """Width and height."""
    mode: str = ""
    digest: str = ""
    """Equal for equal pixels."""
    constant: bool = False
    notes: tuple[str, ...] = ()
    """What of the file is not read."""
    error: str = ""
    """Why it cannot be read."""
    ends: tuple[float, float] | None = None
    """Smallest and largest value, of images of more than 8 bits or of other numbers."""


@dataclass(frozen=True)
class Group:
    """The images of one domain in one split."""

    split: str
    domain: str
    facts: list[Fact]

    def readable(self) -> list[Fact]:
        """Return the images that can be read."""
        return [fact for fact in self.facts if not fact.error]


@dataclass(frozen=True)
class Report:
    """The findings of `check`."""

    groups: list[Group]
    unreadable: list[tuple[str, str]]
    """Name and reason."""
    duplicates: list[list[str]]
    """Names of images with equal pixels in one split of one domain."""
    leaks: list[tuple[str, str]]
    """An image and an equal one in another split of the same domain."""
    tiny: list[str]
    """Image files with a side shorter than `TINY` pixels; digits in one file are meant to be small."""
    constant: list[str]
    """Images of one colour."""
    notes: list[Message] = field(default_factory=list)
    shared: list[tuple[str, str]] = field(default_factory=list)
    """An image and an equal one in another domain."""
    domains: tuple[str, str] | None = None
    """Names of the domains whose training images are pairs, or look so."""
    pairs: list[tuple[ImageRef, ImageRef]] = field(default_factory=list)
    """Training images that are pairs, or look so: both domains have the same file names, or files hold both."""

    @property
    def problems(self) -> int:
        """Number of findings; 0 means that nothing is wrong."""
        parts = (self.unreadable, self.duplicates, self.leaks, self.shared, self.tiny, self.constant)
        return sum(len(part) for part in parts)

    def lines(self) -> list[Message]:
        """Return the report as plain text."""
        text = [line for group in self.groups for line in _group_lines(group)]
        if self.domains:
            plural = "s" * (len(self.pairs) != 1)
            text.append(f"{len(self.pairs)} pair{plural} to train on, for methods that take pairs")
        text += [f"note: {note.raw}" for note in self.notes]
        text += _listed("unreadable", [f"{name}: {reason}" for name, reason in self.unreadable])
        text += self._leak_lines()
        text += _listed("same pixels in two domains", [f"{one} = {other}" for one, other in self.shared])
        text += _listed("same pixels twice", [" = ".join(names) for names in self.duplicates])
        text += _listed(f"smaller than {TINY} pixels", self.tiny)
        text += _listed("of one colour only", self.constant)
        text.append(f"{self.problems} problem{'' if self.problems == 1 else 's'} found")
        return [Message(line) for line in text]

    def _leak_lines(self) -> Iterator[str]:
        split = {fact.ref.name: group.split for group in self.groups for fact in group.facts}
        by_splits: dict[tuple[str, str], list[str]] = {}
        for one, other in self.leaks:
            by_splits.setdefault((split[one], split[other]), []).append(f"{one} = {other}")
        for (first, later), names in by_splits.items():
            yield from _listed(f"same pixels in {first} and {later}", names)


def check(cfg: DataConfig, paired: bool | None = None, on_event: Listener = ignore) -> Report:
    """Read every file of a data set, or of a plain folder of images, and report what is in it.

    Args:
        cfg: the folders; names of domains, if only these are to be read.
        paired: whether it is to be read as pairs; None goes by the layout and the file names.
        on_event: told how many images are read.

    Raises:
        UserError: there are no images, or no pairs where `paired` asks for them.
    """
    found = _found(cfg, paired)
    total, done = sum(len(refs) for _, _, refs in found.parts), 0
    groups = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for split, domain, refs in found.parts:
            facts = []
            for fact in each_in_threads(_fact, refs, pool):
                facts.append(fact)
                done += 1
                on_event(Worked("reading images", done, total))
            groups += [Group(split, domain, facts)] if facts else []
    readable = [fact for group in groups for fact in group.readable()]
    lacking = summed((fact.ref.name, fact.notes) for fact in readable)
    faults = [(str(one.path), one.why.value) for one in found.left_out if one.fault]
    return Report(
        groups=groups,
        unreadable=[*faults, *((fact.ref.name, fact.error) for group in groups for fact in group.facts if fact.error)],
        duplicates=[names for group in groups for names in _duplicates(group)],
        leaks=list(_leaks(groups)),
        shared=list(_shared(groups)),
        tiny=[fact.ref.name for fact in readable if min(fact.size) < TINY and not fact.ref.entry],
        constant=[fact.ref.name for fact in readable if fact.constant],
        notes=[*found.notes, *map(Message, [*left_out_notes(found.left_out), *lacking, *_unlike(found)])],
        domains=found.domains,
        pairs=list(found.pairs),
    )


@dataclass(frozen=True)
class _Found:
    parts: Sequence[tuple[str, str, Sequence[ImageRef]]]
    """Images by split and domain."""
    left_out: Sequence[LeftOut]
    notes: list[Message] = field(default_factory=list)
    domains: tuple[str, str] | None = None
    pairs: Sequence[tuple[ImageRef, ImageRef]] = ()


def _found(cfg: DataConfig, paired: bool | None) -> _Found:
    """Return the images as the files lie, not as a run would split them."""
    cfg = replace(cfg, holdout=0, validation=0)
    try:
        data = read(cfg, Unpaired)
        if len(data.domains) > 2 and not paired and cfg == cfg.unnamed():
            left_out = [one for domain in data.domains.values() for one in domain.left_out]
            return _Found(_parts(data.domains), list(dict.fromkeys(left_out)))
        found = select(data, cfg, Paired if paired else Unpaired)
    except UserError as error:
        if len(cfg.roots) == 1 and not paired and is_packed(cfg.roots[0]):
            alone = tabular.one_domain(cfg.roots[0])
            return _Found(_parts({tree.name_of(cfg.roots[0]): alone}), alone.left_out, [error.message])
        listing = listed(cfg.roots[0]) if len(cfg.roots) == 1 and cfg.roots[0].is_dir() else Listing([], [])
        if paired or not listing.images:
            raise
        refs = [ImageRef(path) for path in sorted(listing.images, key=natural)]
        return _Found([("all", cfg.roots[0].name, refs)], listing.left_out, [error.message])
    domains = {name: data.domains[name] for name in found.names.values()}
    if paired:
        splits: tuple[Split, ...] = ("train", "test")
        pairs = [(split, found.names[key], refs) for split in splits for key, refs in found.images(split).items()]
        parts, notes = [*pairs, *_parts(domains, ("val",))], found.notes
        return _Found(parts, found.left_out, _own(notes, found.left_out), *_pairs(found))
    found_pairs, notes = None, found.notes
    if paired is None and (cfg.pair_by is not None or _looks_paired(found)):
        found_pairs, notes = _as_pairs(data, cfg)
    # What has no partner is read nevertheless.
    own = _own(notes, found.left_out)
    return _Found(_parts(domains), found.left_out, own, *(_pairs(found_pairs) if found_pairs else ()))


def _parts(
    domains: Mapping[str, Splits], splits: Sequence[Split] = ("train", "test", "val")
) -> list[tuple[str, str, Sequence[ImageRef]]]:
    return [(split, name, domain.refs(split)) for split in splits for name, domain in domains.items()]


def _own(notes: Sequence[Message], left_out: Sequence[LeftOut]) -> list[Message]:
    """Return notes but for those of what is left out, which the report says at its end."""
    others = left_out_notes(left_out)
    return [note for note in notes if note not in others]


def _as_pairs(data: DataSet, cfg: DataConfig) -> tuple[Selection | None, list[Message]]:
    try:
        found = select(data, cfg, Paired)
    except UserError as error:
        return None, [Message(f"not usable as pairs: {error.message.raw}")]
    return found, found.notes


def _pairs(found: Selection) -> tuple[tuple[str, str], list[tuple[ImageRef, ImageRef]]]:
    """Return the names of the domains of pairs, and the training images."""
    first, second = found.names.values()
    return (first, second), list(zip(*found.train.values(), strict=True))


def _unlike(found: _Found) -> Iterator[str]:
    """Say so if images are no more alike with their partners than shuffled."""
    first, second = readable_pairs(found.pairs, MOST)
    if found.domains and unlike([eight_bit(image) for image in first], [eight_bit(image) for image in second]):
        one, other = found.domains
        yield f"{one} and {other} share their file names, but {UNLIKE}: methods that take pairs need others"


def readable_pairs(
    pairs: Sequence[tuple[ImageRef, ImageRef]], count: int
) -> tuple[list[Image.Image], list[Image.Image]]:
    """Return up to `count` pairs as small pictures, spread evenly over all; those that cannot be read are left out."""
    found = []
    for one, other in evenly(pairs, count):
        with suppress(UnreadableImage):
            found.append((_thumbnail(one), _thumbnail(other)))
    return [first for first, _ in found], [second for _, second in found]


def _thumbnail(ref: ImageRef) -> Image.Image:
    with ref.decoded() as image:
        small = viewable(image).copy()
    small.thumbnail((_SMALL, _SMALL))
    return small


def _looks_paired(found: Selection) -> bool:
    """Tell whether the same file names are on both sides, the files hold both, or the rows of a table do."""
    a, b = found.train.values()
    if [ref.path.stem for ref in a] == [ref.path.stem for ref in b]:
        return True
    return not any(ref.entry for ref in a) and [ref.key for ref in a] == [ref.key for ref in b]


def _fact(ref: ImageRef) -> Fact:
    try:
        with ref.decoded() as image:
            pixels = image.pixels if isinstance(image, Raster) else to_array(image, 3)
            size, mode, said = image.size, image.mode, notes(image)
            ends = _ends(image)
        for mask in ref.masks:
            if (there := mask.read().size) != size:
                error = f"its mask {mask.name} is {there[0]} x {there[1]}, the image {size[0]} x {size[1]}"
                return Fact(ref, error=error)
    except UnreadableImage as error:
        return Fact(ref, error=error.reason)
    digest = hashlib.blake2b(f"{pixels.shape} {pixels.dtype}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).data)
    return Fact(ref, size, mode, digest.hexdigest(), bool((pixels == pixels[0, 0]).all()), said, ends=ends)


def _ends(image: Picture) -> tuple[float, float] | None:
    """Return the smallest and largest value of a picture of other values than 8 bits."""
    if not isinstance(image, Raster) and image.mode not in WIDE:
        return None
    values = image.pixels if isinstance(image, Raster) else np.asarray(image)
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if values.size else None


def _duplicates(group: Group) -> list[list[str]]:
    by_pixels: dict[str, list[str]] = {}
    for fact in group.readable():
        by_pixels.setdefault(fact.digest, []).append(fact.ref.name)
    return [names for names in by_pixels.values() if len(names) > 1]


def _leaks(groups: list[Group]) -> Iterator[tuple[str, str]]:
    """Yield images of a domain that are in two of its splits."""
    for i, first in enumerate(groups):
        known = {fact.digest: fact.ref.name for fact in reversed(first.readable())}
        for later in groups[i + 1 :]:
            if later.domain == first.domain:
                yield from ((known[f.digest], f.ref.name) for f in later.readable() if f.digest in known)


def _shared(groups: list[Group]) -> Iterator[tuple[str, str]]:
    """Yield images of a domain that are in another one too, each with the first of these."""
    for i, first in enumerate(groups):
        known = {fact.digest: fact.ref.name for fact in reversed(first.readable())}
        for later in groups[i + 1 :]:
            if later.domain != first.domain:
                yield from ((known[f.digest], f.ref.name) for f in later.readable() if f.digest in known)


def _group_lines(group: Group) -> Iterator[str]:
    facts = group.readable()
    yield f"{group.split} {group.domain}: {len(group.facts)} image{'' if len(group.facts) == 1 else 's'}"
    if facts:
        sizes = sorted((fact.size for fact in facts), key=lambda size: (min(size), max(size)))
        low, middle, high = (f"{w} x {h}" for w, h in (sizes[0], sizes[len(sizes) // 2], sizes[-1]))
        count = len(set(sizes))
        yield f"  size {low}" if count == 1 else f"  {count} sizes: smallest {low}, median {middle}, largest {high}"
        modes = Counter(fact.mode for fact in facts).most_common()
        yield "  mode " + ", ".join(f"{mode} ({n})" if len(modes) > 1 else mode for mode, n in modes)
        ends = [fact.ends for fact in facts if fact.ends]
        if ends:
            yield f"  values from {min(low for low, _ in ends):g} to {max(high for _, high in ends):g}"
        pages = [fact for fact in facts if fact.ref.page is not None]
        if pages:
            files = len({fact.ref.path for fact in pages})
            yield f"  {len(pages)} page{'s' * (len(pages) > 1)} of {files} file{'s' * (files > 1)}"


def _listed(title: str, items: list[str]) -> Iterator[str]:
    if items:
        yield f"{title}: {len(items)}"
        yield from (f"  {item}" for item in items[:_LISTED])
        if len(items) > _LISTED:
            yield f"  and {len(items) - _LISTED} more"
