"""The images of a run: domains chosen from a data set, paired where the method needs it, some kept from training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from instar.core.batch import Batch, Domain
from instar.core.config import DataConfig
from instar.core.errors import Message, UserError, nearest, setting
from instar.core.evenly import evenly
from instar.data import layouts
from instar.data.dataset import DataSet, Split, Splits
from instar.data.refs import ImageRef, Row

Images = Mapping[Domain, list[ImageRef]]


@dataclass(frozen=True)
class Selection:
    """Images by domain. Those of paired domains are aligned: `train["b"][i]` belongs to `train["a"][i]`."""

    kind: type[Batch]
    """Of batches for which they are."""
    names: Mapping[Domain, str]
    train: Images
    test: Images
    val: Images
    """Images to score a run while it trains, of a val folder or kept from training: no training and no test images."""
    notes: list[Message] = field(default_factory=list)
    """What the user should know, a line each."""

    def images(self, split: Split) -> Images:
        """Return the images of a split."""
        return {"train": self.train, "test": self.test, "val": self.val}[split]

    @property
    def shown(self) -> Images:
        """Where sample pictures come from: the test images, or training images if there are none."""
        return {domain: refs or self.train[domain] for domain, refs in self.test.items()}

    def rows(self, images: Images) -> list[list[Row]]:
        """Return what is drawn at once, for each of the kind's orders."""
        return [list(zip(*(images[domain] for domain in row), strict=True)) for row in self.kind.rows()]


def find(cfg: DataConfig, kind: type[Batch]) -> Selection:
    """Find the images under `cfg.roots` for batches of a kind.

    Pairs are images of the same `ImageRef.key`. Test images are those of test or else val folders; without any, the
    last few training images are kept for it, of a single domain some spread evenly over all. Validation images, if
    `cfg` asks for some, are those of val beside test, or else are kept from training.

    Raises:
        UserError: there are not the domains or pairs that the kind needs; one line with the remedy.
    """
    return select(layouts.read(cfg, kind), cfg, kind)


def select(data: DataSet, cfg: DataConfig, kind: type[Batch]) -> Selection:
    """Take the images for batches of a kind from a data set that was read already, as `find` does.

    Raises:
        UserError: there are not the domains or pairs that the kind needs; one line with the remedy.
    """
    notes: list[str] = []
    pairs = any(len(row) > 1 for row in kind.rows())
    if error := data.paired_error if pairs else data.unpaired_error:
        raise UserError(error)
    if not pairs and data.unpaired_note:
        notes.append(data.unpaired_note)
    chosen = _chosen(data, cfg, kind)
    orders = [_order([(chosen[d], data.domains[chosen[d]]) for d in row], cfg, notes) for row in kind.rows()]
    orders = _hold_out(orders, cfg.holdout, notes, spread=len(kind.sources()) == 1)
    orders = _with_validation(orders, cfg.validation, notes)

    def images(split: Split) -> Images:
        return {d: [row[part.side] for row in orders[part.order].rows(split)] for d, part in kind.parts.items()}

    names = {domain: orders[part.order].names[part.side] for domain, part in kind.parts.items()}
    return Selection(kind, names, images("train"), images("test"), images("val"), [Message(note) for note in notes])


@dataclass(frozen=True)
class _Order:
    """The rows that are drawn in one order."""

    names: tuple[str, ...]
    """Of the domains side by side."""
    train: list[Row]
    test: list[Row]
    val: list[Row]

    def rows(self, split: Split) -> list[Row]:
        return {"train": self.train, "test": self.test, "val": self.val}[split]


def _chosen(data: DataSet, cfg: DataConfig, kind: type[Batch]) -> dict[Domain, str]:
    """Return which of the data set's domains are those that the kind needs."""
    names, sources, root = list(data.domains), kind.sources(), cfg.roots[0]
    asked = cfg.names(tuple(kind.parts))
    mention = {d: _setting_of(d, kind) for d in kind.parts}
    if len(sources) == 1:
        for domain, name in asked.items():
            if name not in (None, names[0]):
                said = setting(mention[domain], name)
                leave = f"leave out {setting(mention[domain])}"
                raise UserError(f"{said}: this method takes all images of a folder; {leave}")
        return {sources[0]: names[0]}
    known = {name.casefold(): name for name in names}
    chosen: dict[Domain, str | None] = {}
    for domain in sources:
        name = asked[domain]
        if name is not None and name.casefold() not in known:
            raise UserError(f"{setting(mention[domain], name)}: no such domain in {root}{nearest(name, names)}")
        chosen[domain] = None if name is None else known[name.casefold()]
    return _complete(chosen, names, root, list(dict.fromkeys(mention.values())))


def _complete(
    chosen: Mapping[Domain, str | None], names: list[str], root: Path, mention: list[str]
) -> dict[Domain, str]:
    """Give domains that were not named those that are left."""
    listed, settings = ", ".join(names), " and ".join(setting(name) for name in mention)
    wanted = "two" if len(chosen) == 2 else str(len(chosen))
    if len(names) < len(chosen):
        raise UserError(f"{root} holds {len(names)} domains ({listed}): this method needs {wanted}")
    if len(names) > len(chosen) and None in chosen.values():
        raise UserError(f"{root} holds {len(names)} domains ({listed}): choose {wanted} with {settings}")
    given = [name for name in chosen.values() if name is not None]
    twice = next((name for name in given if given.count(name) > 1), None)
    if twice:
        both = "are both" if len(mention) > 1 else "names twice"
        raise UserError(f"{settings} {both} {twice}: choose {wanted} domains of {listed}")
    left = iter([name for name in names if name not in given])
    return {domain: next(left) if name is None else name for domain, name in chosen.items()}


