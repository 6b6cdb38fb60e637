from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.heard import Heard
from engine.lagging import Broken
from instar.core import registry
from instar.core.batch import Batch, Unpaired
from instar.core.config import MethodConfig, Preset
from instar.core.errors import UserError
from instar.core.events import Noted
from instar.core.method import Method, Objectives, Paper
from instar.core.objective import Objective, term
from instar.core.progress import Progress
from instar.engine.trainer import Trainer
from instar.testing.runs import build, source_for, tiny, trainer


def broken(
    name: str,
    folder: Path,
    bad: tuple[int, ...],
    heard: Heard | None = None,
    options: dict[str, Any] | None = None,
    **train: Any,
) -> Trainer:
    config = tiny(name, {"steps": 6, "save_every": 100, **train}, **(options or {}))
    source = source_for(config)
    source.__class__ = Broken
    source.bad = bad  # type: ignore[attr-defined]
    folder.mkdir(exist_ok=True)
    return trainer(config, folder, build(config), source, on_event=heard)


def test_a_step_that_is_not_finite_is_skipped_and_named(tmp_path: Path) -> None:
    heard = Heard()
    play = broken("cyclegan", tmp_path / "run", bad=(2, 4), heard=heard)
    assert play.fit()
    said = heard.warnings
    assert len(said) == 2
    assert said[0].startswith("step 3 skipped: G/")
    assert "cycle_x" in said[0]
    assert "images: a2, b2" in said[0]
    assert all(bool(weight.isfinite().all()) for weight in play.method.state_dict().values())
    assert bool(play.averages.of["G"].net.encoder[1][0].weight.isfinite().all())
    assert len(play.method.pool_y.images) == 4, "no fake of a bad step got into the pool"
    assert play.bad_steps == 0


def test_a_skipped_step_moves_nothing(tmp_path: Path) -> None:
    play = broken("cut", tmp_path / "run", bad=(0,))
    before = {name: value.clone() for name, value in play.method.state_dict().items()}
    play.train_step(play.source.batch(0))
    assert play.step == 1
    assert all(torch.equal(before[name], value) for name, value in play.method.state_dict().items())


@pytest.mark.parametrize("name", [*registry.names(), "pix2pix with running norms"])
def test_a_skipped_step_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    """Running statistics took in the images before the loss was known."""
    name, _, running = name.partition(" ")
    heard, options = Heard(), {"norm": "running"} if running else {}
    play = broken(name, tmp_path / "run", bad=(4,), heard=heard, options=options)  # transgaga prepares with 0 to 2
    assert play.fit()
    assert [line.split(":")[0] for line in heard.warnings if "skipped" in line] == ["step 5 skipped"]
    assert play.live.not_finite() is None


def test_gradients_that_cannot_be_squared_are_not_taken(tmp_path: Path) -> None:
    heard = Heard()
    play = broken("cyclegan", tmp_path / "run", bad=(), heard=heard, options={"cycle_x": 1e35})
    before = {name: value.clone() for name, value in play.method.G.state_dict().items()}
    play.train_step(play.source.batch(0))
    assert heard.warnings[0].startswith("step 1 skipped: the gradient of G is not finite")
    assert all(torch.equal(before[name], value) for name, value in play.method.G.state_dict().items())


def test_numbers_that_are_not_finite_are_never_written(tmp_path: Path) -> None:
    play = broken("cyclegan", tmp_path / "run", bad=(), save_every=2)
    play.train_step(play.source.batch(0))
    play.save()
    kept = [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()]
    for tensor in (next(iter(play.optimizers.state().values())), next(play.method.G.parameters())):
        before = tensor.detach().clone()
        with torch.no_grad():
            tensor.view(-1)[0] = float("inf")
        with pytest.raises(UserError, match=r"stopped at step 1: .* not finite, so no checkpoint was written") as error:
            play.save()
        assert "\n" not in str(error.value)
        assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == kept
        with torch.no_grad():
            tensor.copy_(before)
    play.save()


def test_too_many_bad_steps_in_a_row_stop_the_run(tmp_path: Path) -> None:
    play = broken("pix2pix", tmp_path / "run", bad=(1, 2, 3), max_bad_steps=3)
    with pytest.raises(UserError, match=r"3 steps in a row.*D/fake.*a3.*instar\.resume\(") as caught:
        play.fit()
    assert "\n" not in str(caught.value)


