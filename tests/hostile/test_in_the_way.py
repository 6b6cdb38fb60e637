"""Links, pipes and folders under the names of what commands write: nothing elsewhere is touched, nothing waits."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from hostile.figures import ROUNDS, Found
from hostile.forks import Forks, Limits
from hostile.mutations import MUTATIONS
from hostile.runs import EXTRACTOR, files, trained
from hostile.sampling import chance, sample

Campaign = Callable[[str], AbstractContextManager[Found]]
WAYS = (
    *("a folder", "a pipe", "a socket", "a link to a file", "a link to a folder", "a dangling link"),
    *("a link to itself", "an endless device"),
)


@pytest.fixture(scope="module")
def at(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(forks, tmp_path_factory.mktemp("at"), "bicyclegan", 2)


def commands(at: Path, out: Path) -> dict[str, list[object]]:
    """Commands that write into a folder that may hold something already, or that make a file."""
    run, images = at / "run", at / "data/testA"
    return {
        "translate": ["translate", run, images, "-o", out, "--grid"],
        "evaluate": ["evaluate", run, *EXTRACTOR, "-o", out / "scores.json"],
        "inspect": ["inspect", run, "-o", out / "page.html"],
        "styles": ["styles", run, images, "-o", out / "table.csv"],
        "compare": ["compare", run, *EXTRACTOR, "-o", out / "table"],
        "study": ["study", run, run / "checkpoints/step-000000002", "-o", out / "study"],
        "export": ["export", run, "-o", out / "model.onnx"],
    }


def test_in_the_way(forks: Forks, at: Path, tmp_path: Path, campaign: Campaign) -> None:
    with campaign("in the way of results") as found:
        for name, arguments in commands(at, tmp_path / "out").items():
            if name == "export" and ROUNDS == 1:
                continue
            out, other = tmp_path / "out", tmp_path / "other"
            cache = {"INSTAR_CACHE": str(at / "cache")}
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            end = forks(arguments, **cache)
            assert end.code == 0, end.said
            made = [*files(out), *{str(Path(one).parent) for one in files(out)} - {"."}]
            cases = [(place, way) for place in made for way in WAYS]
            for place, way in sample(f"{found.title} {name}", cases, 3):
                shutil.rmtree(out)
                shutil.rmtree(other, ignore_errors=True)
                (other / "inside").mkdir(parents=True)
                (other / "theirs.txt").write_text("theirs")
                path = out / place
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"before")
                MUTATIONS[way](path, chance(f"{place} {way}"), other)
                before = files(other)
                found.case(way)
                case = f"{name}, {place} is {way}"
                end = forks(arguments, Limits(seconds=60), **cache)
                fault = end.fault()
                if fault:
                    found.add(fault[0], f"{case}: {fault[1]}")
                if files(other) != before:
                    found.add("silent losses", f"{case}: elsewhere was written")
                if end.code == 0 and not path.exists() and place != "manifest.jsonl":
                    found.add("silent losses", f"{case}: code 0, and it is not there")
