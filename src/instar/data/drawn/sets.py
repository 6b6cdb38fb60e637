"""Drawn sets as folders of pictures, with the truth of every test picture and what each was drawn from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import cattrs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instar.core.errors import UserError, nearest
from instar.core.files import write_atomically
from instar.core.images import save
from instar.data.drawn.kinds import Kind, kind
from instar.data.drawn.setting import Level, Pixels

FILE = "scenes.json"
VERSION = 2
"""Raised when the same scene comes to look another way, so that no old picture is scored by a new truth."""
_SMALLEST = 64


@dataclass(frozen=True)
class DrawnSet:
    """What a folder of `write` was drawn from."""

    kind: Kind
    level: Level
    size: int
    inputs: Mapping[str, Any]
    """The scenes of testA, by the names of their files without suffix."""
    truths: Mapping[str, Any]
    """The same scenes with the change, by the same names."""


def write(
    name: str, folder: Path, level: Level = "cluttered", size: int = 64, train: int = 400, test: int = 100
) -> None:
    """Write an unpaired set: `folder`/{trainA,trainB,testA,testB,truth,masks}/NNNN.png and scenes.json.

    No scene of one folder is in another, but for ``truth``, which holds the pictures of testA with the change and all
    else as it is, and ``masks``, which is white where the two differ.

    Args:
        name: of the kind, a key of `instar.data.drawn.kinds.KINDS`.
        folder: made if it is not there.
        level: ``easy`` has plain backdrops and heads that hardly turn, ``cluttered`` all that varies in photographs.
        size: side of the pictures, 64 or more.
        train: pictures of each domain to train on.
        test: pictures of each domain to test with.

    Raises:
        UserError: there is no such kind or level, or the pictures would be too small.
    """
    drawn = kind(name)
    if level not in get_args(Level):
        raise UserError(f"there is no level {level!r}{nearest(level, get_args(Level))}")
    if size < _SMALLEST:
        raise UserError(f"drawn sets are {_SMALLEST} px or more, not {size}")
    counts = {"train": train, "test": test}
    scenes: dict[str, dict[str, Any]] = {}
    for split in ("train", "test"):
        for domain in ("A", "B"):
            numbers = range(counts[split])
            made = {f"{i:04d}": drawn.scene(level, split, domain, i) for i in numbers}
            scenes[f"{split}{domain}"] = made
    scenes["truth"] = {f"{i:04d}": drawn.truth(level, "test", i) for i in range(test)}
    (folder / FILE).unlink(missing_ok=True)  # of another set, whose pictures are replaced
    for part, pictures in scenes.items():
        (folder / part).mkdir(parents=True, exist_ok=True)
        for stem, scene in pictures.items():
            save(Image.fromarray(drawn.draw(scene, size)), folder / part / f"{stem}.png")
    (folder / "masks").mkdir(exist_ok=True)
    for stem in scenes["truth"]:
        pair = (np.asarray(Image.open(folder / part / f"{stem}.png")) for part in ("testA", "truth"))
        save(Image.fromarray(changed(*pair).astype(np.uint8) * 255), folder / "masks" / f"{stem}.png")
    parts = {part: {stem: asdict(scene) for stem, scene in made.items()} for part, made in scenes.items()}
    text = json.dumps({"version": VERSION, "kind": name, "level": level, "size": size, "scenes": parts})
    write_atomically(folder / FILE, text.encode())


def changed(a: Pixels, b: Pixels) -> NDArray[np.bool_]:
    """Return where two pictures (H, W, 3) of one scene differ by more than rounding (H, W)."""
    apart: NDArray[np.bool_] = np.abs(a.astype(np.int16) - b).max(2) > 2
    return apart


def read(folder: Path) -> DrawnSet:
    """Return what a folder was drawn from.

    Raises:
        UserError: it is no folder of `write`, or of another version of the drawing.
    """
    path = folder / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        version, drawn, parts = found["version"], kind(found["kind"]), found["scenes"]
        if version != VERSION:
            raise UserError(
                f"{path}: drawn by version {version} of the drawing, this is {VERSION}; write the set again"
            )
        inputs, truths = (_scenes(drawn, parts[part]) for part in ("testA", "truth"))
        return DrawnSet(drawn, found["level"], int(found["size"]), inputs, truths)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give a folder with a drawn set") from error
    except (ValueError, KeyError, TypeError, cattrs.BaseValidationError) as error:
        raise UserError(f"{path}: not the scenes of a drawn set; write the set again") from error


def _scenes(drawn: Kind, values: Mapping[str, Any]) -> dict[str, Any]:
    return {stem: cattrs.structure(scene, drawn.of) for stem, scene in values.items()}
