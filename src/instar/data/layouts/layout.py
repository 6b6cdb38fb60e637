"""The contract of a layout: how files and folders make a data set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from instar.core.config import DataConfig
from instar.data.dataset import DataSet


class Layout(ABC):
    """A way to lay out a data set on disk, in a class without state."""

    single: ClassVar[bool] = False
    """Whether it gives one domain, for methods that take all images alike; the others give two or more."""

    @abstractmethod
    def claims(self, roots: tuple[Path, ...]) -> bool:
        """Tell whether a data set is laid out like this. The first layout that claims it reads it.

        Args:
            roots: what the user gave: one folder or file, or one for each domain. They exist.
        """

    def asked(self, cfg: DataConfig) -> bool:
        """Tell whether the settings ask for it, for a layout that is read only if they do."""
        return True

    @abstractmethod
    def read(self, cfg: DataConfig) -> DataSet:
        """Find the images; no image is opened but for its size.

        Args:
            cfg: `roots` are claimed by this layout.

        Raises:
            UserError: images or a domain are missing; one line that names the folder and the remedy.
        """
