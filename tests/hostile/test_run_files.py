"""Every file of a run directory is mutated: then each command says one line, or does what it did before."""

from __future__ import annotations

import json
import re
import shutil
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from hostile.figures import ROUNDS, Found
from hostile.forks import Ended, Forks, Limits
from hostile.mutations import MUTATIONS
from hostile.runs import EXTRACTOR, copied, files, outcome, trained, unequal
from hostile.sampling import chance, sample

Campaign = Callable[[str], AbstractContextManager[Found]]
LAST = "run/checkpoints/step-000000004"
STEPS = 6


@pytest.fixture(scope="module")
def original(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a run of four steps, and another run with other weights."""
    return two_runs(forks, tmp_path_factory.mktemp("original"), "pix2pix")


@pytest.fixture(scope="module")
def styled(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of a method with styles."""
    return two_runs(forks, tmp_path_factory.mktemp("styled"), "munit")


def two_runs(forks: Forks, folder: Path, method: str) -> Path:
    trained(forks, folder, method, 4)
    shutil.copytree(folder / "data", folder / "other" / "data")
    trained(forks, folder / "other", method, 4)
    return folder


def parts(run: Path) -> list[str]:
    """All files and folders of a run and of its cache."""
    return [
        path.relative_to(run.parent).as_posix()
        for top in (run, run.parent / "cache")
        for path in [top, *sorted(top.rglob("*"))]
    ]


class Attacked:
    """A folder with a run that is put back before each case, and somebody else's folder beside it."""

    def __init__(self, original: Path, folder: Path, forks: Forks) -> None:
        self.original, self.forks = original, forks
        self.home, self.other, self.out = folder / "home", folder / "other", folder / "out"

    def reset(self) -> None:
        """Put everything back."""
        for path in (self.home, self.other, self.out):
            unlocked(path)
            shutil.rmtree(path, ignore_errors=True)
        copied(self.original, self.home, ["data", "run", "cache"])
        config = self.home / "run" / "config.yaml"
        config.write_text(config.read_text().replace(str(self.original), str(self.home)))
        (self.other / ".ssh").mkdir(parents=True)
        (self.other / ".ssh" / "key").write_text("secret")
        (self.other / "theirs.txt").write_text("theirs\n")

    def use(self, name: str) -> Ended:
        """Run a command on the run."""
        run = self.home / "run"
        arguments = {
            "resume": ["train", "--resume", run, "--steps", STEPS],
            "translate": ["translate", run, self.home / "data/testA", "-o", self.out / "made", "--device", "cpu"],
            "evaluate": ["evaluate", run, *EXTRACTOR, "-o", self.out / "scores.json", "--device", "cpu"],
            "compare": ["compare", run, *EXTRACTOR, "-o", self.out / "table", "--device", "cpu"],
            "inspect": ["inspect", run, "-o", self.out / "page.html", "--device", "cpu"],
            "export": ["export", run, "-o", self.out / "model.onnx"],
        }[name]
        self.out.mkdir(exist_ok=True)
        limits = Limits(seconds=60, plain_rights=True)
        return self.forks(arguments, limits, INSTAR_CACHE=str(self.home / "cache"))

    def result(self, name: str) -> dict[str, object]:
        """What the command made."""
        if name == "resume":
            return outcome(self.home / "run")
        if name == "evaluate":
            scores = json.loads((self.out / "scores.json").read_text())
            return {"scores": [column["scores"] for column in scores["columns"]]}
        if name == "compare":
            table = json.loads((self.out / "table" / "scores.json").read_text())
            return {"rows": table["rows"]}
        made = files(self.out)
        return {key: value for key, value in made.items() if "manifest" not in key}


def unlocked(folder: Path) -> None:
    """Give back the rights to what was closed."""
    if folder.is_dir() and not folder.is_symlink():
        folder.chmod(0o700)
        for path in folder.iterdir():
            unlocked(path)


def snapshot(folder: Path) -> dict[str, tuple[int, str]]:
    """Modes and contents of all that is in a folder."""
    contents = files(folder)
    names = {path.relative_to(folder).as_posix(): path.lstat().st_mode for path in sorted(folder.rglob("*"))}
    return {name: (stat.S_IFMT(mode), contents.get(name, "")) for name, mode in names.items()}


def look(found: Found, case: str, end: Ended, lines: int | None = 1) -> bool:
    """Note what is wrong with how a command ended; return whether it says that it did its work."""
    fault = end.fault()
    if fault:
        found.add(fault[0], f"{case}: {fault[1]}")
        return False
    if end.code in (2, 3):
        said = [line for line in end.err.splitlines() if line.startswith("instar: ")]
        if len(said) != 1 or not end.err.rstrip().splitlines()[-1].startswith("instar: "):
            found.add("crashes", f"{case}: not one line: {end.err[-400:]!r}")
    return end.code == 0


USES = ["resume", "translate", "evaluate", "compare", "inspect"]


@pytest.mark.parametrize("use", [*USES, "export"])
def test_mutations(use: str, request: pytest.FixtureRequest, forks: Forks, tmp_path: Path, campaign: Campaign) -> None:
    if use == "export" and ROUNDS == 1:
        pytest.skip("by hand")
    original: Path = request.getfixturevalue("styled" if use == "inspect" else "original")
    attacked = Attacked(original, tmp_path, forks)
    attacked.reset()
    end = attacked.use(use)
    assert end.code == 0, end.said
    expected = attacked.result(use)
    cases = [(part, name) for part in parts(original / "run") for name in [*MUTATIONS, "of another run"]]
    with campaign(f"run files: {use}") as found:
        for part, name in sample(found.title, cases, {"resume": 16, "export": 1}.get(use, 12)):
            attacked.reset()
            path = attacked.home / part
            if name == "of another run":
                if not (original / "other" / part).is_file():
                    continue
                shutil.copyfile(original / "other" / part, path)
            else:
                MUTATIONS[name](path, chance(f"{use} {part} {name}"), attacked.other)
            before, beside = snapshot(attacked.other), {path.name for path in tmp_path.iterdir()} | {"out"}
            found.case(name)
            case = f"{part} {name}"
            end = attacked.use(use)
            done = look(found, case, end)
            unlocked(attacked.home)
            now = snapshot(attacked.other)
            if part == "cache":  # may be a link, by its owner's choice: what lies there already is left alone
                now = {path: seen for path, seen in now.items() if path in before}
            if now != before:
                found.add("silent losses", f"{case}: files outside the run were touched")
            if {path.name for path in tmp_path.iterdir()} - beside:
                found.add("silent losses", f"{case}: files beside the run were made")
            if done and part in ("run/metrics.jsonl", "run/samples"):
                continue  # what the run says of earlier steps is what was put there
            if done and (use == "resume" or part not in (LAST, "run/checkpoints")):  # else an earlier one is used
                compare(found, f"{case}, code 0", part, attacked.result(use), expected)


def compare(found: Found, case: str, part: str, now: dict[str, object], expected: dict[str, object]) -> None:
    """Note other results than those of the whole run; of a log that was changed there is nothing to compare."""
    wrong = [name for name in unequal(now, expected) if not re.search(rf"{re.escape(name)}$", part)]
    if wrong:
        found.add("unequal", f"{case}: {', '.join(wrong)}")
