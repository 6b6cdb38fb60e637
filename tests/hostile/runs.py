"""Small trainings, and what must be the same of two of them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from engine.processes import draw, logged, state

from hostile.figures import Found
from hostile.forks import Ended, Forks
from instar.core.run import checkpoints

EXTRACTOR = ("--extractor", "evaluation.parts:colours")
OFTEN = (
    *("--preset", "tiny", "--device", "cpu", "--seed", "3"),
    *("--train.save-every", "2", "--train.log-every", "1", "--train.preview-every", "2"),
)
"""Flags of a training that writes much in few steps."""


def trained(forks: Forks, folder: Path, method: str = "pix2pix", steps: int = 4, keep: int = 0) -> Path:
    """Make `folder` with data, run and cache, and return it."""
    draw(folder / "data", 8, 4)
    done = train(forks, folder, method, steps, keep)
    assert done.code == 0, done.said
    return folder


def train(forks: Forks, folder: Path, method: str, steps: int, keep: int = 0) -> Ended:
    """Train in `folder`/run, on `folder`/data."""
    arguments = new_run(folder / "data", folder / "run", method, steps, keep)
    return forks(arguments, INSTAR_CACHE=str(folder / "cache"))


def new_run(data: Path, run: Path, method: str, steps: int, keep: int = 0) -> list[object]:
    """Return the arguments of a new training."""
    return ["train", method, data, "-o", run, *OFTEN, "--steps", steps, "--train.keep", keep]


def outcome(run: Path) -> dict[str, object]:
    """Return what must be equal, bit for bit, of two runs: weights, numbers, sample pictures.

    A run that was lengthened has measured held-out images at its former end too, which another has not.
    """
    pictures = {path.name: path.read_bytes() for path in (run / "samples").glob("*.png")}
    return {**state(run), **pictures, "metrics.jsonl": logged(run)}


def unequal(found: dict[str, object], expected: dict[str, object]) -> list[str]:
    """Return the names under which two outcomes differ."""
    return [name for name in sorted({*found, *expected}) if found.get(name) != expected.get(name)]


def recover(forks: Forks, folder: Path, begin: list[object]) -> str:
    """Go on with a killed training, or begin it again; return what was said if neither works."""
    again = [begin, ["train", "--resume", folder / "run"]]
    if checkpoints(folder / "run"):
        again.reverse()
    ends = []
    for arguments in again:
        ends.append(forks(arguments, INSTAR_CACHE=str(folder / "cache")))
        if ends[-1].code == 0:
            return ""
    return " / ".join(f"{end.code}: {end.err.strip()[-300:]}" for end in ends)


def judge(
    forks: Forks, found: Found, case: str, folder: Path, begin: list[object], expected: dict[str, object]
) -> None:
    """Go on after a kill, and note what is not as if there had been none."""
    lost = recover(forks, folder, begin)
    if lost:
        found.add("unrecoverable", f"{case}: {lost}")
        return
    wrong = unequal(outcome(folder / "run"), expected)
    if wrong:
        found.add("unequal", f"{case}: {', '.join(wrong)}")


def copied(folder: Path, to: Path, parts: Iterable[str]) -> Path:
    """Copy parts of a folder into a new one, with their links."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    for part in parts:
        if (folder / part).is_dir():
            shutil.copytree(folder / part, to / part, symlinks=True)
        elif (folder / part).exists():
            shutil.copy2(folder / part, to / part)
    return to


def files(folder: Path) -> dict[str, str]:
    """Return the digests of all files below a folder, by their paths in it."""
    if folder.is_file():
        return {folder.name: hashlib.sha256(folder.read_bytes()).hexdigest()}
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
