"""What layouts of tables and shards have in common: rows to domains and splits."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from instar.core import packed
from instar.core.errors import UserError
from instar.core.listing import LeftOut, without_suffix
from instar.core.member import File
from instar.core.packed import Part, Row
from instar.data.dataset import DataSet, Split, Splits
from instar.data.layouts.words import split_and_domain
from instar.data.refs import ImageRef

_HOW = "name the domains in a column 'domain', or have a column of images for each, such as A and B"


@dataclass(frozen=True)
class _Image:
    file: File
    split: Split
    domain: str
    label: str | None
    key: str


def domains(root: Path) -> DataSet:
    """Read a table or shards as two domains or more.

    Columns of images are domains, and the images of a row a pair. Of a single one `domain` names them, or else the
    file, such as trainA-0001.tar, or else `label`.

    Raises:
        UserError: there is one domain only, or a row is of none.
    """
    parts = packed.parts(root)
    columns = _columns(parts)
    if not columns:
        raise UserError(f"{root}: no images")
    images = list(_wide(parts) if len(columns) > 1 else _long(parts))
    found = _by_domain(images, _left_out(parts))
    if len(found) < 2:
        raise UserError(f"{root} holds one domain only: {_HOW}; or give a second one")
    order = columns if len(columns) > 1 else sorted(found)
    return DataSet({name: found[name] for name in order})


def one_domain(root: Path) -> Splits:
    """Read a table or shards as one domain: all images of all columns. Their classes are `label`, `domain` or columns.

    Raises:
        UserError: there is no image to train on.
    """
    parts = packed.parts(root)
    several = len(_columns(parts)) > 1
    images = []
    for part in parts:
        for row in part.rows.rows:
            split, domain = _split(part, row, parts)
            for column, file in row.images.items():
                label = row.label or row.domain or domain or (column if several else None)
                images.append(_Image(file, split, "", label, ""))
    found = _by_domain(_keyed(images), _left_out(parts))
    if not found:
        raise UserError(f"{root}: no images")
    if not found[""].train:
        raise UserError(f"{root}: there are test images only; training needs others")
    return found[""]


def _wide(parts: Sequence[Part]) -> Iterator[_Image]:
    for part in parts:
        for row in part.rows.rows:
            if row.domain:
                raise UserError(f"{row.place}: names a domain, and several columns hold images: leave one of them out")
            split, _ = _split(part, row, parts)
            key = f"{part.file.stem}/{row.key}"
            for column, file in row.images.items():
                yield _Image(file, split, column, row.label, key)


def _long(parts: Sequence[Part]) -> Iterator[_Image]:
    images = []
    for part in parts:
        for row in part.rows.rows:
            split, of_file = _split(part, row, parts)
            domain = row.domain or of_file
            label = row.label if domain else None
            domain = domain or row.label or ""
            if not domain:
                raise UserError(f"{row.place}: of no domain: {_HOW}")
            ((_, file),) = row.images.items()
            images.append(_Image(file, split, domain, label, ""))
    return iter(_keyed(images))


def _keyed(images: Sequence[_Image]) -> list[_Image]:
    """Give images their keys: paths below the folder that all files of their domain and split share."""
    groups: dict[tuple[str, Split], list[_Image]] = {}
    for image in images:
        groups.setdefault((image.domain, image.split), []).append(image)
    folders = {}
    for group, members in groups.items():
        files = [os.path.abspath(image.file.parent) for image in members if isinstance(image.file, Path)]  # noqa: PTH100
        folders[group] = os.path.commonpath(files) if files else ""
    return [
        _Image(one.file, one.split, one.domain, one.label, _key(one.file, folders[one.domain, one.split]))
        for one in images
    ]


def _key(file: File, folder: str = "") -> str:
    if isinstance(file, Path):
        place = Path(os.path.relpath(file, folder) if folder else file.name)
        return without_suffix(place.as_posix())
    return without_suffix(file.inside)


def _split(part: Part, row: Row, parts: Sequence[Part]) -> tuple[Split, str]:
    """Return the split of a row, and the domain that the name of its file says, if any."""
    of_file = split_and_domain(part.name)
    split, domain = of_file or ("train", part.name if len({one.name for one in parts}) > 1 else "")
    if not row.split:
        return split, domain
    said = split_and_domain(row.split)
    if not said or said[1]:
        raise UserError(f"{row.place}: the split {row.split!r} is none of train, test and val")
    return said[0], domain


def _by_domain(images: Sequence[_Image], left_out: list[LeftOut]) -> dict[str, Splits]:
    """Return the domains; validation images serve as test images in a set that has none."""
    has_test = any(image.split == "test" for image in images)
    found: dict[str, dict[Split, list[ImageRef]]] = {}
    for image in images:
        splits = found.setdefault(image.domain, {"train": [], "test": [], "val": []})
        split: Split = "test" if image.split == "val" and not has_test else image.split
        splits[split].append(ImageRef(image.file, label=image.label, key=image.key))
    return {name: Splits(one["train"], one["test"], one["val"], left_out) for name, one in found.items()}


def _columns(parts: Sequence[Part]) -> list[str]:
    return list(dict.fromkeys(column for part in parts for column in part.rows.columns))


def _left_out(parts: Sequence[Part]) -> list[LeftOut]:
    return [one for part in parts for one in part.rows.left_out]
