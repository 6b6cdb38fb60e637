"""A layout of data sets that Instar does not know: a file `pairs.txt` that names the two images of each pair.

train photos/1.jpg drawings/one.png
train photos/2.jpg drawings/two.png
test photos/3.jpg drawings/three.png
"""

from __future__ import annotations

from pathlib import Path

from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.data import DataSet, ImageRef, Layout, Splits


class PairsList(Layout):
    """A folder with a file `pairs.txt`: in each line a split and the paths of two images in the folder."""

    def claims(self, roots: tuple[Path, ...]) -> bool:
        """One folder that holds the file."""
        return len(roots) == 1 and (roots[0] / "pairs.txt").is_file()

    def read(self, cfg: DataConfig) -> DataSet:
        """Read the file; a line's number tells which images belong together."""
        file = cfg.roots[0] / "pairs.txt"
        found: dict[str, list[tuple[ImageRef, ImageRef]]] = {"train": [], "test": [], "val": []}
        for number, line in enumerate(file.read_text().splitlines(), 1):
            words = line.split()
            if len(words) != 3 or words[0] not in found:
                raise UserError(f"{file}, line {number}: expected train, test or val and two paths, found {line!r}")
            first, second = (ImageRef(cfg.roots[0] / word, key=str(number)) for word in words[1:])
            found[words[0]].append((first, second))
        if not found["train"]:
            raise UserError(f"{file} names no pair to train on: a line such as 'train photos/1.jpg drawings/1.png'")

        def side(of: int) -> Splits:
            train, test, val = ([pair[of] for pair in found[split]] for split in ("train", "test", "val"))
            return Splits(train=train, test=test, val=val)

        return DataSet({"first": side(0), "second": side(1)})
