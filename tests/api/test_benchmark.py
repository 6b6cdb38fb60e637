"""A grid with real trainings, small ones. Killed and interrupted ones are in tests/cli/test_benchmark.py."""

import os
import threading
from pathlib import Path

import pytest
from engine.processes import draw

from instar.api.benchmark import benchmark
from instar.core.errors import UserError
from instar.core.events import Event, Noted, Worked
from instar.sweeps.launch import STOPPING

from .quiet import in_a_thread, quietly

SPEC = """
out: runs
data: {drawn: drawn}
images: IMAGES
common: {preset: tiny, train: {log_every: 2, preview_every: 1000}}
runs:
  cut:
  wrong: {name: cut, method: {nce_x: 0.5}}
score: {extractor: "evaluation.parts:colours"}
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parent.parent), prepend=os.pathsep)  # the extractor
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    draw(tmp_path / "drawn", train=8, test=6)
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC.replace("IMAGES", "4"))
    return path


def lines(events: list[Event]) -> list[str]:
    return [str(event.text) for event in events if isinstance(event, Noted)]


def test_runs_that_fail_and_runs_that_do_not(spec: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = benchmark(spec, dry_run=True)
    assert [(run.title, run.words) for run in before.runs] == [
        ("drawn/cut/seed-0", "new, 4 steps"),
        ("drawn/wrong/seed-0", "new, 4 steps"),
    ]
    assert (before.outcomes, before.tables, before.stopped) == ([], {}, False)
    events: list[Event] = []
    log = spec.parent / "runs/drawn/wrong/seed-0.log"
    log.mkdir(parents=True)
    with quietly(capfd):
        result = in_a_thread(lambda: benchmark(spec, allow_code=True, on_event=events.append))
    assert [run.words for run in result.runs] == ["done", "new, 4 steps"]
    outcomes = {one.title: (one.code, one.stopped) for one in result.outcomes}
    assert outcomes == {"drawn/cut/seed-0": (0, False), "drawn/wrong/seed-0": (2, False)}
    (failed,) = result.failed
    assert failed.said == f"{log}: cannot be written (Is a directory)"
    assert not result.stopped
    table = result.tables["drawn"]
    assert table.folder == spec.parent / "runs/drawn"
    assert [row.title for row in table.comparison.rows] == ["cut"]
    assert table.comparison.notes[-2:] == ["wrong, seed 0: new, 4 steps", "Benchmark: spec.yaml"]
    said = lines(events)
    assert f"failed: drawn/wrong/seed-0 (exit code 2): {failed.said}" in said
    assert said[0] == "drawn/cut/seed-0: new, 4 steps"
    assert any(line.startswith("drawn/cut/seed-0: done: step 4") for line in said)
    assert Worked(f"{result.runs[0].folder}: real images", 0, 6) in events


def test_stopped(spec: Path, capfd: pytest.CaptureFixture[str]) -> None:
    spec.write_text(SPEC.replace("IMAGES", "6000"))
    stop = threading.Event()
    events: list[Event] = []

    def listen(event: Event) -> None:
        events.append(event)
        if isinstance(event, Noted) and "to train on" in event.text:  # of the training itself
            stop.set()

    with quietly(capfd):
        result = in_a_thread(lambda: benchmark(spec, allow_code=True, on_event=listen, stop=stop))
    assert result.stopped
    assert result.failed == []
    assert result.tables == {}
    assert STOPPING in lines(events)
    assert result.outcomes[-1].title == "drawn/wrong/seed-0"
    assert result.outcomes[-1].stopped
    assert result.runs[0].step is not None
    assert result.runs[1].step is None


def test_a_stop_while_it_scores(spec: Path) -> None:
    benchmark(spec, only=["cut"], allow_code=True)
    table = spec.parent / "runs/drawn/table.md"
    table.unlink()
    stop = threading.Event()

    def listen(event: Event) -> None:
        if isinstance(event, Worked):
            stop.set()

    result = benchmark(spec, only=["cut"], allow_code=True, on_event=listen, stop=stop)
    assert (result.stopped, result.outcomes, result.tables) == (True, [], {})
    assert not table.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"only": ["cutt"]}, r"only=cutt: no such run in .*spec\.yaml; did you mean 'cut'\?"),
        ({"jobs": 0}, "jobs must be at least 1, not 0"),
        ({"threads": 0}, "threads must be at least 1, not 0"),
        ({"jobs": 2, "ray": "auto"}, "jobs is for this machine; with ray the cluster decides"),
    ],
)  # fmt: skip
def test_refused(arguments: dict[str, object], message: str, spec: Path) -> None:
    with pytest.raises(UserError, match=message):
        benchmark(spec, **arguments)  # type: ignore[arg-type]


def test_code_of_the_spec_is_run_only_if_it_is_allowed(spec: Path) -> None:
    with pytest.raises(
        UserError, match=r"extractor=evaluation\.parts:colours is code that would be run.*allow_code=True"
    ):
        benchmark(spec)
    assert not (spec.parent / "runs").exists()
