"""Folders named by split and domain."""

from __future__ import annotations

from pathlib import Path
from typing import final

from instar.core.config import DataConfig
from instar.core.listing import sub_folders
from instar.data.dataset import DataSet
from instar.data.layouts import tree
from instar.data.layouts.layout import Layout

NAMELESS = "image"
"""Name of the domain whose folders are named by the split alone."""


@final
class SplitDomain(Layout):
    """Folders that are named by split and domain. Domains have any names; one without a name is called `image`.

        trainA/1.jpg  trainB/2.jpg       testA/3.jpg  testB/4.jpg       valA/5.jpg  valB/6.jpg
        train/1.jpg   trainannot/1.png   val/2.jpg    valannot/2.png

    Case, `_`, `-` and spaces between split and domain do not matter: `train_A`, `Train-a`. Sub-folders are classes.
    """

    def claims(self, roots: tuple[Path, ...]) -> bool:
        """Folders such as trainA."""
        return roots[0].is_dir() and tree.are_splits(sub_folders(roots[0]))

    def read(self, cfg: DataConfig) -> DataSet:
        """Read the domains, sorted by name."""
        splits = tree.by_split(sub_folders(cfg.roots[0]))
        train, (test, val) = splits["train"], tree.held_out(splits)
        if len(train) == 1:
            raise tree.too_few(cfg.roots[0], [], list(train.values()))
        return DataSet(
            {key or NAMELESS: tree.split_domain(train[key], test.get(key), val.get(key)) for key in sorted(train)}
        )