def test_clipping_bounds_the_gradient(tmp_path: Path) -> None:
    config = tiny("pix2pix", {"steps": 1, "clip": 0.01})
    (tmp_path / "run").mkdir()
    play = trainer(config, tmp_path / "run", build(config), source_for(config))
    norms, step = {}, play.optimizers.step

    def stepped(names: Sequence[str], *rest: Any) -> None:
        for name in names:
            norms[name] = torch.stack([p.grad.norm() for p in play.optimizers.parameters([name]) if p.grad is not None])
        step(names, *rest)

    play.optimizers.step = stepped  # type: ignore[method-assign]
    play.fit()
    assert norms.keys() == {"G", "D"}
    for found in norms.values():
        assert float(found.norm()) == pytest.approx(0.01, rel=1e-3)
    assert all(p.grad is None for p in play.method.parameters()), "gradients are freed once they are taken"


class Mean(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.level


class Odd(Method[Unpaired]):
    """A method that does what a test tells it to."""

    options = MethodConfig
    paper = Paper("", "", 2026, "")
    data = Unpaired
    targets = ("b",)
    translators = ("G",)
    presets = {"tiny": Preset(about="")}
    game: Any = None

    def __init__(self) -> None:
        super().__init__(MethodConfig())
        self.G, self.D = Mean(), Mean()
        self.outside = [Mean()]
        self.calls: list[str] = []

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        yield from self.game(self, batch, at)

    def phase(self, at: Progress) -> str:
        return "first" if at.step < 2 else "second"

    def prepare(self, phase: str, batches: Iterator[Unpaired]) -> None:
        self.calls.append(f"{phase} {len(list(batches))}")

    def translate(self, x: Tensor, *, to: str = "b") -> Tensor:
        return self.G(x)


def odd(game: Any, folder: Path) -> Trainer:
    config = tiny("cut", {"steps": 4})
    method = Odd()
    method.game = game
    folder.mkdir(exist_ok=True)
    return trainer(config, folder, method, source_for(config))


def pull(net: Mean, batch: Batch) -> Any:
    return term("pull", (net(batch.a) - 1).square().mean())


def test_an_objective_that_misses_a_network_is_refused(tmp_path: Path) -> None:
    def game(m: Odd, batch: Unpaired, at: Progress) -> Objectives:
        yield Objective("G", over=(m.G, m.D), loss=pull(m.G, batch))

    with pytest.raises(RuntimeError, match="'G' gives no gradient to 'D'"):
        odd(game, tmp_path / "run").fit()


def test_a_network_that_is_no_child_is_refused(tmp_path: Path) -> None:
    def game(m: Odd, batch: Unpaired, at: Progress) -> Objectives:
        yield Objective("G", over=(m.outside[0],), loss=pull(m.outside[0], batch))

    with pytest.raises(ValueError, match="a Mean is no direct child"):
        odd(game, tmp_path / "run").fit()


def test_phases_are_prepared_once_and_steps_are_played_to_the_end(tmp_path: Path) -> None:
    def game(m: Odd, batch: Unpaired, at: Progress) -> Objectives:
        yield Objective("G", over=(m.G,), loss=pull(m.G, batch))
        assert float(m.G.level) != 0, "after a yield the network has moved"
        yield Objective("D", over=(m.D,), loss=pull(m.D, batch))
        m.calls.append(f"end of step {at.step}")

    play = odd(game, tmp_path / "run")
    assert play.fit()
    assert play.method.calls == [
        "first 3",
        "end of step 0",
        "end of step 1",
        "second 3",
        "end of step 2",
        "end of step 3",
    ]


def test_the_averaged_weights_are_those_of_the_formula(tmp_path: Path) -> None:
    levels = []

    def game(m: Odd, batch: Unpaired, at: Progress) -> Objectives:
        yield Objective("G", over=(m.G,), loss=pull(m.G, batch))
        yield Objective("D", over=(m.D,), loss=pull(m.D, batch))
        levels.append(float(m.G.level))

    play = odd(game, tmp_path / "run")
    assert play.fit()
    expected = 0.0
    for step, level in enumerate(levels):
        half_life = min(100.0, 0.2 * (step + 1))  # in images; the batch is 1
        decay = 0.5 ** (1 / half_life)
        expected = decay * expected + (1 - decay) * level
    assert float(play.averages.of["G"].net.level) == pytest.approx(expected, rel=1e-5)
    assert expected != pytest.approx(levels[-1], rel=1e-5)
    with play.averages.in_place():
        assert float(play.method.G.level) == pytest.approx(expected, rel=1e-5)
        assert not play.method.training
    assert float(play.method.G.level) == levels[-1]
    assert play.method.training


def test_a_method_that_translates_nothing_makes_no_pictures(tmp_path: Path) -> None:
    heard = Heard()
    config = tiny("dann", {"steps": 4, "preview_every": 2})
    play = trainer(config, tmp_path, build(config), source_for(config), on_event=heard)
    assert play.fit()
    assert not (tmp_path / "samples").exists()
    said = [str(event.text) for event in heard.of(Noted)]
    assert [note for note in said if "score with: instar.evaluate(" in note]
    assert not [note for note in said if "translate with" in note]
