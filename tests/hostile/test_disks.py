"""Disks that are full or read only, and directories that go away."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from hostile.figures import Found
from hostile.forks import Ended, Forks, Limits
from hostile.runs import EXTRACTOR, copied, files, new_run, outcome, trained, unequal
from hostile.sampling import chance, sample, times
from instar.core.files import is_temporary
from instar.core.run import checkpoints

Campaign = Callable[[str], AbstractContextManager[Found]]
STEPS = 6
METHOD = "pix2pix"


@pytest.fixture(scope="module")
def original(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, a run of six steps, and what commands make of it."""
    folder = trained(forks, tmp_path_factory.mktemp("original"), METHOD, STEPS)
    shutil.copytree(folder / "data", folder / "other" / "data")
    trained(forks, folder / "other", "cut", 2)
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes a disk of so many bytes; skips where that is not allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted: list[Path] = []

    def leave() -> None:
        while mounted:
            subprocess.run(["umount", "-l", str(mounted.pop())], check=True)

    def mount(size: int) -> Path:
        leave()
        options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
        done = subprocess.run(["mount", *options], capture_output=True, check=False) if shutil.which("mount") else None
        if done is None or done.returncode:
            pytest.skip("mounting needs the rights of root")
        mounted.append(place)
        return place

    yield mount
    leave()


def told(found: Found, case: str, end: Ended) -> bool:
    """Note what is wrong with how a command ended; return whether it did its work."""
    fault = end.fault()
    if fault:
        found.add(fault[0], f"{case}: {fault[1]}")
    elif end.code in (2, 3) and not re.search(r"^instar: .*\S", end.err, re.MULTILINE):
        found.add("crashes", f"{case}: no line: {end.err[-300:]!r}")
    return not fault and end.code == 0


def commands(at: Path, out: Path) -> dict[str, list[object]]:
    """Commands that write into a folder."""
    return {
        "translate": ["translate", at / "run", at / "data/testA", "-o", out, "--grid"],
        "evaluate": ["evaluate", at / "run", *EXTRACTOR, "-o", out / "scores.json"],
        "compare": ["compare", at / "run", at / "other/run", *EXTRACTOR, "-o", out / "table"],
        "study": ["study", at / "run", at / "other/run", "-o", out / "study"],
    }


def test_full_while_training(
    forks: Forks, original: Path, tmp_path: Path, small_disk: Callable[[int], Path], campaign: Campaign
) -> None:
    """It ends in a line; with room again it goes on to the bits of a whole run."""
    home = copied(original, tmp_path / "home", ["data"])
    size = sum(path.stat().st_size for path in (original / "run").rglob("*") if path.is_file())
    expected = outcome(original / "run")
    with campaign("disk: full while training") as found:
        for number in times(6):
            room = int(size * chance(found.title, number).uniform(0.02, 1.0))
            keep = chance(found.title, number).choice([0, 1, 2])
            case = f"{room} of {size} bytes, keep {keep}"
            found.case("full")
            disk = small_disk(room)
            begin = new_run(home / "data", disk / "run", METHOD, STEPS, keep)
            end = forks(begin, Limits(seconds=60), INSTAR_CACHE=str(home / "cache"))
            told(found, case, end)
            shutil.rmtree(home / "run", ignore_errors=True)
            if (disk / "run").is_dir():
                shutil.copytree(disk / "run", home / "run")
            had = bool(checkpoints(home / "run"))
            again: list[object] = ["train", "--resume", home / "run"]
            end = forks(again if had else new_run(home / "data", home / "run", METHOD, STEPS, keep),
                        INSTAR_CACHE=str(home / "cache"))  # fmt: skip
            if not had and end.code:
                end = forks(again, INSTAR_CACHE=str(home / "cache"))
            if end.code:
                found.add("unrecoverable", f"{case}: {end.err[-300:]}")
                continue
            now = outcome(home / "run")
            # Where metrics and pictures had no room they are missing, and it was said; the weights are what counts.
            wrong = [name for name in unequal(now, expected) if name.endswith(".safetensors")]
            if wrong:
                found.add("unequal", f"{case}: {', '.join(wrong)}")


@pytest.mark.parametrize("name", ["translate", "evaluate", "compare", "study"])
def test_full_while_writing(
    name: str, forks: Forks, original: Path, small_disk: Callable[[int], Path], campaign: Campaign
) -> None:
    """What is there is whole, what is not there is said."""
    disk = small_disk(2**24)
    cache = {"INSTAR_CACHE": str(original / "cache")}
    assert forks(commands(original, disk / "out")[name], **cache).code in (0, 2)
    (disk / "out").mkdir(exist_ok=True)
    shutil.rmtree(disk / "out")
    (disk / "out").mkdir()
    assert forks(commands(original, disk / "out")[name], **cache).code == 0
    expected = files(disk / "out")
    size = sum(path.stat().st_size for path in (disk / "out").rglob("*") if path.is_file())
    with campaign(f"disk: full, {name}") as found:
        for number in times(3):
            room = int(size * chance(found.title, number).uniform(0, 0.95))
            case = f"{room} of {size} bytes"
            found.case("full")
            disk = small_disk(max(room, 8192))
            (disk / "out").mkdir()
            filler = max(0, shutil.disk_usage(disk).free - room)
            (disk / "filler").write_bytes(bytes(filler))
            done = told(found, case, forks(commands(original, disk / "out")[name], Limits(seconds=60), **cache))
            now = {path: digest for path, digest in files(disk / "out").items() if "manifest" not in path}
            wrong = [
                path for path, digest in now.items() if digest != expected.get(path) and not is_temporary(Path(path))
            ]
            if wrong:
                found.add("silent losses", f"{case}: {', '.join(wrong)} are not whole")
            if done and set(expected) - set(now) - {"manifest.jsonl"}:
                found.add("silent losses", f"{case}: code 0, and {set(expected) - set(now)} are missing")


