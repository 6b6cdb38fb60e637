"""One folder of images whose names say what belongs together."""

from __future__ import annotations

from pathlib import Path
from typing import final

from instar.core.config import DataConfig
from instar.core.errors import UserError, setting
from instar.core.listing import LeftOut, Listing, Why, composed, listed, sub_folders, without_suffix
from instar.data.dataset import DataSet, Splits
from instar.data.layouts import tree
from instar.data.layouts.layout import Layout
from instar.data.layouts.side_by_side import SideBySide
from instar.data.layouts.split_domain import NAMELESS
from instar.data.pair_names import pair_of, side_of
from instar.data.refs import ImageRef


@final
class NamedPairs(Layout):
    """One folder of images, if `data.pair_by` is set: what its groups match is the pair, the rest of a name its domain.

        1_photo.jpg  1_label.png  2_photo.jpg  2_label.png          (.*)_(?:photo|label)
        train/1.jpg  train/1_mask.png  test/2.jpg  test/2_mask.png  (.*?)(?:_mask)?

    A domain of which nothing is left is called `image`. Names are compared without the suffix.
    """

    def claims(self, roots: tuple[Path, ...]) -> bool:
        """Images, and no folders of images, in the folder of training images."""
        return SideBySide().claims(roots)

    def asked(self, cfg: DataConfig) -> bool:
        """Only with an expression."""
        return cfg.pair_by is not None

    def read(self, cfg: DataConfig) -> DataSet:
        """Put each image in the domain that its name says."""
        root = cfg.roots[0]
        splits = tree.by_split(sub_folders(root))
        train = splits["train"].get("", root)
        test, val = (held.get("") if "" in splits["train"] else None for held in tree.held_out(splits))
        read = [_by_side(folder, cfg.pair_by or "") for folder in (train, test, val)]
        names = sorted({name for sides, _ in read for name in sides})
        if len(names) < 2:
            first = next((str(path.name) for _, left in read for path in left), "")
            what = (
                f"all names that match are of one domain ({names[0]})" if names else f"no name matches, {first} first"
            )
            raise UserError(f"{setting('data.pair_by', cfg.pair_by)}: {what}")
        left_out = [one for _, left in read for one in left.values()]
        domains = {}
        for name in names:
            refs, held, more = (sides.get(name, []) for sides, _ in read)
            domains[name] = Splits(refs, held, more, left_out)
        return DataSet(domains)


def _by_side(folder: Path | None, expression: str) -> tuple[dict[str, list[ImageRef]], dict[Path, LeftOut]]:
    """Return the images by domain, and what is left out."""
    found = listed(folder, recursive=False) if folder else Listing([], [])
    sides: dict[str, list[ImageRef]] = {}
    left = {one.path: one for one in found.left_out}
    for path in found.images:
        stem = without_suffix(path.name)
        name = composed(stem)
        if pair_of(expression, name) is None:
            left[path] = LeftOut(path, Why.UNMATCHED)
        else:
            sides.setdefault(side_of(expression, name) or NAMELESS, []).append(ImageRef(path, key=stem))
    return sides, left
