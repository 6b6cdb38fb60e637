"""Folders of domains, given one by one."""

from __future__ import annotations

from pathlib import Path
from typing import final

from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.data.dataset import DataSet
from instar.data.layouts import tree
from instar.data.layouts.layout import Layout


@final
class FolderPerDomain(Layout):
    """Folders, or files of many images (digits, tables, tars): each is a domain, called as its folder or file.

    The order is that in which they are given.

        photos/1.jpg     photos/2.jpg
        paintings/1.jpg  paintings/test/2.jpg

    Each folder may hold `train`, `test` and `val`. Other sub-folders are classes.
    """

    def claims(self, roots: tuple[Path, ...]) -> bool:
        """Several roots."""
        return len(roots) > 1

    def read(self, cfg: DataConfig) -> DataSet:
        """Read each root as a domain."""
        places = [root.resolve() for root in cfg.roots]
        for root, place in zip(cfg.roots, places, strict=True):
            if places.count(place) > 1:
                raise UserError(f"{root} is given for both domains: give two folders")
        return DataSet({name: tree.own_domain(root) for name, root in zip(_names(cfg.roots), cfg.roots, strict=True)})


def _names(roots: tuple[Path, ...]) -> list[str]:
    """Return the names of the folders, with as many of those above as tell them apart."""
    names, above = [tree.name_of(root) for root in roots], 2
    while len({name.casefold() for name in names}) < len(names):
        names = ["/".join(root.resolve().parts[-above:]) for root in roots]
        above += 1
    return names
