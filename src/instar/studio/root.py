"""The folder that a studio works in: what lies in it, and that nothing outside of it is named by a page."""

from __future__ import annotations

import math
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock

from instar.core.errors import UserError, setting, shown
from instar.core.listing import SUFFIXES
from instar.core.run import CONFIG, checkpoints, read_config

OWN = ".instar-studio"
"""Of the studio itself: what its trainings print, and files that are uploaded or made for a download."""
RUNS, COMPARISONS, DRAWN = "runs", "comparisons", "drawn"
"""Folders for what is made here."""
DEPTH, MOST = 5, 5000
"""Levels of folders that are looked through, and folders in all."""
FRESH = 5.0
"""Seconds for which what was seen in the folder is not looked for again: pages ask often, and folders are large."""
SPLITS = frozenset({"train", "test", "val", "valid", "validation"})
"""Folders that are parts of a data set, not one of its domains."""
EXPORTED = frozenset({".onnx", ".xml", ".pt2"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Seen:
    """What lies in a folder: images, a run, exported models."""

    folder: Path
    images: bool
    run: bool
    exported: tuple[str, ...]


class Root:
    """A folder with data sets and runs. All paths that a page names are relative to it."""

    def __init__(self, folder: Path) -> None:
        """Take a folder that is there.

        Raises:
            UserError: it is none.
        """
        self.path = Path(os.path.realpath(folder))
        if not self.path.is_dir():
            raise UserError(f"{folder}: there is no such folder")
        self._found: list[Seen] = []
        self._looked = -math.inf
        self._lock = Lock()

    @property
    def own(self) -> Path:
        """The folder of the studio itself."""
        return self.path / OWN

    def inside(self, name: object) -> Path:
        """Return the path that a page means, with links followed.

        Raises:
            UserError: it is none, leads out of the folder, or into what is the studio's own.
        """
        if not isinstance(name, str) or not name.strip() or "\0" in name:
            raise UserError("choose a folder or a run")
        path = Path(os.path.realpath(self.path / name.strip()))
        if not self.holds(path):
            raise UserError(f"{shown(name)}: lies outside of the folder of this studio, {self.path}")
        if not os.path.lexists(path):  # which a name that is too long is not, either
            raise UserError(f"{shown(name)}: there is no such file or folder in {self.path}")
        return path

    def holds(self, path: Path) -> bool:
        """Return whether a path leads to something in this folder that is not the studio's own."""
        real = Path(os.path.realpath(path))
        return real.is_relative_to(self.path) and OWN not in real.relative_to(self.path).parts

    def name(self, path: Path) -> str:
        """Return what a page calls a path in this folder."""
        return path.relative_to(self.path).as_posix()

    def run(self, name: object) -> Path:
        """Return the directory of a run.

        Raises:
            UserError: it is none, or lies outside.
        """
        path = self.inside(name)
        if not (path / CONFIG).is_file():
            raise UserError(f"{shown(name)}: not a run (it has no {CONFIG})")
        return path

    def new(self, folder: str, name: object) -> Path:
        """Return the path of something to be made in one of the studio's folders.

        Raises:
            UserError: it is no simple name, or is there already.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name.strip()):
            raise UserError(f"{shown(name)}: a name has letters, digits, and . _ - between them, up to 64")
        path = self.path / folder / name.strip()
        if not self.holds(path):  # runs/ is a link to another place
            raise UserError(f"{folder}/{name}: lies outside of the folder of this studio, {self.path}")
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UserError(f"{folder}/{name} exists already; choose another name")
        self._looked = -math.inf
        return path

    def check_images(self, run: Path) -> None:
        """Refuse a run whose settings name paths outside: it would read them."""
        config = read_config(run / CONFIG)
        start = config.train.start_from
        for path in (*config.data.roots, *([start] if start else [])):
            if not self.holds(path):
                raise UserError(
                    f"{self.name(run)}: its {setting('data.roots', path)} lies outside of the folder of this studio; "
                    "start the studio for a folder that holds both"
                )

    def data(self) -> list[str]:
        """Return folders of images, and before them those that hold several of these: they may be data sets."""
        leaves = {seen.folder for seen in self._seen() if seen.images}
        above = [leaf.parent.parent if leaf.parent.name.lower() in SPLITS else leaf.parent for leaf in leaves]
        sets = {path for path, count in Counter(above).items() if count > 1 and path.is_relative_to(self.path)}
        return [self.name(path) for path in (*sorted(sets), *sorted(leaves - sets))]

    def runs(self) -> list[str]:
        """Return the runs, the newest first."""
        found = [seen.folder for seen in self._seen() if seen.run]
        return [self.name(path) for path in sorted(found, key=_changed, reverse=True)]

    def models(self) -> list[str]:
        """Return what can translate: runs with a checkpoint, and exported files."""
        runs = [name for name in self.runs() if checkpoints(self.path / name)]
        files = [self.name(seen.folder / name) for seen in self._seen() for name in seen.exported]
        return [*runs, *files]

    def _seen(self) -> list[Seen]:
        """Return what lies in the folder: without hidden folders, links, and what is within runs."""
        with self._lock:
            if time.monotonic() - self._looked > FRESH:
                self._found = [_look(Path(name), files) for name, files in self._walked()]
                self._looked = time.monotonic()
            return self._found

    def _walked(self) -> Iterator[tuple[str, list[str]]]:
        for name, folders, files in islice(os.walk(self.path), MOST):
            deep = len(Path(name).relative_to(self.path).parts) >= DEPTH
            inner = () if deep or CONFIG in files else sorted(one for one in folders if not one.startswith("."))
            folders[:] = inner
            yield name, files


def _look(folder: Path, files: list[str]) -> Seen:
    ends = {name: Path(name).suffix.lower() for name in files}
    exported = tuple(sorted(name for name, end in ends.items() if end in EXPORTED))
    return Seen(folder, any(end in SUFFIXES for end in ends.values()), CONFIG in files, exported)


def _changed(run: Path) -> float:
    try:
        return max((run / name).stat().st_mtime for name in (CONFIG, "metrics.jsonl") if (run / name).exists())
    except (OSError, ValueError):
        return 0.0
