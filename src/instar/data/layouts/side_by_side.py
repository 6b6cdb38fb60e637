"""Files with both images of a pair side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import final

from instar.core.config import DataConfig
from instar.core.listing import Listing, holds_images, list_images, listed, sub_folders
from instar.core.reading import UnreadableImage, probe
from instar.data import digits
from instar.data.dataset import DataSet, Splits
from instar.data.layouts import tree
from instar.data.layouts.layout import Layout
from instar.data.refs import Half, ImageRef


@final
class SideBySide(Layout):
    """Files of which each is a pair: domain A on the left half, B on the right.

        train/1.jpg  train/2.jpg  test/3.jpg  val/4.jpg

    Or the files lie in the folder itself. There are no folders with images beside them. For methods that need no pairs
    the halves count as two domains if the files are about twice as wide as high; others are images of one domain.
    """

    def claims(self, roots: tuple[Path, ...]) -> bool:
        """Images, and no folders of images, in the folder of training images."""
        root = roots[0]
        if not root.is_dir():
            return False
        place = tree.by_split(sub_folders(root))["train"].get("", root)
        if not list_images(place, recursive=False):
            return False
        return not any(holds_images(folder) or (place == root and digits.at(folder)) for folder in sub_folders(place))

    def read(self, cfg: DataConfig) -> DataSet:
        """Cut the files of each split in halves."""
        root = cfg.roots[0]
        splits = tree.by_split(sub_folders(root))
        train = splits["train"].get("", root)
        test, val = (held.get("") if "" in splits["train"] else None for held in tree.held_out(splits))
        found = [listed(folder, recursive=False) if folder else Listing([], []) for folder in (train, test, val)]
        files = [one.images for one in found]
        sizes = [(path, *size) for paths in files for path in paths if (size := _size(path))]
        return DataSet(
            {name: _splits(found, half) for name, half in _HALVES.items()},
            paired_error=next(filter(None, (_fault(*size) for size in sizes)), ""),
            unpaired_error=next(filter(None, (_fault_unpaired(root, *size) for size in sizes)), ""),
            unpaired_note=f"{root} holds pairs side by side: their halves are used as two domains",
        )


_HALVES: dict[str, Half] = {"A": "left", "B": "right"}


def _splits(found: Sequence[Listing], half: Half) -> Splits:
    train, test, val = (_halves(listing.images, half) for listing in found)
    return Splits(train, test, val, [one for listing in found for one in listing.left_out])


def _halves(paths: Iterable[Path], half: Half) -> list[ImageRef]:
    return [ImageRef(path, half, key=path.name) for path in paths]


def _size(path: Path) -> tuple[int, int] | None:
    """Return width and height; None if it cannot be read, which is reported where files are decoded."""
    try:
        return probe(path)[:2]
    except UnreadableImage:
        return None


def _fault(path: Path, width: int, height: int) -> str:
    """Return why a file cannot be a pair, or nothing."""
    if width < height:
        return f"{path} is {width} x {height}, not a pair side by side (A left, B right)"
    return f"{path} is {width} pixels wide: a pair side by side needs an even width" if width % 2 else ""


def _fault_unpaired(root: Path, path: Path, width: int, height: int) -> str:
    """Return why a file is not taken for a pair if nothing asks for pairs, or nothing."""
    if not 1.9 <= width / height <= 2.1:
        return f"{root} holds one domain only: give a second folder, or a folder with trainA and trainB"
    return _fault(path, width, height)
