"""Kills at the changes of the file system: what is written is there whole or not at all, and work can go on."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from data.test_digits import write_mnist
from evaluation.parts import noise

from hostile.figures import ROUNDS, Found, recorded, table
from hostile.forks import CLI, Ended, Forks, Limits
from hostile.runs import EXTRACTOR, copied, files, judge, new_run, outcome, trained, unequal
from hostile.sampling import chance, sample, times
from instar.core.files import is_temporary
from instar.core.run import checkpoints
from instar.data.drawn import sets

Campaign = Callable[[str], AbstractContextManager[Found]]
STEPS = 4
NONE = Limits()


@pytest.fixture(scope="module")
def whole(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, and a run on them that nobody killed."""
    return trained(forks, tmp_path_factory.mktemp("whole"), "cyclegan", STEPS, keep=1)


def kills(
    forks: Forks, found: Found, work: Callable[[], Path], arguments: list[object], begin: list[object], count: int,
    expected: dict[str, object],
) -> None:  # fmt: skip
    """Kill a training before changes, and in the middle of what it writes.

    Args:
        forks: processes.
        found: for findings.
        work: makes the folder as it is before the training.
        arguments: of the training that is killed.
        begin: those of a new one in its place.
        count: kills of either kind in a round.
        expected: outcome without a kill.
    """
    folder = work()
    had = len(checkpoints(folder / "run"))
    watched = Limits(kill_at=-1, watched=str(folder))
    full = forks(arguments, watched, INSTAR_CACHE=str(folder / "cache"))
    assert full.code == 0, full.said
    assert unequal(outcome(folder / "run"), expected) == []
    for place in sample(found.title, range(len(full.changes)), count):
        case = f"before change {place} ({full.changes[place]})"
        found.case("kill before a change")
        folder = work()
        end = forks(arguments, replace(watched, kill_at=place), INSTAR_CACHE=str(folder / "cache"))
        if not end.killed:
            found.add(*(end.fault() or ("unrecoverable", f"{case}: it was not killed ({end.code}): {end.said[-300:]}")))
            continue
        made = had or any(re.fullmatch(r"os.rename step-\d+", change) for change in full.changes[:place])
        if made and not checkpoints(folder / "run"):
            found.add("silent losses", f"{case}: no checkpoint is left")
        judge(forks, found, case, folder, begin, expected)
    largest = max(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    for number in times(count // 2):
        size = int(largest ** chance(found.title, number).uniform(0.3, 1))
        found.case("kill in the middle of a write")
        folder = work()
        end = forks(arguments, Limits(file_bytes=size, die_of_it=True), INSTAR_CACHE=str(folder / "cache"))
        if end.code and not end.killed:
            found.add("crashes", f"at {size} bytes: {end.said[-300:]}")
        judge(forks, found, f"at {size} bytes of a file", folder, begin, expected)


def test_training(forks: Forks, whole: Path, tmp_path: Path, campaign: Campaign) -> None:
    """Of a new run, the building of its caches included."""
    case = tmp_path / "case"
    begin = new_run(case / "data", case / "run", "cyclegan", STEPS, keep=1)
    with campaign("kills: train, cache") as found:
        kills(forks, found, lambda: copied(whole, case, ["data"]), begin, begin, 12, outcome(whole / "run"))


def test_resuming(forks: Forks, whole: Path, tmp_path: Path, campaign: Campaign) -> None:
    """Of a run that goes on after a kill: then rows of metrics.jsonl are cut off."""
    half, case = copied(whole, tmp_path / "half", ["data"]), tmp_path / "case"
    begin = new_run(half / "data", half / "run", "cyclegan", STEPS, keep=1)
    watched = Limits(kill_at=-1, watched=str(half))
    changes = forks(begin, watched, INSTAR_CACHE=str(half / "cache")).changes
    copied(whole, half, ["data"])
    last = max(place for place, change in enumerate(changes) if change == "open metrics.jsonl")
    forks(begin, replace(watched, kill_at=last + 1), INSTAR_CACHE=str(half / "cache"))
    assert [path.name for path in checkpoints(half / "run")] == ["step-000000002"]
    with (half / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "G/to')
    text = (half / "run" / "config.yaml").read_text().replace(str(half), str(case))

    def work() -> Path:
        folder = copied(half, case, ["data", "run", "cache"])
        for path in (folder / "run" / "config.yaml",):
            path.write_text(text)
        return folder

    resume: list[object] = ["train", "--resume", case / "run"]
    with campaign("kills: resume") as found:
        kills(forks, found, work, resume, resume, 12, outcome(whole / "run"))


@dataclass(frozen=True)
class Work:
    """A command that writes files and can be repeated."""

    name: str
    arguments: Callable[[Path, Path], list[object]]
    """From a folder with data and runs, and the folder to write into."""
    function: str = CLI
    count: int = 4
    """Kills in a round."""
    prefixes: tuple[str, ...] = ()
    """Names of files that grow line by line."""
    long: bool = False
    """Only by hand."""


WORKS = [
    Work("translate", lambda at, out: ["translate", at / "run", at / "data/testA", "-o", out, "--grid"], count=6,
         prefixes=("manifest.jsonl", "manifest-2.jsonl")),
    Work("evaluate", lambda at, out: ["evaluate", at / "run", *EXTRACTOR, "-o", out / "scores.json"], count=2),
    Work("compare", lambda at, out: ["compare", at / "run", at / "other/run", *EXTRACTOR, "-o", out], count=5),
    Work("study", lambda at, out: ["study", at / "run", at / "other/run", "-o", out / "study"], count=3),
    Work("inspect", lambda at, out: ["inspect", at / "styled/run", "-o", out / "page.html"], count=2),
    Work("styles", lambda at, out: ["styles", at / "styled/run", at / "data/testA", "-o", out / "table.csv"], count=2),
    Work("landmarks", lambda at, out: ["translate", at / "marked/run", at / "data/testA", "--landmarks", "-o", out],
         count=2, prefixes=("manifest.jsonl", "manifest-2.jsonl", "landmarks.csv", "landmarks-2.csv")),
    Work("MNIST-M", lambda at, out: [at / "mnist", at / "photographs", out / "mnist_m.npz"], count=2,
         function="instar.data.mnist_m:main"),
    Work("drawn set", lambda at, out: [out / "set"], count=6, function="hostile.tasks:draw_a_set"),
    Work("instruments", lambda at, out: ["bands", out / "set", 32, 2, 1], count=4,
         function="instar.data.drawn.instruments:main"),
    Work("export", lambda at, out: ["export", at / "run", "-o", out / "model.onnx"], count=1, long=True),
    Work("demo", lambda at, out: [out / "demo"], count=4, function="hostile.tasks:demonstrate"),
]  # fmt: skip


@pytest.fixture(scope="module")
def at(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and runs for the commands that use them."""
    folder = trained(forks, tmp_path_factory.mktemp("at"), "pix2pix", 2)
    for name, method in (("other", "cut"), ("styled", "bicyclegan"), ("marked", "transgaga")):
        shutil.copytree(folder / "data", folder / name / "data")
        trained(forks, folder / name, method, 2)
    write_mnist(folder / "mnist")
    noise(folder / "photographs", 6)
    return folder


def made(folder: Path) -> dict[str, str]:
    """What a command made, but for caches and for runs, which other tests look at."""
    return {name: digest for name, digest in files(folder).items() if not {"cache", "run"} & set(Path(name).parts)}


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_commands(work: Work, forks: Forks, at: Path, tmp_path: Path, campaign: Campaign) -> None:
    """A file under its own name is whole after any kill, and the same command makes the rest."""
    if work.long and ROUNDS == 1:
        pytest.skip("by hand")
    out, expected = tmp_path / "out", {}
    arguments = work.arguments(at, out)

    def run(limits: Limits = NONE) -> Ended:
        return forks(arguments, limits, function=work.function, INSTAR_CACHE=str(out / "cache"))

    with campaign(f"kills: {work.name}") as found:
        out.mkdir()
        full = run(Limits(kill_at=-1, watched=str(out)))
        assert full.code == 0, full.said
        expected = made(out)
        for place in sample(found.title, range(len(full.changes)), work.count):
            case = f"before change {place} ({full.changes[place]})"
            found.case("kill before a change")
            shutil.rmtree(out)
            out.mkdir()
            end = run(Limits(kill_at=place, watched=str(out)))
            if not end.killed:
                found.add("unrecoverable", f"{case}: it was not killed ({end.code}): {end.said[-300:]}")
                continue
            check(found, case, work, out, expected)
            repeat(found, case, work, out, run, expected)
        largest = max((path.stat().st_size for path in out.rglob("*") if path.is_file()), default=0)
        for number in times(max(1, work.count // 2)):
            size = int(largest ** chance(found.title, number).uniform(0.2, 0.98))
            case = f"at {size} bytes of a file"
            found.case("kill in the middle of a write")
            shutil.rmtree(out)
            out.mkdir()
            run(Limits(file_bytes=size, die_of_it=True))
            check(found, case, work, out, expected)
            repeat(found, case, work, out, run, expected)


def check(found: Found, case: str, work: Work, out: Path, expected: dict[str, str]) -> None:
    """Note files that look whole and are not."""
    for name, digest in made(out).items():
        parts = Path(name).parts
        if any(is_temporary(Path(part)) or part.startswith(".") for part in parts) or parts[-1] in work.prefixes:
            continue
        if digest != expected.get(name):
            found.add("silent losses", f"{case}: {name} has other content than it should have")


def repeat(found: Found, case: str, work: Work, out: Path, run: Callable[[], Ended], expected: dict[str, str]) -> None:
    end = run()
    if end.code:
        found.add("unrecoverable", f"{case}: {end.code}: {end.err[-300:]}")
        return
    now = made(out)
    wrong = [name for name in expected if now.get(name) != expected[name]]
    wrong = [name for name in wrong if Path(name).name not in work.prefixes]
    if wrong:
        found.add("unequal", f"{case}: {', '.join(wrong)}")


def test_a_drawn_set_over_another(forks: Forks, tmp_path: Path, campaign: Campaign) -> None:
    """Its scenes never stand beside pictures of another one."""
    out, before = tmp_path / "set", tmp_path / "before"
    sets.write("mask", before, "easy", train=2, test=2)
    task = "hostile.tasks:draw_a_set"
    with campaign("kills: drawn set over another") as found:
        shutil.copytree(before, out)
        full = forks([out], Limits(kill_at=-1, watched=str(out)), function=task)
        assert full.code == 0, full.said
        wholes = [files(before), files(out)]
        for place in sample(found.title, range(len(full.changes)), 6):
            found.case("kill before a change")
            shutil.rmtree(out)
            shutil.copytree(before, out)
            assert forks([out], Limits(kill_at=place, watched=str(out)), function=task).killed
            there = files(out)
            if sets.FILE in there and there not in wholes:
                found.add("silent losses", f"before change {place} ({full.changes[place]}): pictures of two sets")


def test_a_careless_writer_is_found(forks: Forks, tmp_path: Path) -> None:
    """Else the campaign could find nothing."""
    work = Work("careless", lambda at, out: [out / "text.txt"], function="hostile.tasks:write_carelessly")
    out, properties = tmp_path / "out", list[tuple[str, Any]]()
    out.mkdir()
    limits = Limits(kill_at=-1, watched=str(out))
    full = forks(work.arguments(out, out), limits, function=work.function)
    assert full.changes == ["open text.txt", "open text.done"]
    expected = made(out)
    (out / "text.done").unlink()
    (out / "text.txt").unlink()
    end = forks(work.arguments(out, out), replace(limits, kill_at=1), function=work.function)
    assert end.killed
    assert list(out.iterdir()) == [out / "text.txt"]
    end = forks(work.arguments(out, out), Limits(file_bytes=20_000, die_of_it=True), function=work.function)
    assert end.killed
    assert (out / "text.txt").stat().st_size == 20_000

    def find() -> None:
        with recorded("x", properties) as found:
            found.case("one")
            check(found, "here", work, out, expected)

    with pytest.raises(AssertionError, match=r"1 findings\n  silent losses: here: text\.txt"):
        find()
    ((_, row),) = properties
    assert row == {**row, "attacks": 1, "cases": 1, "crashes": 0, "silent losses": 1}
    assert table([row, row])[-1].split() == ["all", "2", "2", "0", "0", "2", "0", "0"]
