"""Tar shards."""

from __future__ import annotations

from pathlib import Path
from typing import final

from instar.core.config import DataConfig
from instar.core.packed import is_shards
from instar.data.dataset import DataSet
from instar.data.layouts import tabular
from instar.data.layouts.layout import Layout


@final
class Shards(Layout):
    """A `.tar`, or a folder of them, as WebDataset writes it. Nothing is extracted; compressed ones are refused.

        train-000000.tar: 0001.a.jpg  0001.b.png  0001.json  0002.a.jpg  0002.b.png
        trainA-000000.tar: 0001.jpg  0001.cls          trainB-000000.tar: 0001.jpg  0001.cls

    Members of one name up to the first dot are a sample. What is between it and the suffix names the column of an
    image, and columns are read as those of a table. `.cls` is the class, `.json` may have `split`, `domain` and
    `label`. Names of shards may name split and domain.
    """

    def claims(self, roots: tuple[Path, ...]) -> bool:
        """A tar, or a folder of them, and no image files."""
        return len(roots) == 1 and is_shards(roots[0])

    def read(self, cfg: DataConfig) -> DataSet:
        """Read the index of each shard."""
        return tabular.domains(cfg.roots[0])
