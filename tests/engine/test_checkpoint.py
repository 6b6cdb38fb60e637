"""How checkpoints are written, and what is removed for them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from instar.core import tensors
from instar.core.digests import SUMS, check_sum, listed
from instar.core.errors import UserError
from instar.core.run import checkpoints
from instar.engine import checkpoint
from instar.engine.trainer import Trainer
from instar.testing.runs import build, source_for, tiny, trainer

FULL = "I/O error: No space left on device (os error 28)"


def play(run: Path, **train: Any) -> Trainer:
    config = tiny("pix2pix", {"save_every": 2, **train})
    run.mkdir(exist_ok=True)
    return trainer(config, run, build(config), source_for(config))


def names(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").iterdir())


def test_only_rests_of_its_own_are_swept_and_nothing_behind_links(tmp_path: Path) -> None:
    run, outside = tmp_path / "run", tmp_path / "outside"
    folder = run / "checkpoints"
    folder.mkdir(parents=True)
    (outside / ".ssh").mkdir(parents=True)
    (outside / ".ssh" / "key").write_text("secret")
    for name in (".git", ".step-7b", ".old-step", ".step-000000001", ".old-step-000000001"):
        (folder / name).mkdir()
        (folder / name / "inside").symlink_to(outside)
    (folder / ".step-000000002").symlink_to(outside)
    (folder / "step-000000001").symlink_to(outside)
    play(run, steps=4, keep=1).fit()
    assert names(run) == [".git", ".old-step", ".step-7b", "step-000000001", "step-000000004"]
    assert (outside / ".ssh" / "key").read_text() == "secret"
    assert [path.name for path in outside.iterdir()] == [".ssh"]


def test_checkpoints_that_lie_elsewhere_are_refused(tmp_path: Path) -> None:
    run, outside = tmp_path / "run", tmp_path / "outside"
    run.mkdir()
    (outside / ".step-000000001").mkdir(parents=True)
    (run / "checkpoints").symlink_to(outside)
    with pytest.raises(UserError, match=r"step 2 could not be written.*link to another place"):
        play(run, steps=2).fit()
    assert [path.name for path in outside.iterdir()] == [".step-000000001"]


def test_every_file_has_a_digest(tmp_path: Path) -> None:
    play(tmp_path, steps=2).fit()
    (folder,) = checkpoints(tmp_path)
    assert {*listed(folder), SUMS} == {path.name for path in folder.iterdir()}
    for name in listed(folder):
        check_sum(folder / name)


@pytest.mark.skipif(sys.platform == "win32", reason="no modes")
def test_modes_are_those_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        play(tmp_path / "run", steps=2).fit()
    finally:
        os.umask(before)
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o640}
    assert len(files) > 5


class Disk:
    """Has room for some checkpoints' weights."""

    def __init__(self, run: Path, room: int, error: type[Exception]) -> None:
        self.run, self.room, self.error = run, room, error
        self.real = tensors.save_file
        self.most_at_once: list[list[str]] = []

    def __call__(self, content: dict[str, torch.Tensor], path: Path) -> None:
        there = [one for one in (self.run / "checkpoints").glob("*step-*/optimizers.safetensors") if one != path]
        if path.name == "optimizers.safetensors" and len(there) >= self.room:
            self.most_at_once.append(names(self.run))
            path.write_bytes(b"half")
            raise SafetensorError(FULL) if self.error is SafetensorError else OSError(28, "No space left on device")
        self.real(content, path)


@pytest.mark.parametrize("error", [OSError, SafetensorError])
def test_on_a_full_disk_the_oldest_goes_first(
    error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensors, "save_file", disk := Disk(tmp_path, 2, error))
    play(tmp_path, steps=8, keep=2).fit()
    assert names(tmp_path) == ["step-000000006", "step-000000008"]
    assert len(disk.most_at_once) == 2, "it was full at steps 6 and 8"


@pytest.mark.parametrize("keep", [0, 1, 2])
def test_what_is_to_be_kept_is_kept_on_a_full_disk(keep: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last whole checkpoint is never removed before the next one is whole; `keep` 0 keeps all."""
    monkeypatch.setattr(tensors, "save_file", Disk(tmp_path, 1, SafetensorError))
    with pytest.raises(UserError, match=r"checkpoint of step 4 could not be written.*No space left.*make room, then"):
        play(tmp_path, steps=8, keep=keep).fit()
    assert names(tmp_path) == ["step-000000002"], "nothing of the failed one is left to fill the disk"


def test_set_aside(tmp_path: Path) -> None:
    for name in ("step-000000002", "step-000000004", "step-000000006", "set-aside-step-000000006"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    moved = checkpoint.set_aside(tmp_path, 2)
    assert [path.name for path in moved] == ["set-aside-step-000000004", "set-aside-step-000000006-2"]
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000000002"]