def test_files_that_may_not_grow(forks: Forks, original: Path, tmp_path: Path, campaign: Campaign) -> None:
    """As on a disk with a quota: no write above a size succeeds, in the run and in the cache."""
    expected = outcome(original / "run")
    largest = max(path.stat().st_size for path in (original / "run").rglob("*") if path.is_file())
    with campaign("disk: files that may not grow") as found:
        for number in times(5):
            size = 8192 + int(largest ** chance(found.title, number).uniform(0.2, 1.0))  # with room for what it says
            home = copied(original, tmp_path / "home", ["data"])
            begin = new_run(home / "data", home / "run", METHOD, STEPS)
            found.case("limit")
            end = forks(begin, Limits(seconds=60, file_bytes=size), INSTAR_CACHE=str(home / "cache"))
            if told(found, f"{size} bytes", end):
                wrong = [name for name in unequal(outcome(home / "run"), expected) if name.endswith(".safetensors")]
                if wrong:
                    found.add("unequal", f"{size} bytes: {', '.join(wrong)}")


def test_read_only(forks: Forks, original: Path, tmp_path: Path, campaign: Campaign) -> None:
    """Every command says which place cannot be written."""
    limits = Limits(seconds=60, plain_rights=True)
    home = copied(original, tmp_path / "home", ["data", "run", "other"])
    config = home / "run" / "config.yaml"
    config.write_text(config.read_text().replace(str(original), str(home)))
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    tried = {
        "new run": new_run(home / "data", closed / "run", METHOD, STEPS),
        "resume": ["train", "--resume", home / "run", "--steps", "8"],
        **commands(home, closed / "out"),
        "inspect": ["inspect", home / "run", "-o", closed / "page.html"],
        "demo": ["demo", "-o", closed / "demo"],
    }
    places = [home / "run", *(path for path in (home / "run").rglob("*") if path.is_dir())]
    with campaign("disk: read only") as found:
        for name, arguments in tried.items():
            for place in places if name == "resume" else [closed]:
                place.chmod(0o555)
                found.case(name)
                case = f"{name}, {place.name} closed"
                end = forks(arguments, limits, INSTAR_CACHE=str(home / "cache"))
                place.chmod(0o755)
                closed.chmod(0o555)
                if told(found, case, end) and place is closed:
                    found.add("silent losses", f"{case}: code 0")
        found.case("cache")
        (tmp_path / "home" / "cache").mkdir(exist_ok=True)
        (tmp_path / "home" / "cache").chmod(0o555)
        shutil.rmtree(home / "run")
        end = forks(new_run(home / "data", home / "run", METHOD, STEPS), limits, INSTAR_CACHE=str(home / "cache/c"))
        if not told(found, "cache", end):
            found.add("unrecoverable", f"a cache that cannot be written stops a training: {end.err[-200:]}")
        elif unequal(outcome(home / "run"), outcome(original / "run")):
            found.add("unequal", "without a cache")


WAYS: dict[str, str] = {"moved": "moved", "deleted": "deleted", "a link": "linked", "another run": "replaced"}


def test_vanishing(forks: Forks, original: Path, tmp_path: Path, campaign: Campaign) -> None:
    """A run directory that goes away, or becomes another one, in the middle of a training stops it with a line."""
    with campaign("disk: vanishing") as found:
        cases = [
            (way, what) for way in WAYS for what in ("run", "run/checkpoints", "run/samples", "data", "data/trainA")
        ]
        for way, what in sample(found.title, cases, 8):
            home = copied(original, tmp_path / "home", ["data"])
            other = copied(original, tmp_path / "other", ["data", "run"])
            before = files(other)
            begin = new_run(home / "data", home / "run", METHOD, STEPS)
            found.case(way)
            case = f"{what} {way}"
            end = forks(
                [WAYS[way], home / what, other / what, "2", *begin],
                Limits(seconds=60),
                function="hostile.tasks:with_a_vanishing_folder",
                INSTAR_CACHE=str(home / "cache"),
            )
            done = told(found, case, end)
            if files(other) != before:
                found.add("silent losses", f"{case}: files elsewhere were changed")
            if (
                done
                and what == "run"
                and way != "another run"
                and not (home / "run/checkpoints/step-000000006").exists()
            ):
                found.add("silent losses", f"{case}: code 0, and the run is not there")
            if done and what == "run/checkpoints" and not checkpoints(home / "run"):
                found.add("silent losses", f"{case}: code 0, and no checkpoint is there")


def test_no_temporary_files_are_left(original: Path) -> None:
    """Of commands that ended by themselves."""
    assert [path for path in original.rglob("*") if is_temporary(path)] == []
    assert os.listdir(original / "run" / "checkpoints")  # noqa: PTH208
