"""Data sets that Hugging Face's `datasets` has saved."""

from __future__ import annotations

from pathlib import Path
from typing import final

from instar.core.config import DataConfig
from instar.core.packed import is_saved
from instar.data.dataset import DataSet
from instar.data.layouts import tabular
from instar.data.layouts.layout import Layout


@final
class SavedDataset(Layout):
    """A folder that `datasets` has saved by `save_to_disk`, or one of Parquet files with images in them.

        dataset_dict.json  train/state.json  train/data-00000-of-00001.arrow  test/...
        train-00000-of-00002.parquet  train-00001-of-00002.parquet  test-00000-of-00001.parquet

    Columns are read as those of a table. Names of splits, or of files, may also name the domain: `trainA`, `testB`.
    """

    def claims(self, roots: tuple[Path, ...]) -> bool:
        """A folder with these files, and no image files."""
        return len(roots) == 1 and is_saved(roots[0])

    def read(self, cfg: DataConfig) -> DataSet:
        """Read the rows of all its tables."""
        return tabular.domains(cfg.roots[0])
