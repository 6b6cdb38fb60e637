"""What folders a data set consists of, before anything is chosen or paired."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from instar.core.errors import UserError
from instar.core.images import is_visible, list_images, natural
from instar.data import digits
from instar.data.digits import Digits, Entry, Part
from instar.data.refs import ImageRef

Split = Literal["train", "test", "val"]

# "trainA", "train_A", "trainannot", "val": a split, then the domain. The longer words first.
_SPLIT = re.compile(r"(training|train|testing|test|validation|valid|val)[ _-]*(.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Domain:
    """The images of one domain. A folder that is not there is None; val alone, without test, serves as test."""

    name: str
    train_folder: Path
    train: list[ImageRef]
    test_folder: Path | None
    test: list[ImageRef]
    val_folder: Path | None = None
    val: list[ImageRef] = field(default_factory=list)

    def refs(self, split: Split) -> list[ImageRef]:
        """Return the images of a split."""
        return {"train": self.train, "test": self.test, "val": self.val}[split]

    def folder(self, split: Split) -> Path:
        """Return the folder under which `refs(split)` are."""
        return {"train": None, "test": self.test_folder, "val": self.val_folder}[split] or self.train_folder


@dataclass(frozen=True)
class Sides:
    """Files of which each may be a pair: A on the left, B on the right."""

    root: Path
    train: list[Path]
    test: list[Path]
    val: list[Path] = field(default_factory=list)


def scan(roots: tuple[Path, ...]) -> list[Domain] | Sides:
    """Return the domains under one root, or one domain for each of two roots, sorted by name under one root.

    Raises:
        UserError: a folder is missing or holds no images, or there is one domain only.
    """
    if not roots:
        raise UserError("no images given: name a data set folder, or one folder per domain")
    if len(roots) > 2:
        raise UserError(f"{len(roots)} folders given: name one data set folder, or two, one per domain")
    for root in roots:
        _check(root)
    if len(roots) == 2:
        return _two_roots(*roots)
    if roots[0].is_file():
        raise UserError(f"{roots[0]} holds one domain only: give a second one")
    return _one_root(roots[0])


def scan_one(roots: tuple[Path, ...]) -> Domain:
    """Return all images under one root as one domain. Classes are its sub-folders, or A and B of trainA and trainB.

    Raises:
        UserError: it is missing or holds no images, or there are several roots.
    """
    if len(roots) != 1:
        raise UserError(f"{len(roots) or 'no'} folders given: this method takes one, with all images in it")
    root = roots[0]
    _check(root)
    name = root.resolve().stem if root.is_file() else root.resolve().name
    folders = [] if root.is_file() else _folders(root)
    found = _one_root(root) if _are_splits(folders, _by_split(folders)["train"]) else None
    if not isinstance(found, list):
        return _domain(name, root)
    splits: tuple[Split, ...] = ("train", "test", "val")
    train, test, val = (
        [replace(ref, label=domain.name) for domain in found for ref in domain.refs(split)] for split in splits
    )
    return Domain(name, root, train, root, test, root, val)


def _check(root: Path) -> None:
    if not root.exists():
        raise UserError(f"{root}: there is no such folder")
    if not root.is_dir() and not digits.at(root):
        raise UserError(f"{root} is a file: give the folder that holds the images")


def _two_roots(a: Path, b: Path) -> list[Domain]:
    if a.resolve() == b.resolve():
        raise UserError(f"{a} is given for both domains: give two folders")
    names = [root.resolve().stem if root.is_file() else root.resolve().name for root in (a, b)]
    if names[0].casefold() == names[1].casefold():
        names = ["/".join(root.resolve().parts[-2:]) for root in (a, b)]
    return [_domain(name, root) for name, root in zip(names, (a, b), strict=True)]


def _one_root(root: Path) -> list[Domain] | Sides:
    folders = _folders(root)
    splits = _by_split(folders)
    train = splits["train"]
    test, val = _held_out(splits)
    if set(train) == {""}:
        return _train_folder(root, train[""], test.get(""), val.get(""))
    if _are_splits(folders, train):
        if len(train) == 1:
            raise _too_few(root, [], list(train.values()))
        return [_split_domain(key or "image", train[key], test.get(key), val.get(key)) for key in sorted(train)]
    domains = [folder for folder in folders if list_images(folder, recursive=True) or digits.at(folder)]
    if len(domains) > 1:
        return [_domain(folder.name, folder) for folder in domains]
    direct = list_images(root, recursive=False)
    if direct and not domains:
        return Sides(root, direct, [])
    raise _too_few(root, folders, domains)


def _are_splits(folders: list[Path], train: dict[str, Path]) -> bool:
    """Tell whether folders such as trainA are the training images of domains: "trains" beside "planes" is a domain."""
    if not train or set(train) == {""}:
        return False
    return "" in train or len(train) > 1 or all(_SPLIT.fullmatch(folder.name) for folder in folders)


def _held_out(splits: dict[str, dict[str, Path]]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return the folders of test and of validation images by domain; val serves as test where that is missing."""
    return (splits["test"], splits["val"]) if splits["test"] else (splits["val"], {})


