"""One folder, for methods without domains of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import final

from instar.core.config import DataConfig
from instar.core.packed import is_packed
from instar.data import digits
from instar.data.dataset import DataSet, Split, Splits
from instar.data.layouts import tree
from instar.data.layouts.layout import Layout
from instar.data.layouts.split_domain import SplitDomain
from instar.data.refs import ImageRef


@final
class OneFolder(Layout):
    """One folder with all its sub-folders, which are classes, or a file of digits, a table, a tar.

        cat/1.jpg  dog/2.jpg  3.jpg  test/cat/4.jpg

    It may hold `train`, `test` and `val`. Of `trainA trainB testA testB`, and of any other set of domains with such
    names, the domains are the classes.
    """

    single = True

    def claims(self, roots: tuple[Path, ...]) -> bool:
        """Any folder, and files of many images."""
        root = roots[0]
        return len(roots) == 1 and (root.is_dir() or is_packed(root) or digits.at(root) is not None)

    def read(self, cfg: DataConfig) -> DataSet:
        """Read all images."""
        root = cfg.roots[0]
        domains = SplitDomain()
        found = _together(domains.read(cfg)) if domains.claims(cfg.roots) else tree.own_domain(root)
        return DataSet({tree.name_of(root): found})


def _together(data: DataSet) -> Splits:
    """Return the images of all domains, which become their classes."""

    def refs(split: Split) -> list[ImageRef]:
        return [replace(ref, label=name) for name, domain in data.domains.items() for ref in domain.refs(split)]

    left_out = [one for domain in data.domains.values() for one in domain.left_out]
    return Splits(refs("train"), refs("test"), refs("val"), left_out)
