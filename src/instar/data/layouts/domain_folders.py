"""Folders of domains in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import final

from instar.core.config import DataConfig
from instar.core.listing import holds_images, sub_folders
from instar.core.packed import is_saved, is_shards
from instar.data import digits
from instar.data.dataset import DataSet
from instar.data.layouts import tree
from instar.data.layouts.layout import Layout


@final
class DomainFolders(Layout):
    """A folder for each domain, of any name. Each may hold `train`, `test` and `val`, or be a data set of digits.

        horse/1.jpg  horse/test/2.jpg  zebra/train/3.jpg  zebra/test/4.jpg

    Other sub-folders of a domain are classes.
    """

    def claims(self, roots: tuple[Path, ...]) -> bool:
        """Folders with images."""
        return roots[0].is_dir() and bool(_domains(roots[0]))

    def read(self, cfg: DataConfig) -> DataSet:
        """Read the folders that hold images, sorted by name."""
        domains = _domains(cfg.roots[0])
        if len(domains) < 2:
            raise tree.too_few(cfg.roots[0], sub_folders(cfg.roots[0]), domains)
        return DataSet({folder.name: tree.own_domain(folder) for folder in domains})


def _domains(root: Path) -> list[Path]:
    return [
        folder
        for folder in sub_folders(root)
        if holds_images(folder) or digits.at(folder) or is_shards(folder) or is_saved(folder)
    ]
