"""Processes that may take little memory end with a line, wherever it gives out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from PIL import Image

from hostile.figures import Found
from hostile.forks import Forks, Limits
from hostile.runs import EXTRACTOR, new_run, outcome, trained, unequal
from hostile.sampling import chance, times
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
            out, case = tmp_path / f"{number}", f"{room // MEGABYTE} MB"
            arguments = {
                "train": new_run(original / "data", out, "pix2pix", 4),
                "resume": new_run(original / "data", out, "pix2pix", 2),
                "translate": ["translate", run, original / "large", original / "data/testA", "-o", out],
                "evaluate": ["evaluate", run, *EXTRACTOR],
                "check": ["check", original / "large", original / "data/trainA"],
            }[name]
            if name == "resume":
                assert forks(arguments, INSTAR_CACHE=str(tmp_path / "cache")).code == 0
                arguments = ["train", "--resume", out, "--steps", "4"]
            found.case("limit of memory")
            end = forks(arguments, Limits(seconds=90, memory=room), INSTAR_CACHE=str(tmp_path / f"cache-{number}"))
            fault = end.fault()
            if fault:
                found.add(fault[0], f"{case}: {fault[1]}")
                continue
            if end.code and not end.said.strip():
                found.add("crashes", f"{case}: code {end.code} without a word")
            if name == "train" and end.code == 0 and unequal(outcome(out), outcome(run)):
                found.add("unequal", case)
            if name == "resume" and last_whole(out) is None:
                found.add("unrecoverable", f"{case}: the checkpoint is gone")
