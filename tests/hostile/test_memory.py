"""Processes that may take little memory end with a line, wherever it gives out."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from PIL import Image

from hostile.figures import Found
from hostile.forks import Ended, Forks, Limits
from hostile.runs import EXTRACTOR, new_run, outcome, recover, trained, unequal
from hostile.sampling import chance, times
from instar.core.files import is_temporary
from instar.core.run import last_whole

Campaign = Callable[[str], AbstractContextManager[Found]]
MEGABYTE = 2**20
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limit is above what /proc says is there")


@pytest.fixture(scope="module")
def original(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and a folder with a picture that is large for a small memory."""
    folder = trained(forks, tmp_path_factory.mktemp("original"), "pix2pix", 4)
    (folder / "large").mkdir()
    Image.radial_gradient("L").resize((6000, 5000)).save(folder / "large" / "large.png")
    Image.radial_gradient("L").save(folder / "large" / "small.png")
    return folder


@pytest.mark.parametrize("name", ["train", "resume", "translate", "evaluate", "check"])
def test_little_memory(name: str, forks: Forks, original: Path, tmp_path: Path, campaign: Campaign) -> None:
    run = original / "run"
    with campaign(f"memory: {name}") as found:
        for number in times(3):
            room = int(2 ** chance(found.title, number).uniform(3.5, 9.5)) * MEGABYTE
            folder, case = tmp_path / f"{number}", f"{room // MEGABYTE} MB"
            out, cache = folder / "run", str(folder / "cache")
            begin = new_run(original / "data", out, "pix2pix", 4)
            arguments = {
                "train": begin,
                "resume": ["train", "--resume", out, "--steps", "4"],
                "translate": ["translate", run, original / "large", original / "data/testA", "-o", out],
                "evaluate": ["evaluate", run, *EXTRACTOR],
                "check": ["check", original / "large", original / "data/trainA"],
            }[name]
            if name == "resume":
                assert forks(new_run(original / "data", out, "pix2pix", 2), INSTAR_CACHE=cache).code == 0
            found.case("limit of memory")
            end = forks(arguments, Limits(seconds=90, memory=room), INSTAR_CACHE=cache)
            fault = None if killed(end) else end.fault()
            if fault:
                found.add(fault[0], f"{case}: {fault[1]}")
            elif killed(end) and name in ("train", "resume"):
                lost = recover(forks, folder, begin)
                if lost:
                    found.add("unrecoverable", f"{case}: {lost}")
            elif end.code and not killed(end) and not end.said.strip():
                found.add("crashes", f"{case}: code {end.code} without a word")
            for kind, what in lasting(name, end, out, run):
                found.add(kind, f"{case}: {what}")


def killed(end: Ended) -> bool:
    """Return whether what Instar stands on ended a process, or stopped it, so that nothing of Instar's ran any more.

    oneDNN runs a kernel that it had no memory to write (the gradient of a strided convolution, for one). Python waits
    without end for a thread that failed before it could say that it runs (repaired in Python's newer versions).
    """
    return end.code == -signal.SIGSEGV or (end.hung and "Exception ignored in thread started by" in end.err)


def lasting(name: str, end: Ended, out: Path, run: Path) -> Iterator[tuple[str, str]]:
    """Give what is not whole of what a process leaves, after work went on where it was killed."""
    if name == "train" and (end.code == 0 or killed(end)) and unequal(outcome(out), outcome(run)):
        yield "unequal", "another outcome"
    if name == "resume" and last_whole(out) is None:
        yield "unrecoverable", "the checkpoint is gone"
    if name == "translate":
        pictures = [path for path in out.rglob("*.png") if not is_temporary(path)]
        yield from (("silent losses", f"{path.name} is not whole") for path in pictures if not whole(path))


def whole(path: Path) -> bool:
    """Return whether a picture can be read to its end."""
    try:
        with Image.open(path) as picture:
            picture.load()
    except OSError:
        return False
    return True
