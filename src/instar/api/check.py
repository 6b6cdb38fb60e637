"""Look at a data set before training on it."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from instar.core.config import DataConfig, Pages
from instar.core.events import Listener, ignore
from instar.data.check import Report
from instar.data.check import check as check_files
from instar.data.pair_sheet import write_pairs

AnyPath = str | PathLike[str]


def check(
    data: AnyPath | Sequence[AnyPath],
    source: str | None = None,
    target: str | None = None,
    *,
    pages: Pages = "first",
    pairs: AnyPath | None = None,
    pair_by: str | None = None,
    masks: str | None = None,
    on_event: Listener = ignore,
) -> Report:
    """Read every file of a data set and report what is wrong with it; it is not changed.

    Args:
        data: a data set folder, a plain folder of images, a table, a tar, or one of these for each of two domains.
        source: domain to translate from, by name; all domains are read if neither is given.
        target: domain to translate to, by name.
        pages: of files of several: "all", "first" or the number of one, from 1.
        pairs: picture to be written, such as "pairs.png": up to 20 pairs side by side, to see whether they are some.
        pair_by: regular expression for the names of pairs, as `data.pair_by` of a training.
        masks: end of the names of masks, as `data.masks` of a training.
        on_event: told how many images are read (`Worked`).

    Raises:
        UserError: there are no images, no pairs for a picture of them, or it cannot be written.
    """
    roots = (data,) if isinstance(data, (str, PathLike)) else tuple(data)
    cfg = DataConfig(
        roots=tuple(map(Path, roots)), source=source, target=target, pair_by=pair_by, masks=masks, pages=pages
    )
    found = check_files(cfg, on_event=on_event)
    if pairs is not None:
        write_pairs(found, Path(pairs))
    return found
