"""What layouts of folders have in common: names of splits, images with their classes, and what to say of none."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from instar.core import packed
from instar.core.errors import UserError
from instar.core.listing import (
    Inside,
    Why,
    beginning,
    holds_images,
    listed,
    listed_inside,
    sub_folders,
    suffixes,
)
from instar.data import digits
from instar.data.dataset import Splits
from instar.data.digits import Entry, Part
from instar.data.files import Files
from instar.data.layouts import tabular
from instar.data.layouts.words import split_and_domain
from instar.data.refs import ImageRef


def by_split(found: Iterable[Path]) -> dict[str, dict[str, Path]]:
    """Return split -> domain -> folder; the domain is "" where the folder is named by the split alone."""
    splits: dict[str, dict[str, Path]] = {"train": {}, "test": {}, "val": {}}
    spelling: dict[str, str] = {}
    for folder in found:
        if word := split_and_domain(folder.name):
            split, domain = word
            splits[split][spelling.setdefault(domain.casefold(), domain)] = folder
    return splits


def are_splits(found: list[Path]) -> bool:
    """Tell whether folders such as trainA are the training images of domains: "trains" beside "planes" is a domain."""
    train = by_split(found)["train"]
    if not train or set(train) == {""}:
        return False
    return "" in train or len(train) > 1 or all(split_and_domain(folder.name) for folder in found)


def held_out(splits: dict[str, dict[str, Path]]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return the folders of test and of validation images by domain; val serves as test where that is missing."""
    return (splits["test"], splits["val"]) if splits["test"] else (splits["val"], {})


def name_of(root: Path) -> str:
    """Return what a domain is called that has a folder or a file of its own."""
    return root.resolve().stem if root.is_file() else root.resolve().name


def split_domain(train: Path, test: Path | None, val: Path | None) -> Splits:
    """Read a domain whose splits have a folder each.

    Raises:
        UserError: there are no training images.
    """
    return _splits(train, _listed(train), test, val)


def own_domain(folder: Path) -> Splits:
    """Read a domain's own folder, which may have train and test folders in it, or its file of many images.

    Raises:
        UserError: there are no training images, or it is another file.
    """
    if packed.is_packed(folder):
        return tabular.one_domain(folder)
    found = None if folder.is_dir() and holds_images(folder) else digits.at(folder)
    if found:
        return Splits(_entries(found.train), _entries(found.test) if found.test else [])
    if folder.is_file():
        raise not_a_folder(folder)
    splits = by_split(sub_folders(folder))
    train, (test, val) = splits["train"].get(""), (held.get("") for held in held_out(splits))
    if train:
        return split_domain(train, test, val)
    apart = tuple(beginning(kept) for kept in (splits["test"].get(""), splits["val"].get("")) if kept)
    everything, begin = _listed(folder), beginning(folder)
    files = [path for path in everything.images if not (begin + path).startswith(apart)] if apart else everything.images
    if not files:
        raise UserError(f"{folder}: there are test images only; training needs others")
    return _splits(folder, Inside(files, everything.left_out), test, val)


def too_few(root: Path, found: list[Path], domains: list[Path]) -> UserError:
    """Return what to say of a folder with fewer than two domains.

    Args:
        root: the folder.
        found: those in it that might be domains.
        domains: those of them that are.
    """
    if not domains:
        return no_images(root)
    empty = [folder for folder in found if folder not in domains]
    if empty:
        return UserError(f"{empty[0]}: no images ({_contents(empty[0])}), so {domains[0].name} is the only domain")
    return UserError(f"{root} holds one domain only ({domains[0].name}): add a folder with images of the other domain")


def no_images(folder: Path) -> UserError:
    """Return what to say of a folder without images: what it holds instead."""
    return UserError(f"{folder}: no images ({_contents(folder)})")


def not_a_folder(file: Path) -> UserError:
    """Return what to say of a file in place of a folder."""
    return UserError(f"{file} is a file: give the folder that holds the images")


def _splits(folder: Path, train: Inside, test: Path | None, val: Path | None) -> Splits:
    held = [(place, listed_inside(place)) if place else None for place in (test, val)]
    refs = [Files(one[0], one[1].images) if one else [] for one in held]
    left_out = [left for one in held if one for left in one[1].left_out]
    left_out = list(dict.fromkeys([*train.left_out, *left_out]))
    return Splits(Files(folder, train.images), refs[0], refs[1], left_out)


def _listed(folder: Path) -> Inside:
    found = listed_inside(folder)
    if not found.images:
        raise no_images(folder)
    return found


def _entries(part: Part) -> list[ImageRef]:
    return [
        ImageRef(part.images, entry=Entry(part.array, i), label=label, key=f"#{i}")
        for i, label in enumerate(digits.labels(part))
    ]


def _contents(folder: Path) -> str:
    left_out = listed(folder).left_out
    faults = [one for one in left_out if one.fault]
    if faults:
        return f"{faults[0].path}: {faults[0].why.value}"
    files = [one.path for one in left_out if one.why is Why.OTHER]
    return f"found {suffixes(files)}" if files else "the folder is empty"