def _train_folder(root: Path, train: Path, test: Path | None, val: Path | None) -> list[Domain] | Sides:
    """Read train/, test/ and val/ with a folder per domain, or with side-by-side pairs."""
    folders = _folders(train)
    domains = [folder for folder in folders if list_images(folder, recursive=True)]
    if len(domains) > 1:
        tests, vals = ({f.name.casefold(): f for f in _folders(held)} if held else {} for held in (test, val))
        named = [(folder, folder.name.casefold()) for folder in domains]
        return [_split_domain(folder.name, folder, tests.get(key), vals.get(key)) for folder, key in named]
    direct = list_images(train, recursive=False)
    if direct and not domains:
        return Sides(root, direct, *(list_images(held, recursive=False) if held else [] for held in (test, val)))
    raise _too_few(train, folders, domains)


def _split_domain(name: str, train: Path, test: Path | None, val: Path | None) -> Domain:
    return Domain(name, train, _refs(_images(train), train), test, _refs_in(test), val, _refs_in(val))


def _domain(name: str, folder: Path) -> Domain:
    """Read a domain's own folder, which may have train and test folders in it, or its file of digits."""
    found = None if folder.is_dir() and list_images(folder, recursive=True) else digits.at(folder)
    if found:
        return _digits(name, folder, found)
    splits = _by_split(_folders(folder))
    train, (test, val) = splits["train"].get(""), (held.get("") for held in _held_out(splits))
    if train:
        return _split_domain(name, train, test, val)
    apart = [kept for kept in (splits["test"].get(""), splits["val"].get("")) if kept]
    everything = _images(folder)
    files = [path for path in everything if not any(kept in path.parents for kept in apart)]
    if not files:
        raise UserError(f"{folder}: there are test images only; training needs others")
    return Domain(name, folder, _refs(files, folder), test, _refs_in(test), val, _refs_in(val))


def _refs(files: list[Path], folder: Path) -> list[ImageRef]:
    """Return the images with their classes: the sub-folders of `folder` in which they lie."""
    inside = [path.relative_to(folder).parts for path in files]
    return [
        ImageRef(path, label=parts[0] if len(parts) > 1 else None) for path, parts in zip(files, inside, strict=True)
    ]


def _refs_in(folder: Path | None) -> list[ImageRef]:
    return _refs(list_images(folder, recursive=True), folder) if folder else []


def _digits(name: str, root: Path, found: Digits) -> Domain:
    def refs(part: Part) -> list[ImageRef]:
        return [
            ImageRef(part.images, entry=Entry(part.array, i), label=label)
            for i, label in enumerate(digits.labels(part))
        ]

    return Domain(name, root, refs(found.train), root, refs(found.test) if found.test else [])


def _by_split(folders: Iterable[Path]) -> dict[str, dict[str, Path]]:
    """Return split -> domain -> folder; the domain is "" where the folder is named by the split alone."""
    splits: dict[str, dict[str, Path]] = {"train": {}, "test": {}, "val": {}}
    spelling: dict[str, str] = {}
    for folder in folders:
        match = _SPLIT.fullmatch(folder.name)
        if match:
            split = next(key for key in splits if match[1].lower().startswith(key))
            splits[split][spelling.setdefault(match[2].casefold(), match[2])] = folder
    return splits


def _folders(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if path.is_dir() and is_visible(path.name)), key=natural)


def _images(folder: Path) -> list[Path]:
    found = list_images(folder, recursive=True)
    if not found:
        raise UserError(f"{folder}: no images ({_contents(folder)})")
    return found


def _contents(folder: Path) -> str:
    suffixes = Counter(path.suffix.lower() or "unnamed" for path in folder.rglob("*") if path.is_file())
    if not suffixes:
        return "the folder is empty"
    return "found " + ", ".join(f"{n} {suffix} file{'s' * (n > 1)}" for suffix, n in suffixes.most_common(3))


def _too_few(root: Path, folders: list[Path], domains: list[Path]) -> UserError:
    if not domains:
        return UserError(f"{root}: no images ({_contents(root)})")
    empty = [folder for folder in folders if folder not in domains]
    if empty:
        return UserError(f"{empty[0]}: no images ({_contents(empty[0])}), so {domains[0].name} is the only domain")
    return UserError(f"{root} holds one domain only ({domains[0].name}): add a folder with images of the other domain")
