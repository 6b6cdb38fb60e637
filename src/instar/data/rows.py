"""Rows of a run: images paired by name, some of them kept from training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from instar.core.config import DataConfig
from instar.core.errors import UserError, setting
from instar.core.evenly import evenly
from instar.core.listing import composed
from instar.core.pairing import paired
from instar.data.dataset import Split, Splits
from instar.data.files import Singles, taken_rows
from instar.data.pair_names import pair_of
from instar.data.refs import ImageRef, Row


@dataclass(frozen=True)
class Rows:
    """Rows that are drawn in one order, by split."""

    names: tuple[str, ...]
    """Of the domains side by side."""
    train: Sequence[Row]
    test: Sequence[Row]
    val: Sequence[Row]

    def of(self, split: Split) -> Sequence[Row]:
        """Return the rows of a split."""
        return {"train": self.train, "test": self.test, "val": self.val}[split]


def rows_of(domains: Sequence[tuple[str, Splits]], cfg: DataConfig, notes: list[str]) -> Rows:
    """Make the rows of domains that are side by side in them."""
    names = tuple(name for name, _ in domains)

    def rows(split: Split) -> Sequence[Row]:
        sides = [domain.refs(split) for _, domain in domains]
        if len(sides) == 1:
            return Singles(sides[0])
        needed = split == "train" or all(sides)
        return _matched(names, sides, split, cfg.pair_by, notes) if needed else []

    return Rows(names, rows("train"), rows("test"), rows("val") if cfg.validation else [])


def _matched(
    names: Sequence[str], sides: Sequence[Sequence[ImageRef]], split: Split, pair_by: str | None, notes: list[str]
) -> list[Row]:
    """Pair the images of the same full name, then those that have the same key."""
    keys = _keys(names, sides, pair_by) if pair_by else {}
    found = paired(sides, lambda ref: (keys.get(ref, ref.key), ref.path.suffix))
    if not found.rows:
        others, firsts = " and ".join(names[1:]), " against ".join(side[0].path.name for side in sides)
        how = f"by {setting('data.pair_by', pair_by)}" if pair_by else "by file name without the suffix"
        remedy = "" if pair_by else f"; {setting('data.pair_by')} takes a regular expression for other names"
        raise UserError(
            f"no {split} image of {names[0]} has the name of one of {others}: {firsts}; pairs are matched {how}{remedy}"
        )
    for name, side, used in zip(names, sides, zip(*found.rows, strict=True), strict=True):
        taken = set(used)
        left = [ref for ref in side if ref not in taken]
        if left:
            notes.append(f"{_count(len(left), f'{split} image')} of {name} without a partner: {_some(left)}")
    if found.ambiguous:
        rows = {row[0]: row for row in found.rows}
        first = " with ".join(ref.path.name for ref in rows[found.ambiguous[0]])
        notes.append(
            f"{_count(len(found.ambiguous), f'{split} pair')} might be others, for several files have a name that "
            f"differs by the suffix only; the first is taken: {first}"
        )
    return [_sharing_masks(row) for row in found.rows]


def _sharing_masks(row: Row) -> Row:
    """Return a row whose images count where the masks of all of them are white."""
    masks = tuple(dict.fromkeys(mask for ref in row for mask in ref.masks))
    return tuple(replace(ref, masks=masks) for ref in row) if masks else row


def _keys(names: Sequence[str], sides: Sequence[Sequence[ImageRef]], pair_by: str) -> dict[ImageRef, str]:
    """Return what the groups of an expression match in the names of images, where it matches."""
    found: dict[ImageRef, str] = {}
    for name, side in zip(names, sides, strict=True):
        taken: dict[str, ImageRef] = {}
        for ref in side:
            pair = pair_of(pair_by, composed(ref.key))
            if pair is None:
                continue
            found[ref] = pair
            other = taken.setdefault(pair, ref)
            if other != ref:
                both = f"{other.path.name} and {ref.path.name} of {name}"
                raise UserError(f"{setting('data.pair_by', pair_by)}: {both} would be of the same pair, {pair!r}")
    return found


def hold_out(orders: list[Rows], most: int, notes: list[str], *, spread: bool) -> list[Rows]:
    """Take test images from the training images where there are none: the last ones, or some spread over all."""
    if all(order.test for order in orders):
        return orders
    counts = [0 if order.test else min(most, len(order.train) // 10) for order in orders]
    paired = all(len(order.names) > 1 for order in orders)
    if not any(counts):
        few = ", and too few images to keep some from training" if most else ""
        notes.append(f"there are no test {'pairs' if paired else 'images'}{few}")
    elif spread:
        what = f"{_count(counts[0], 'image')}, spread over all,"
        notes.append(f"no test folder: {what} kept from training for the sample pictures")
    else:
        what = f"{_listed(orders, counts)} {'is' if sum(counts) == 1 else 'are'}"
        missing = "no test pairs" if paired else "no test folder"
        notes.append(f"{missing}: the last {what} kept from training for the sample pictures")
    kept = []
    for order, count in zip(orders, counts, strict=True):
        cut = len(order.train) - count
        train, test = _parted(order.train, count) if spread else (order.train[:cut], order.train[cut:])
        kept.append(replace(order, train=train, test=test or order.test))
    return kept


def _listed(orders: Sequence[Rows], counts: Sequence[int]) -> str:
    """Say how many rows of each order: 2 images of A and 0 of B, or 2 pairs."""
    said: list[str] = []
    for order, count in zip(orders, counts, strict=True):
        if len(order.names) > 1:
            said.append(_count(count, "pair"))
        else:
            said.append(f"{count if said else _count(count, 'image')} of {order.names[0]}")
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)


def with_validation(orders: list[Rows], count: int, notes: list[str]) -> list[Rows]:
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
        return [replace(order, val=taken_rows(order.val, evenly(range(len(order.val)), count))) for order in orders]
    for order in orders:
        if count > len(order.train) // 2:
            there = f"{order.names[0]} has {len(order.train)} training images"
            raise UserError(f"{asked}: {there}, keep at most half")
    parts = [_parted(order.train, count) for order in orders]
    return [replace(order, train=train, val=val) for order, (train, val) in zip(orders, parts, strict=True)]


def _parted(rows: Sequence[Row], count: int) -> tuple[Sequence[Row], Sequence[Row]]:
    """Return the rows but for `count` of them, and these, spread evenly over all."""
    places = set(evenly(range(len(rows)), count))
    left = [i for i in range(len(rows)) if i not in places]
    return taken_rows(rows, left), taken_rows(rows, sorted(places))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _some(refs: Sequence[ImageRef]) -> str:
    return ", ".join(ref.path.name for ref in refs[:3]) + (", ..." if len(refs) > 3 else "")
