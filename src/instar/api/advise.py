"""Which method for which images: looks at a data set, and says what it saw, what to do, and what it does not know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from instar.api.paths import AnyPath, Paths, path_or_none, several
from instar.core.errors import Message, UserError, call, setting
from instar.core.events import Listener, ignore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from instar.core.config import DataConfig
    from instar.core.formats import DomainFormat
    from instar.data import ImageRef
    from instar.data.selection import Selection
    from instar.evaluation.kind_of_change import KindOfChange
    from instar.evaluation.measured_kinds import MeasuredRow
    from instar.metrics.extractors import Extractor

LOOKED_AT = 200
"""Images of each domain that are looked at, evenly spread."""
FEW = 100
"""Images of a domain below which nothing in the table was measured."""
RIGHT = "of 21 sets the kind was right for 16 by images that no limit was set on"
"""docs/advice.md has the table."""
QUICK = ("quick", "small")
"""Method and preset where nothing was measured: the first picture comes soonest."""


@dataclass(frozen=True)
class DataAdvice:
    """What to do with a data set.

    Attributes:
        names: of the domains, source and target; one name for a single folder.
        images: number of training images of each domain.
        paired: whether the images are pairs.
        change: the likeliest kind of change; None for pairs and for one folder, where it does not matter.
        method: to begin with.
        preset: of the method.
        minutes: of the training on this machine as it is now; None if they were not measured.
        seen: what was found in the images, a line each.
        expected: what the method came to on similar sets, a line each.
        unknown: what nobody knows, a line each.
        next: the call that begins the training.
    """

    names: tuple[str, ...]
    images: tuple[int, ...]
    paired: bool
    change: KindOfChange | None
    method: str
    preset: str
    minutes: float | None
    seen: list[Message]
    expected: list[Message]
    unknown: list[Message]
    next: Message

    def lines(self) -> list[Message]:
        """Return all of it for people."""
        time = "" if self.minutes is None else f": about {self.minutes:.0f} minutes, as busy as this machine is"
        preset = setting("preset", self.preset)
        return [
            *self.seen,
            Message(f"method: {self.method} with {preset}{time}"),
            *(Message(f"expect: {line.raw}") for line in self.expected),
            *(Message(f"not known: {line.raw}") for line in self.unknown),
            Message(f"go on with: {self.next.raw}"),
        ]


def advise(
    data: Paths,
    source: str | None = None,
    target: str | None = None,
    *,
    extractor: str | Extractor | None = None,
    weights: AnyPath | None = None,
    time: bool = True,
    on_event: Listener = ignore,
) -> DataAdvice:
    """Look at a data set and say which method fits it, how long it takes, and what to expect.

    What kind of change it is follows from up to 200 images of each domain at 64 px, without a network. The method is
    the one that did best on sets of this kind (docs/advice.md).

    Args:
        data: a data set folder, or one per domain.
        source: domain to translate from, by name.
        target: domain to translate to, by name.
        extractor: adds how well the domains are told apart in its features, as of `instar.evaluate`.
        weights: as of `instar.evaluate`.
        time: measure the minutes by some steps of the method on these images, as `instar.fit` does.
        on_event: told how far it is (`Worked`).

    Raises:
        UserError: there are no images, too few of them to say anything, or no such extractor.
    """
    from instar.core.config import DataConfig

    cfg = DataConfig(roots=several(data), source=source, target=target)
    found, paired = _found(cfg)
    names, counts = tuple(found.names.values()), tuple(len(found.train[domain]) for domain in found.kind.sources())
    change: KindOfChange | None = None
    seen, unknown, expected = list(_about(found, paired)), [], []
    rows: Sequence[MeasuredRow] = ()
    if len(counts) == 1:
        method, preset = "tunit", "small"
        seen.append(Message("one folder without labels: TUNIT finds the domains in it"))
        unknown.append(Message("whether the domains that it finds are those that you mean: no table says it"))
    elif paired:
        method, preset = "pix2pix", "small"
        expected.append(Message("what its page shows: pairs have no kinds of change, and no table of them"))
    else:
        change = _change(found)
        seen += _about_change(change)
        from instar.evaluation.measured_kinds import best_rows

        rows = best_rows(change.kind)
        method, preset = (rows[0].method, rows[0].preset) if rows else QUICK
        expected += [Message(_row(row)) for row in rows]
        unknown += _unknown(change, counts, rows)
    if extractor is not None and len(counts) == 2:
        seen.append(_by_features(found, extractor, path_or_none(weights), on_event))
    minutes, precision = _minutes(method, preset, cfg) if time else (None, None)
    named = {"source": source, "target": target, "precision": precision}
    given = {name: value for name, value in named.items() if value is not None}
    following = call("train", method, *cfg.roots, out="runs/first", preset=preset, **given)
    return DataAdvice(
        names, counts, paired, change, method, preset, minutes, seen, expected, unknown, Message(following)
    )


def _found(cfg: DataConfig) -> tuple[Selection, bool]:
    """Return the images, and whether they are pairs: of equal names and more alike than shuffled ones."""
    from instar.core.batch import Paired, Unlabelled, Unpaired
    from instar.data import find

    try:
        two = find(cfg, Unpaired)
    except UserError as error:
        try:
            return find(cfg, Unlabelled), False
        except UserError:
            raise error from None
    try:
        pairs = find(cfg, Paired)
    except UserError:
        return two, False
    return (pairs, True) if _are_pairs(pairs) else (two, False)


def _are_pairs(found: Selection) -> bool:
    from instar.data.likeness import FEWEST, MOST, unlike

    count = min(map(len, found.train.values()))
    if count < FEWEST:
        return False
    sides = [_pixels(refs, MOST) for refs in found.train.values()]
    return min(map(len, sides)) >= FEWEST and not unlike(list(sides[0]), list(sides[1]))


def _pixels(refs: Sequence[ImageRef], most: int) -> NDArray[np.uint8]:
    """Return centre squares (N, 64, 64, 3) of up to `most` images; of pairs the same places."""
    import numpy as np

    from instar.core.evenly import evenly
    from instar.core.images import colour
    from instar.evaluation.held_out import squares
    from instar.evaluation.kind_of_change import SIDE
    from instar.evaluation.pixels import to_eight_bit

    found = [
        to_eight_bit(colour(batch)).permute(0, 2, 3, 1).numpy() for batch in squares(evenly(refs, most), _plain(), SIDE)
    ]
    return np.concatenate(found) if found else np.empty((0, SIDE, SIDE, 3), np.uint8)


def _plain() -> DomainFormat:
    from instar.core.formats import DomainFormat

    return DomainFormat(channels=3)


def _about(found: Selection, paired: bool) -> Iterator[Message]:
    from statistics import median

    from instar.core.evenly import evenly

    for domain in found.kind.sources():
        refs = found.train[domain]
        sides = [ref.probe()[:2] for ref in evenly(refs, 20)]
        width, height = (int(median(side)) for side in zip(*sides, strict=True))
        test = len(found.test[domain])
        name = found.names.get(domain, domain)
        yield Message(f"{name}: {len(refs)} images to train on, {test} held out, {width} x {height} px (median)")
    if len(found.kind.sources()) > 1:
        yield Message("pairs: images of one name belong together" if paired else "no pairs")


def _change(found: Selection) -> KindOfChange:
    from instar.evaluation.kind_of_change import FEWEST, kind_of_change

    a, b = (_pixels(found.train[domain], LOOKED_AT) for domain in ("a", "b"))
    if min(len(a), len(b)) < FEWEST:
        both = " and ".join(found.names.values())
        raise UserError(f"{both}: {FEWEST} images of each that can be read are needed")
    return kind_of_change(a, b)


def _about_change(change: KindOfChange) -> Iterator[Message]:
    yield Message(f"kind of change: {change.kind}" + ("" if change.sure else ", but see below"))
    yield Message(
        f"single images are told apart by colours in {change.colours:.0%}, by textures in {change.textures:.0%}, by "
        f"what is where in {change.places:.0%} (50% is chance); the domains differ at {change.spread:.0%} of the places"
    )


def _row(row: MeasuredRow) -> str:
    of = f" of {row.ceiling:.0%}" if row.ceiling else ""
    oracle = f", {row.oracle:.0%} by the oracle" if row.oracle is not None else ""
    return (
        f"{row.method} on {row.set}: target in {row.target:.0%}{of}{oracle}, MobileNet-KID {row.kid:.3f} (copies "
        f"{row.kid_of_copies:.3f}) after {row.steps:,} steps, {row.cpu_seconds / 60:.0f} minutes of a core: {row.seen}"
    )


def _unknown(change: KindOfChange, counts: Sequence[int], rows: Sequence[MeasuredRow]) -> Iterator[Message]:
    if not change.sure:
        yield Message(
            f"the kind: at 64 px the domains are hardly told apart without a network; try {setting('extractor')}"
        )
    yield Message(f"whether your images are like those of the table: {RIGHT}")
    if not rows:
        yield Message(f"how any method does on a change of {change.kind}: no preset of today was measured")
    elif len({row.set for row in rows}) == 1:
        yield Message("how it does on other sets of this kind: it was tried on one")
    yield Message("seeds, and sizes other than 64 px: each row is one run at 64 px")
    if min(counts) < FEW:
        yield Message(f"how it does on fewer than {FEW} images of a domain")


def _by_features(found: Selection, extractor: str | Extractor, weights: Path | None, on_event: Listener) -> Message:
    """Say how well a linear probe, fitted on half of the images, tells those of the other half apart."""
    from instar.api.evaluate import extractor_of
    from instar.core.evenly import evenly
    from instar.evaluation.kind_of_change import SIDE
    from instar.evaluation.references import real_features
    from instar.metrics.kid import kernel_distance
    from instar.metrics.probe import fit_probe

    network = extractor_of(extractor, weights)
    a, b = (
        real_features(network, evenly(found.train[domain], 2 * LOOKED_AT), _plain(), SIDE, on_event).features
        for domain in ("a", "b")
    )
    probe = fit_probe(a[::2], b[::2])
    right = (probe.share(b[1::2]) + 1 - probe.share(a[1::2])) / 2
    apart = kernel_distance(a, b)
    return Message(
        f"{network.describe()}: {right:.0%} of single images are told apart; copies score a KID of {apart:.3f}"
    )


def _minutes(method: str, preset: str, data: DataConfig) -> tuple[float, str | None]:
    """Return how long a training takes here by a few of its steps, and the precision if another one is faster."""
    from instar.api.trial import measured
    from instar.core import registry
    from instar.core.device import has_bf16, pick_device
    from instar.core.method import defaults

    config = defaults(method, registry.get(method), preset)
    own = replace(config.data, roots=data.roots, source=data.source, target=data.target)
    config = replace(config, data=own)
    found: dict[str | None, float] = {None: measured(config).step}
    if has_bf16(pick_device(config.train.device)) is not False:
        found["bf16"] = measured(replace(config, train=replace(config.train, precision="bf16"))).step
    precision = min(found, key=lambda one: found[one])
    return found[precision] * config.train.steps / 60, precision
