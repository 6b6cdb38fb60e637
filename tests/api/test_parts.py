"""Scoring by several processes of this machine: the same numbers, and one line where it does not go."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from evaluation.parts import colours, data_set, noise
from torch import nn

import instar
from instar.api.parts import spread_over_processes
from instar.api.workers import shared_out
from instar.core.errors import UserError
from instar.evaluation.held_out import BATCH
from instar.metrics.extractors import Extractor

Runs = Callable[..., Path]


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In all processes: threads may add up in another order."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def extractor() -> Extractor:
    """With features by place, and none of them kept: the processes compute all."""
    return Extractor(colours(), "Colours", "means of quarters", maps=nn.AvgPool2d(8), lasting=False)


@dataclass(frozen=True)
class Twice:
    """Doubles numbers; at one of them its process ends."""

    ends_at: int = -1

    def __call__(self, items: Sequence[int]) -> list[tuple[int, int]]:
        if self.ends_at in items:
            os.kill(os.getpid(), signal.SIGKILL)
        return [(2 * item, os.getpid()) for item in items]


@dataclass(frozen=True)
class Lengths:
    """Of bytes, each with its own."""

    own: bytes

    def __call__(self, items: Sequence[bytes]) -> list[int]:
        return [len(self.own) + len(item) for item in items]


def test_a_run_has_the_same_scores(run_directory: Runs, tmp_path: Path) -> None:
    data, run = data_set(tmp_path / "set", test=3 * BATCH + 7), run_directory("munit")
    (data / "test/horse/3.png").write_bytes(b"none")
    asked: dict[str, Any] = {"extractor": extractor(), "device": "cpu"}
    assert instar.evaluate(run, data, devices=2, **asked) == instar.evaluate(run, data, **asked)


def test_folders_have_the_same_scores(tmp_path: Path) -> None:
    made, real = noise(tmp_path / "made", 2 * BATCH + 3), noise(tmp_path / "real", BATCH + 1, 50)
    asked: dict[str, Any] = {"inputs": noise(tmp_path / "inputs", 2 * BATCH + 3, 0, 100), "extractor": extractor()}
    assert instar.evaluate_folders(made, real, devices=2, **asked) == instar.evaluate_folders(made, real, **asked)


def test_parts_are_shared_and_come_in_order() -> None:
    count = 10 * BATCH + 1
    with spread_over_processes(2, device="cpu") as spread:
        for _ in range(2):
            found = list(spread(Twice(), range(count)))
            assert [number for number, _ in found] == [2 * number for number in range(count)]
            assert len({process for _, process in found}) == 2
            assert os.getpid() not in {process for _, process in found}


def test_work_and_parts_may_be_larger_than_a_pipe_holds() -> None:
    with spread_over_processes(2, device="cpu") as spread:
        given = [bytes([number]) * 300_000 for number in range(BATCH + 1)]
        assert list(spread(Lengths(bytes(5_000_000)), given)) == [5_300_000] * len(given)


def test_what_was_left_half_done_is_not_taken_for_what_follows() -> None:
    with spread_over_processes(2, device="cpu") as spread:
        assert next(iter(spread(Twice(), range(6 * BATCH)))) is not None
        assert [number for number, _ in spread(Twice(), range(100, 100 + 3 * BATCH))][:2] == [200, 202]


def test_a_process_that_ends_is_named() -> None:
    match = r"^devices=2: process [12] of 2 was ended by SIGKILL"
    with spread_over_processes(2, device="cpu") as spread, pytest.raises(UserError, match=match):
        list(spread(Twice(ends_at=BATCH + 1), range(4 * BATCH)))


def test_what_does_not_go_is_one_line(tmp_path: Path) -> None:
    made = noise(tmp_path / "made", 4)
    for count, more, said in (
        (0, {}, r"^devices must be at least 1, not 0$"),
        (2, {"ray": "local"}, r"^ray=local and devices=2: give one of the two$"),
    ):
        with pytest.raises(UserError, match=said):
            instar.evaluate_folders(made, made, extractor=extractor(), devices=count, **more)


def test_processes_share_the_processors_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8), raising=False)
    assert shared_out(2) == {"OMP_NUM_THREADS": 4, "OMP_WAIT_POLICY": "PASSIVE"}
    assert shared_out(16)["OMP_NUM_THREADS"] == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert shared_out(2) == {"OMP_WAIT_POLICY": "PASSIVE"}
