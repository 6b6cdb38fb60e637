"""A batch in parts gives the gradients of the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from engine.heard import Heard
from instar.core.batch import Paired, Unlabelled, Unpaired
from instar.core.config import TrainConfig
from instar.core.errors import UserError
from instar.core.events import Logged
from instar.core.objective import Loss
from instar.engine.trainer import Trainer
from instar.testing.runs import build, source_for, tiny, trainer


def after_one_step(name: str, folder: Path, parts: int, **options: Any) -> tuple[Trainer, dict[str, Any]]:
    config, heard = tiny(name, {"steps": 1, "batch": 4, "log_every": 1, "accumulate": parts}, **options), Heard()
    folder.mkdir()
    method = build(config).double()
    play = trainer(config, folder, method, source_for(config, dtype=torch.float64), on_event=heard)
    play.fit()
    return play, dict(heard.of(Logged)[0].values)


# Without chance within the step: that is drawn for each part.
@pytest.mark.parametrize(("name", "options"), [("cyclegan", {}), ("gcgan", {})])
@pytest.mark.parametrize("parts", [2, 4])
def test_weights_and_numbers_are_those_of_the_whole_batch(
    name: str, options: dict[str, Any], parts: int, tmp_path: Path
) -> None:
    whole, numbers = after_one_step(name, tmp_path / "whole", 1, **options)
    cut, of_parts = after_one_step(name, tmp_path / "cut", parts, **options)
    for mine, theirs in zip(whole.method.parameters(), cut.method.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-9)
    assert numbers == pytest.approx(of_parts, rel=1e-6)  # logged in float32


def test_the_second_objective_sees_what_the_first_has_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In each part: D's objective comes after the one step of G, not after that of its part."""
    play, _ = after_one_step("cyclegan", tmp_path / "run", 4)
    order: list[str] = []
    backward, step = Loss.total, play.optimizers.step
    monkeypatch.setattr(Loss, "total", lambda self: (order.append(self.terms[0].name), backward(self))[1])
    monkeypatch.setattr(play.optimizers, "step", lambda names, *_: (order.append("+".join(names)), step(names, *_))[1])
    play.minimise_all(play.source.batch(1), play.at)
    assert order == ["gan_g"] * 4 + ["G+F"] + ["y_real"] * 4 + ["D_X+D_Y"]


def test_a_batch_is_cut_in_order_with_its_names() -> None:
    a, b = torch.arange(4.0), torch.arange(4.0, 8.0)
    pairs = Paired(a=a, b=b, names=tuple("abcdefgh"))
    parts = pairs.split(2)
    assert [part.names for part in parts] == [tuple("abef"), tuple("cdgh")]
    assert torch.equal(torch.cat([part.a for part in parts]), a)
    assert torch.equal(torch.cat([part.b for part in parts]), b)
    assert pairs.split(1)[0] is pairs
    labelled = Unlabelled(a=a, b=b, labels=torch.tensor([0, 1, 2, 3]), names=tuple("abcd"))
    assert [part.labels.tolist() for part in labelled.split(2)] == [[0, 1], [2, 3]]
    assert [part.names for part in labelled.split(4)] == [("a",), ("b",), ("c",), ("d",)]
    assert Unpaired(a=a, b=b, names=("x",)).split(2)[1].names == ("x",)


def test_parts_must_be_equal() -> None:
    with pytest.raises(UserError, match=r"batch=6 cannot be cut into equal parts by train.accumulate=4"):
        TrainConfig(batch=6, accumulate=4)
    with pytest.raises(UserError, match=r"take a multiple of 4"):
        TrainConfig(batch=2, devices=2, accumulate=2)
    assert TrainConfig(batch=8, devices=2, accumulate=2).parts == 4
