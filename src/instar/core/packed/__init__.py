"""Files that hold or name many images: tables, tar shards, and what Hugging Face's `datasets` saves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from instar.core.listing import holds_images
from instar.core.packed import arrow, table, tar
from instar.core.packed.row import Row as Row
from instar.core.packed.row import Rows, base

TABLES = (*table.SUFFIXES, arrow.PARQUET, arrow.ARROW)
"""Suffixes of files that are tables."""


@dataclass(frozen=True)
class Part:
    """The rows of one file.

    Attributes:
        file: that holds or names them.
        name: of the file, less the number of a shard, or that of a split; empty if it says nothing.
        rows: its rows.
    """

    file: Path
    name: str
    rows: Rows


def is_table(path: Path) -> bool:
    """Tell whether a file is a table by its suffix."""
    return path.suffix.lower() in TABLES and path.is_file()


def is_saved(folder: Path) -> bool:
    """Tell whether a folder is what `datasets` saves: marked by its files, or Parquet files and no images."""
    if not folder.is_dir():
        return False
    alone = (folder / arrow.STATE).is_file() and any(folder.glob(f"*{arrow.ARROW}"))
    marked = alone or (folder / arrow.SPLITS).is_file()
    return marked or (any(_parquet(folder)) and not holds_images(folder))


def is_shards(path: Path) -> bool:
    """Tell whether a path is a tar, or a folder of them without images."""
    if path.is_dir():
        return bool(tar.shards(path)) and not holds_images(path)
    return path.suffix.lower() == tar.SUFFIX and path.is_file()


def is_packed(path: Path) -> bool:
    """Tell whether a path is one of these, and not a plain folder of images or an image."""
    return is_table(path) or is_shards(path) or is_saved(path)


def parts(root: Path) -> list[Part]:
    """Return what is in a file or folder for which `is_packed` holds, file by file.

    Raises:
        UserError: a file cannot be read, or a row lacks what it needs; one line that names it.
    """
    if is_table(root):
        return [Part(root, "", _table(root))]
    if is_shards(root):
        found = tar.shards(root) if root.is_dir() else [root]
        return [Part(shard, base(shard), tar.rows_in(shard)) for shard in found]
    return [Part(file, name, arrow.rows_in(file)) for name, file in arrow.tables(root)]


def _table(path: Path) -> Rows:
    return table.rows_in(path) if path.suffix.lower() in table.SUFFIXES else arrow.rows_in(path)


def _parquet(folder: Path) -> list[Path]:
    return [file for place in (folder, folder / "data") if place.is_dir() for file in place.glob(f"*{arrow.PARQUET}")]
