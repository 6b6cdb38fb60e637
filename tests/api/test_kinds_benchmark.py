"""The benchmark of kinds of change: its file is a valid one, and two of its runs go from images to tables."""

from __future__ import annotations

import os
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

import instar
from instar.data.drawn import sets
from instar.data.drawn.kinds import KINDS

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small set."""
    folder = tmp_path_factory.mktemp("kinds") / "mask-easy"
    sets.write("mask", folder, "easy", 64, 12, 8)
    return folder


@pytest.fixture
def spec() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((BENCHMARKS / "kinds.yaml").read_text())
    return found


def test_it_names_all_kinds_and_each_run_is_one(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in KINDS:
        for level in ("easy", "cluttered"):
            shutil.copytree(drawn, tmp_path / f"{kind}-{level}")
    (tmp_path / "mobilenet_v2_0.35_224_no_top_keras.npz").touch()
    monkeypatch.setenv("DATA", str(tmp_path))
    runs = instar.benchmark(BENCHMARKS / "kinds.yaml", dry_run=True).runs
    assert {run.data for run in runs} == {f"{kind}-{level}" for kind in KINDS for level in ("easy", "cluttered")}
    assert len(runs) == 16 * len({run.name for run in runs})


def test_two_of_its_runs_end_in_a_table_with_the_oracles_scores(
    drawn: Path, spec: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parent.parent), prepend=os.pathsep)  # the extractor
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in ("quick", "cut"):
        spec["runs"][name]["train"]["steps"] = 2
    spec["runs"] = {name: spec["runs"][name] for name in ("quick", "cut")}
    spec |= {"data": {"mask-easy": str(drawn)}, "out": "runs", "score": {"extractor": "evaluation.parts:colours"}}
    spec["common"]["train"]["precision"] = "32"
    path = tmp_path / "kinds.yaml"
    path.write_text(yaml.safe_dump(spec))
    result = instar.benchmark(path, allow_code=True)
    assert [run.words for run in result.runs] == ["done", "done"]
    text = (tmp_path / "runs" / "mask-easy" / "table.md").read_text()
    for column in ("drawn target share", "drawn strength", "drawn change elsewhere (L1)", "target share", "spots"):
        assert column in text
    assert instar.benchmark(path, allow_code=True).outcomes == [], "nothing is trained again"


def test_steps_are_those_of_equal_time(monkeypatch: pytest.MonkeyPatch, spec: dict[str, Any]) -> None:
    module = runpy.run_path(str(BENCHMARKS / "kinds.py"))
    monkeypatch.setitem(module["steps"].__globals__, "seconds_of_a_step", lambda config: config.train.batch / 8)
    found = module["steps"](10.0)
    assert set(found) == set(spec["runs"])
    assert found["quick"] == 1200
