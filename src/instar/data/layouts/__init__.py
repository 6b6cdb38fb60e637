"""Ways to lay out a data set on disk, one in each file. Other packages add theirs.

A layout of your own is a class derived from `Layout`, which another package registers as an entry point,

    [project.entry-points."instar.layouts"]
    pairs-list = "your_package.pairs:PairsList"

or a script by `register(PairsList)`. These are asked before Instar's own, so that they may claim any folder or file.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from instar.core.batch import Batch
from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.data import digits
from instar.data.dataset import DataSet
from instar.data.layouts import tree
from instar.data.layouts.domain_folders import DomainFolders
from instar.data.layouts.folder_per_domain import FolderPerDomain
from instar.data.layouts.layout import Layout as Layout
from instar.data.layouts.named_pairs import NamedPairs
from instar.data.layouts.one_folder import OneFolder
from instar.data.layouts.saved_dataset import SavedDataset
from instar.data.layouts.shards import Shards
from instar.data.layouts.side_by_side import SideBySide
from instar.data.layouts.split_domain import SplitDomain
from instar.data.layouts.split_then_domain import SplitThenDomain
from instar.data.layouts.table import Table

OWN: tuple[type[Layout], ...] = (
    FolderPerDomain,
    Table,
    SavedDataset,
    Shards,
    SplitDomain,
    NamedPairs,
    SideBySide,
    SplitThenDomain,
    DomainFolders,
    OneFolder,
)
"""Instar's layouts in the order in which they are asked: the first that claims a data set reads it, so that each may
leave to those below what they know better how to refuse."""

_registered: list[type[Layout]] = []


def register(layout: type[Layout]) -> type[Layout]:
    """Let data sets of another layout be found, from now on and in this process; also a decorator of its class."""
    if layout not in _registered:
        _registered.insert(0, layout)
    return layout


def known() -> list[type[Layout]]:
    """Return all layouts in the order in which they are asked.

    Registered ones, the last first, then entry points by name, then Instar's own.

    Raises:
        UserError: an entry point cannot be loaded.
    """
    return [*_registered, *(_load(entry) for _, entry in sorted(_outside().items())), *OWN]


def read(cfg: DataConfig, kind: type[Batch]) -> DataSet:
    """Read the data set under `cfg.roots` for batches of a kind: as one domain or as several.

    Raises:
        UserError: a root is missing, or holds no such data set; one line with the remedy.
    """
    domains, roots = len(kind.sources()), cfg.roots
    _check_roots(roots, domains)
    for layout in (found() for found in known() if found.single == (domains == 1)):
        if layout.asked(cfg) and layout.claims(roots):
            data = layout.read(cfg)
            if domains == 1 and len(data.domains) != 1:
                raise ValueError(f"{type(layout).__name__} is to give one domain, not {', '.join(data.domains)}")
            return data
    raise _unclaimed(roots[0])


def _check_roots(roots: tuple[Path, ...], domains: int) -> None:
    count = len(roots)
    if domains == 1 and count != 1:
        raise UserError(f"{count or 'no'} folders given: this method takes one, with all images in it")
    if not count:
        raise UserError("no images given: name a data set folder, or one folder per domain")
    if count not in (1, domains):
        many = "two" if domains == 2 else domains
        raise UserError(f"{count} folders given: name one data set folder, or {many}, one per domain")
    for root in roots:
        if not root.exists():
            raise UserError(f"{root}: there is no such folder")


def _unclaimed(root: Path) -> UserError:
    if root.is_dir():
        return tree.no_images(root)
    return UserError(f"{root} holds one domain only: give a second one") if digits.at(root) else tree.not_a_folder(root)


def _load(entry: EntryPoint) -> type[Layout]:
    try:
        loaded: type[Layout] = entry.load()
    except Exception as error:  # whatever another package does while it is imported
        raise UserError(f"the layout {entry.name!r} of {entry.value} cannot be loaded ({error})") from error
    return loaded


def _outside() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group="instar.layouts")}