def _setting_of(domain: Domain, kind: type[Batch]) -> str:
    if len(kind.parts) != 2:
        return "data.domains"
    return "data.source" if domain == next(iter(kind.parts)) else "data.target"


def _order(domains: Sequence[tuple[str, Splits]], cfg: DataConfig, notes: list[str]) -> _Order:
    """Make the rows of domains that are side by side in them."""
    names = tuple(name for name, _ in domains)

    def rows(split: Split) -> list[Row]:
        sides = [domain.refs(split) for _, domain in domains]
        if len(sides) == 1:
            return [(ref,) for ref in sides[0]]
        needed = split == "train" or all(sides)
        return _matched(names, sides, split, notes) if needed else []

    return _Order(names, rows("train"), rows("test"), rows("val") if cfg.validation else [])


def _matched(names: Sequence[str], sides: Sequence[list[ImageRef]], split: Split, notes: list[str]) -> list[Row]:
    """Pair the images that have the same key; of several in a domain, such as "1.jpg" and "1.png", the first counts."""
    keyed: list[dict[str, ImageRef]] = []
    for side in sides:
        first: dict[str, ImageRef] = {}
        for ref in side:
            first.setdefault(ref.key, ref)
        keyed.append(first)
    common = [key for key in keyed[0] if all(key in other for other in keyed[1:])]
    if not common:
        others, firsts = " and ".join(names[1:]), " against ".join(side[0].path.name for side in sides)
        raise UserError(
            f"no {split} image of {names[0]} has the name of one of {others}: {firsts}; "
            "pairs are matched by file name without the suffix"
        )
    rows = [tuple(side[key] for side in keyed) for key in common]
    for name, side, used in zip(names, sides, zip(*rows, strict=True), strict=True):
        taken = set(used)
        left = [ref for ref in side if ref not in taken]
        if left:
            notes.append(f"{_count(len(left), f'{split} image')} of {name} without a partner: {_some(left)}")
    return rows


def _hold_out(orders: list[_Order], most: int, notes: list[str], *, spread: bool) -> list[_Order]:
    """Take test images from the training images where there are none: the last ones, or some spread over all."""
    if all(order.test for order in orders):
        return orders
    counts = [0 if order.test else min(most, len(order.train) // 10) for order in orders]
    if not any(counts):
        few = ", and too few images to keep some from training" if most else ""
        notes.append(f"there are no test images{few}")
    elif spread:
        what = f"{_count(counts[0], 'image')}, spread over all,"
        notes.append(f"no test folder: {what} kept from training for the sample pictures")
    else:
        what = _listed(orders, counts)
        notes.append(f"no test folder: the last {what} are kept from training for the sample pictures")
    kept = []
    for order, count in zip(orders, counts, strict=True):
        cut = len(order.train) - count
        train, test = _parted(order.train, count) if spread else (order.train[:cut], order.train[cut:])
        kept.append(replace(order, train=train, test=test or order.test))
    return kept


def _listed(orders: Sequence[_Order], counts: Sequence[int]) -> str:
    """Say how many rows of each order: 2 images of A and 0 of B, or 2 pairs."""
    said: list[str] = []
    for order, count in zip(orders, counts, strict=True):
        if len(order.names) > 1:
            said.append(_count(count, "pair"))
        else:
            said.append(f"{count if said else _count(count, 'image')} of {order.names[0]}")
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)


def _with_validation(orders: list[_Order], count: int, notes: list[str]) -> list[_Order]:
    """Keep `count` rows of each order, spread evenly: of the val folder, or else from training."""
    if not count:
        return [replace(order, val=[]) for order in orders]
    asked = setting("data.validation", count)
    if all(order.val for order in orders):
        for order in orders:
            if count > len(order.val):
                there = f"the val folder of {order.names[0]} has {len(order.val)} images"
                raise UserError(f"{asked}: {there}; ask for less")
        notes.append("validation images are those of the val folder")
        return [replace(order, val=evenly(order.val, count)) for order in orders]
    for order in orders:
        if count > len(order.train) // 2:
            there = f"{order.names[0]} has {len(order.train)} training images"
            raise UserError(f"{asked}: {there}, keep at most half")
    parts = [_parted(order.train, count) for order in orders]
    return [replace(order, train=train, val=val) for order, (train, val) in zip(orders, parts, strict=True)]


def _parted(rows: list[Row], count: int) -> tuple[list[Row], list[Row]]:
    """Return the rows but for `count` of them, and these, spread evenly over all."""
    places = set(evenly(range(len(rows)), count))
    return [row for i, row in enumerate(rows) if i not in places], [rows[i] for i in sorted(places)]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _some(refs: Sequence[ImageRef]) -> str:
    return ", ".join(ref.path.name for ref in refs[:3]) + (", ..." if len(refs) > 3 else "")
