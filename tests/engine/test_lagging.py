"""Steps whose gradients are judged a step later end in the same bits as those that are judged at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from engine.heard import Heard
from engine.lagging import Broken, logged, same
from instar.core import registry
from instar.core.errors import UserError
from instar.engine.trainer import Trainer
from instar.testing.runs import build, source_for, tiny, trainer


def trained(name: str, folder: Path, bad: tuple[int, ...], *, lags: bool, **options: Any) -> tuple[Trainer, Heard]:
    train = {"steps": 12, "save_every": 5, "log_every": 4, "batch": 2, **options.pop("train", {})}
    config, heard = tiny(name, train, **options), Heard()
    source = source_for(config)
    source.__class__ = Broken
    source.bad = bad  # type: ignore[attr-defined]
    folder.mkdir()
    play = trainer(config, folder, build(config), source, on_event=heard)
    play.lags = lags
    assert play.fit()
    return play, heard


@pytest.mark.parametrize("bad", [(), (6,), (4, 5, 9), (11,)], ids=str)
@pytest.mark.parametrize("name", ["cyclegan", "cut", "tunit"])
def test_the_same_bits(name: str, bad: tuple[int, ...], tmp_path: Path) -> None:
    """Also where it was a step before a line of the log, a checkpoint, or the end."""
    options: dict[str, Any] = {"negatives": "both", "bank": 64} if name == "cut" else {}
    at_once, heard = trained(name, tmp_path / "once", bad, lags=False, **options)
    lagging, heard_late = trained(name, tmp_path / "late", bad, lags=True, **options)
    assert heard.warnings == heard_late.warnings
    assert len([line for line in heard.warnings if "skipped" in line]) == len(bad)
    same(at_once, lagging)
    assert logged(heard) == logged(heard_late)


@pytest.mark.parametrize("name", registry.names())
def test_every_method_can_lag(name: str, tmp_path: Path) -> None:
    bad = () if name in ("transgaga", "distancegan") else (6,)  # they prepare with all images
    same(trained(name, tmp_path / "once", bad, lags=False)[0], trained(name, tmp_path / "late", bad, lags=True)[0])


def test_too_many_in_a_row_stop_the_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"stopped: 3 steps in a row were not finite, the last in .*a6"):
        trained("cyclegan", tmp_path / "run", (4, 5, 6), lags=True, train={"max_bad_steps": 3})


def test_only_rounds_after_the_first_bad_one_are_undone(tmp_path: Path) -> None:
    """D has moved before G's gradient turns out to be too large: it stays so, in both ways of judging."""
    options: dict[str, Any] = {"nce_x": 1e35, "train": {"max_bad_steps": 100}}
    at_once, heard = trained("cut", tmp_path / "once", (), lags=False, **options)
    lagging, heard_late = trained("cut", tmp_path / "late", (), lags=True, **options)
    assert len(heard.warnings) >= 12
    assert heard.warnings == heard_late.warnings
    same(at_once, lagging)
    before = dict(build(at_once.config).named_parameters())
    moved = {name.split(".")[0] for name, p in at_once.method.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"D"}
