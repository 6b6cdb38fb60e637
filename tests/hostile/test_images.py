"""A corpus of hostile images through all commands: what is left out is named, what is not is as without the rest."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from engine.processes import draw

from hostile import corpus
from hostile.figures import Found
from hostile.forks import Ended, Forks, Limits
from hostile.runs import EXTRACTOR, state, trained
from hostile.sampling import sample, times

Campaign = Callable[[str], AbstractContextManager[Found]]
FILES = len(corpus.CONTENTS) + len(corpus.SPECIAL)
"""In a folder: one of each kind."""
MEMORY = 3 * 2**30
"""Most bytes of a process; small pictures need half a gigabyte, nearly all of it PyTorch's."""
LIMITS = Limits(seconds=90, plain_rights=True)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@pytest.fixture(scope="module")
def runs(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that translates, and one with styles."""
    folder = trained(forks, tmp_path_factory.mktemp("runs"), "cyclegan", 2)
    styled = ["train", "tunit", folder / "data/trainA", "-o", folder / "styled", "--preset", "tiny", "--steps", 2]
    done = forks([*styled, "--device", "cpu"], INSTAR_CACHE=str(folder / "cache"))
    assert done.code == 0, done.said
    return folder


def look(found: Found, case: str, end: Ended) -> bool:
    """Note how a command ended that should not have; return whether it did its work."""
    fault = end.fault()
    if fault:
        found.add(fault[0], f"{case}: {fault[1]}")
        return False
    if end.memory > MEMORY:
        found.add("crashes", f"{case}: {end.memory / 2**30:.1f} GB of memory")
    if _CONTROL.search(end.said):
        found.add("silent losses", f"{case}: control characters of a name reach the terminal: {end.said[-200:]!r}")
    return end.code in (0, 1)


def flat(text: str) -> str:
    """Return what was printed without the ends of lines, at which long names may be broken."""
    return text.replace("\n", "")


def test_corpus(forks: Forks, runs: Path, tmp_path: Path, campaign: Campaign) -> None:
    with campaign("images") as found:
        for number in times(3):
            home = tmp_path / f"{number}"
            draw(home / "data", 10, 40)  # enough that scores are not refused
            kinds = {
                split: corpus.write(home / "data" / split, FILES, f"{split} {number}") for split in ("trainA", "testA")
            }
            for kind in {*kinds["trainA"].values(), *kinds["testA"].values()}:
                found.case(kind.partition(",")[0])
            environment = {"INSTAR_CACHE": str(home / "cache")}
            case = f"folder {number}"

            def run(
                name: str, *arguments: object, environment: dict[str, str] = environment, case: str = case
            ) -> Ended:
                end = forks([name, *arguments], LIMITS, **environment)
                look(found, f"{case}, {name}", end)
                return end

            run("check", home / "data")
            unreadable, lost = checked(forks, found, case, home / "data", environment)
            translate(run, found, case, home, runs, kinds["testA"], unreadable["test"])
            train(run, found, case, home, kinds["trainA"], unreadable["train"])
            evaluate(run, found, case, home, runs, lost)
            run("inspect", runs / "styled", home / "data/testA", "-o", home / "page.html")
            run("styles", runs / "styled", home / "data/testA", "-o", home / "styles.csv")
            unlocked(home)
            if list(tmp_path.rglob("PWNED")):
                found.add("silent losses", f"{case}: a name was run")
            shutil.rmtree(home)


def unlocked(home: Path) -> None:
    for path in home.rglob("h9000*"):
        path.chmod(0o755)


def checked(
    forks: Forks, found: Found, case: str, data: Path, environment: dict[str, str]
) -> tuple[dict[str, set[str]], int]:
    """Return what `check` says is unreadable of domain A, by split, and how many files of the test folder are.

    The first are tokens of files and of what is none; the number counts files that are listed and cannot be decoded.
    """
    end = forks([data], LIMITS, function="hostile.tasks:check_as_json", **environment)
    if not look(found, f"{case}, check", end):
        return {"train": set(), "test": set()}, 0
    report = json.loads(end.out)
    tokens = {split: {corpus.token(Path(name).name) for name in report[split]} for split in ("train", "test")}
    return tokens, report["lost"]


def translate(
    run: Callable[..., Ended], found: Found, case: str, home: Path, runs: Path, kinds: dict[str, str], bad: set[str]
) -> None:
    """The manifest names every file, and what cannot be read for `check` cannot be for `translate`."""
    out = home / "out"
    run("translate", runs / "run", home / "data/testA", "-o", out, "--batch", 1)
    if not (out / "manifest.jsonl").exists():
        found.add("silent losses", f"{case}, translate: no manifest")
        return
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    status = {corpus.token(Path(line["input"]).name): line["status"] for line in lines}
    reasons = {corpus.token(Path(line["input"]).name): line.get("error", "") for line in lines}
    for name, kind in kinds.items():
        token = corpus.token(name)
        if token not in status and kind.partition(",")[0] != "a folder":
            found.add("silent losses", f"{case}, translate: {kind}: {name!r} is not in the manifest")
        elif status.get(token) == "ok" and token in bad:
            found.add("unequal", f"{case}: {kind}: {name!r} is unreadable for check, translated by translate")
        elif status.get(token) == "failed" and token not in bad and "cannot write" not in reasons[token]:
            found.add("unequal", f"{case}: {kind}: {name!r} is read by check, failed in translate: {reasons[token]}")
    for line in lines:
        if line["status"] == "ok" and not (out / line["output"]).is_file():
            found.add("silent losses", f"{case}, translate: {line['output']!r} is ok and not there")
    alone = home / "alone"
    run("translate", runs / "run", home / "data/testA" / "0010.png", "-o", alone, "--batch", 1)
    if (alone / "0010.png").read_bytes() != (out / "0010.png").read_bytes():
        found.add("unequal", f"{case}, translate: a good picture is another one among hostile ones")


def train(run: Callable[..., Ended], found: Found, case: str, home: Path, kinds: dict[str, str], bad: set[str]) -> None:
    """Every unreadable file is named, and the weights are those of a training without these files."""
    few = ("--preset", "tiny", "--steps", 2, "--device", "cpu", "--data.max-bad", 0.9)
    end = run("train", "cyclegan", home / "data", "-o", home / "first", *few)
    if end.code:
        if end.fault() is None:
            found.add("silent losses", f"{case}, train: refused: {end.err[-300:]}")
        return
    said = flat(end.err)
    listed = said[said.index("left out:") :] if "left out:" in said else ""
    names = {corpus.token(name): kind for name, kind in kinds.items()}
    for token in sorted(bad & set(names)):
        if token not in listed:
            found.add("silent losses", f"{case}, train: {names[token]} is left out without its name")
    unlocked(home)
    for path in (home / "data/trainA").iterdir():
        if corpus.token(path.name) in bad:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    shutil.rmtree(home / "data/trainA/h8000 [", ignore_errors=True)
    end = run("train", "cyclegan", home / "data", "-o", home / "second", *few)
    if end.code == 0 and state(home / "first") != state(home / "second"):
        found.add("unequal", f"{case}, train: files that are left out change the weights")


def evaluate(run: Callable[..., Ended], found: Found, case: str, home: Path, runs: Path, bad: int) -> None:
    """What is left out of the test images is counted."""
    end = run("evaluate", runs / "run", home / "data", *EXTRACTOR)
    if end.code or end.fault():
        return
    said = re.search(r"test images of A: (\d+) cannot be read", end.said)
    if (int(said[1]) if said else 0) != bad:
        found.add("silent losses", f"{case}, evaluate: {bad} test images cannot be read, it says {said and said[0]}")


def test_normal_forms(forks: Forks, tmp_path: Path, campaign: Campaign) -> None:
    """Pairs whose names are composed on one side and not on the other."""
    names = ["\u00e9{}", "\u1e9b\u0323{}", "가{}", "a\u030a{}", "ﬁ{}"]
    draw(tmp_path / "data", 10, 2)
    for place, number in ((place, f"{place:04d}") for place in range(10)):
        for side, form in (("A", "NFC"), ("B", "NFD")):
            path = tmp_path / "data" / f"train{side}" / f"{number}.png"
            path.rename(path.with_name(unicodedata.normalize(form, names[place % 5].format(place)) + ".png"))
    with campaign("images: normal forms") as found:
        found.case("names")
        few = ("--preset", "tiny", "--steps", 1, "--device", "cpu")
        end = forks(
            ["train", "pix2pix", tmp_path / "data", "-o", tmp_path / "run", *few], INSTAR_CACHE=str(tmp_path / "c")
        )
        if end.code or "10 images to train on" not in flat(end.err):
            found.add("silent losses", end.err[-300:])


def test_names_of_folders(forks: Forks, tmp_path: Path, campaign: Campaign) -> None:
    """Data, runs and results lie in folders with names that hurt."""
    with campaign("names of folders") as found:
        for kind in sample(found.title, list(corpus.NAMES), 3):
            home = tmp_path / corpus.named(0, kind, "d")
            draw(home / "data", 8, 4)
            run, out = home / "run", home / "out"
            few = ("--preset", "tiny", "--steps", 1, "--device", "cpu")
            steps: list[list[object]] = [
                ["check", home / "data"],
                ["train", "munit", home / "data", "-o", run, *few],
                ["train", "--resume", run, "--steps", 2],
                ["translate", run, home / "data/testA", "-o", out / "made"],
                ["evaluate", run, *EXTRACTOR, "-o", out / "scores.json"],
                ["compare", run, run / "checkpoints/step-000000001", *EXTRACTOR, "-o", out / "table"],
                ["study", run, run / "checkpoints/step-000000001", "-o", out / "study"],
                ["inspect", run, "-o", out / "page.html"],
                ["styles", run, home / "data/testA", "-o", out / "styles.csv"],
                ["styles", run, home / "data/testA", "-o", out / "styles.npz"],
            ]
            for arguments in steps:
                found.case(kind)
                end = forks(arguments, Limits(seconds=60), folder=home, INSTAR_CACHE=str(home / "cache"))
                if not look(found, f"{kind}, {arguments[0]}", end) and end.fault() is None:
                    found.add("unrecoverable", f"{kind}, {arguments[0]}: code {end.code}: {end.said[-300:]}")
            if list(tmp_path.rglob("PWNED")):
                found.add("silent losses", f"{kind}: a name was run")
            shutil.rmtree(home)
