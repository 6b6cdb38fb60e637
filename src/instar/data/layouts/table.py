"""Tables of images."""

from __future__ import annotations

from pathlib import Path
from typing import final

from instar.core.config import DataConfig
from instar.core.packed import is_table
from instar.data.dataset import DataSet
from instar.data.layouts import tabular
from instar.data.layouts.layout import Layout


@final
class Table(Layout):
    """A file `.csv`, `.tsv` or `.parquet` that names images by paths from its own folder, or holds them.

        A,B,split                     image,domain,split
        in/1.jpg,out/1.png,train      horses/1.jpg,horse,train
        in/2.jpg,out/2.png,test       zebras/2.jpg,zebra,test

    Columns whose entries are images hold them, whatever they are called. Several are domains, and the images of a row
    are a pair. Of a single one `domain` names the domains, or else `label`; equal names are a pair. `split` is train,
    test or val, train if it is empty. `label` is the class.
    """

    def claims(self, roots: tuple[Path, ...]) -> bool:
        """A file with such a suffix."""
        return len(roots) == 1 and is_table(roots[0])

    def read(self, cfg: DataConfig) -> DataSet:
        """Read the rows."""
        return tabular.domains(cfg.roots[0])
