"""Folders of splits with folders of domains in them."""

from __future__ import annotations

from pathlib import Path
from typing import final

from instar.core.config import DataConfig
from instar.core.listing import holds_images, sub_folders
from instar.data.dataset import DataSet
from instar.data.layouts import tree
from instar.data.layouts.layout import Layout


@final
class SplitThenDomain(Layout):
    """A folder `train`, with a folder for each domain in it, and `test` and `val` likewise. Domains have any names.

        train/horse/1.jpg  train/zebra/2.jpg  test/horse/3.jpg  test/zebra/4.jpg

    Sub-folders of a domain are classes.
    """

    def claims(self, roots: tuple[Path, ...]) -> bool:
        """A folder of training images that no domain has for itself."""
        return roots[0].is_dir() and set(tree.by_split(sub_folders(roots[0]))["train"]) == {""}

    def read(self, cfg: DataConfig) -> DataSet:
        """Read the folders of `train`, sorted by name."""
        splits = tree.by_split(sub_folders(cfg.roots[0]))
        train = splits["train"][""]
        found = sub_folders(train)
        domains = [folder for folder in found if holds_images(folder)]
        if len(domains) < 2:
            raise tree.too_few(train, found, domains)
        test, val = (_by_name(held.get("")) for held in tree.held_out(splits))
        named = [(folder, folder.name.casefold()) for folder in domains]
        return DataSet({folder.name: tree.split_domain(folder, test.get(key), val.get(key)) for folder, key in named})


def _by_name(folder: Path | None) -> dict[str, Path]:
    return {found.name.casefold(): found for found in sub_folders(folder)} if folder else {}
