"""What layouts of folders have in common: names of splits, images with their classes, and what to say of none."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from instar.core.errors import UserError
from instar.core.images import SUFFIXES, is_visible, list_images, natural
from instar.data import digits
from instar.data.dataset import Splits
from instar.data.digits import Entry, Part
from instar.data.refs import ImageRef

# "trainA", "train_A", "trainannot", "val": a split, then the domain. The longer words first.
_SPLIT = re.compile(r"(training|train|testing|test|validation|valid|val)[ _-]*(.*)", re.IGNORECASE)


def folders(folder: Path) -> list[Path]:
    """Return the visible sub-folders, "2" before "10"."""
    return sorted((path for path in folder.iterdir() if path.is_dir() and is_visible(path.name)), key=natural)


def by_split(found: Iterable[Path]) -> dict[str, dict[str, Path]]:
    """Return split -> domain -> folder; the domain is "" where the folder is named by the split alone."""
    splits: dict[str, dict[str, Path]] = {"train": {}, "test": {}, "val": {}}
    spelling: dict[str, str] = {}
    for folder in found:
        match = _SPLIT.fullmatch(folder.name)
        if match:
            split = next(key for key in splits if match[1].lower().startswith(key))
            splits[split][spelling.setdefault(match[2].casefold(), match[2])] = folder
    return splits


def are_splits(found: list[Path]) -> bool:
    """Tell whether folders such as trainA are the training images of domains: "trains" beside "planes" is a domain."""
    train = by_split(found)["train"]
    if not train or set(train) == {""}:
        return False
    return "" in train or len(train) > 1 or all(_SPLIT.fullmatch(folder.name) for folder in found)


def held_out(splits: dict[str, dict[str, Path]]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return the folders of test and of validation images by domain; val serves as test where that is missing."""
    return (splits["test"], splits["val"]) if splits["test"] else (splits["val"], {})


def holds_images(folder: Path) -> bool:
    """Tell whether there is an image in a folder or below."""
    for _, below, files in os.walk(folder):
        below[:] = [name for name in below if is_visible(name)]
        if any(is_visible(name) and Path(name).suffix.lower() in SUFFIXES for name in files):
            return True
    return False


def name_of(root: Path) -> str:
    """Return what a domain is called that has a folder or a file of its own."""
    return root.resolve().stem if root.is_file() else root.resolve().name


def split_domain(train: Path, test: Path | None, val: Path | None) -> Splits:
    """Read a domain whose splits have a folder each.

    Raises:
        UserError: there are no training images.
    """
    return Splits(_refs(_images(train), train), _refs_in(test), _refs_in(val))


def own_domain(folder: Path) -> Splits:
    """Read a domain's own folder, which may have train and test folders in it, or its file of digits.

    Raises:
        UserError: there are no training images, or it is another file.
    """
    found = None if folder.is_dir() and holds_images(folder) else digits.at(folder)
    if found:
        return Splits(_entries(found.train), _entries(found.test) if found.test else [])
    if folder.is_file():
        raise not_a_folder(folder)
    splits = by_split(folders(folder))
    train, (test, val) = splits["train"].get(""), (held.get("") for held in held_out(splits))
    if train:
        return split_domain(train, test, val)
    apart = [kept for kept in (splits["test"].get(""), splits["val"].get("")) if kept]
    everything = _images(folder)
    files = [path for path in everything if not any(kept in path.parents for kept in apart)]
    if not files:
        raise UserError(f"{folder}: there are test images only; training needs others")
    return Splits(_refs(files, folder), _refs_in(test), _refs_in(val))


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


def _images(folder: Path) -> list[Path]:
    found = list_images(folder, recursive=True)
    if not found:
        raise no_images(folder)
    return found


def _refs(files: list[Path], folder: Path) -> list[ImageRef]:
    """Return the images with their classes: the sub-folders of `folder` in which they lie."""
    found = []
    for path in files:
        inside = path.relative_to(folder)
        label = inside.parts[0] if len(inside.parts) > 1 else None
        found.append(ImageRef(path, label=label, key=inside.with_suffix("").as_posix()))
    return found


def _refs_in(folder: Path | None) -> list[ImageRef]:
    return _refs(list_images(folder, recursive=True), folder) if folder else []


def _entries(part: Part) -> list[ImageRef]:
    return [
        ImageRef(part.images, entry=Entry(part.array, i), label=label, key=f"#{i}")
        for i, label in enumerate(digits.labels(part))
    ]


def _contents(folder: Path) -> str:
    suffixes = Counter(path.suffix.lower() or "unnamed" for path in folder.rglob("*") if path.is_file())
    if not suffixes:
        return "the folder is empty"
    return "found " + ", ".join(f"{n} {suffix} file{'s' * (n > 1)}" for suffix, n in suffixes.most_common(3))
