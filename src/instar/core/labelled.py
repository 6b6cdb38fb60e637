"""Files of labelled digits, which are data sets and no pictures. Nothing heavy is imported to tell."""

from __future__ import annotations

import zipfile
from pathlib import Path

_ARRAYS = ("x_train", "y_train")


def is_labelled(path: Path) -> bool:
    """Tell whether an .npz is a data set of digits with labels."""
    try:
        with zipfile.ZipFile(path) as file:
            return any(name.removesuffix(".npy") in _ARRAYS for name in file.namelist())
    except (OSError, zipfile.BadZipFile):
        return False
