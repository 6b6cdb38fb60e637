import copy
from pathlib import Path
from typing import Any

import torch

from contract.playing import source_for, trainer
from instar.core.batch import Batch
from instar.core.config import RunConfig
from instar.core.method import Method
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.core.seed import seed_step
from instar.engine.trainer import Trainer

Weights = dict[str, torch.Tensor]


def weights(method: Method[Any]) -> Weights:
    return {name: parameter.detach().clone() for name, parameter in method.named_parameters()}


def moved(before: Weights, method: Method[Any]) -> set[str]:
    """Networks of which a weight is another than before."""
    return {name.split(".")[0] for name, now in method.named_parameters() if not torch.equal(before[name], now)}


def holding(method: Method[Any]) -> set[str]:
    """Networks of which a weight holds a gradient."""
    return {name.split(".")[0] for name, p in method.named_parameters() if p.grad is not None}


def phases(method: Method[Any], config: RunConfig, epoch_length: int) -> dict[str, Progress]:
    """The first step of every phase that a run goes through."""
    found: dict[str, Progress] = {}
    for step in range(config.train.steps):
        at = Progress(step, config.train.steps, epoch_length)
        found.setdefault(method.phase(at), at)
    return found


def first_steps(play: Trainer) -> list[tuple[Progress, Batch]]:
    known = phases(play.method, play.config, play.source.epoch_length)
    return [(at, play.source.batch(at.step)) for at in known.values()]


def test_only_the_players_named_move(method: Method[Any], config: RunConfig, tmp_path: Path) -> None:
    play = trainer(config, tmp_path, method, source_for(config))
    for at, batch in first_steps(play):
        play.enter_phase(at)
        rounds = method.objectives(batch, at)
        while (objective := play.advance(rounds)) is not None:
            method.zero_grad(set_to_none=True)
            before = weights(method)
            assert play.minimise(objective, at, batch)
            named = {name for name, net in method.named_children() if any(net is one for one in objective.over)}
            assert holding(method) == named, objective.name
            # What the method itself moves (slow copies) moves between objectives, not while one is minimised.
            assert moved(before, method) == named, objective.name


def test_every_parameter_gets_a_gradient(method: Method[Any], config: RunConfig, tmp_path: Path) -> None:
    """Biases before an instance norm get one of about 0, but none is left out."""
    play = trainer(config, tmp_path, method, source_for(config))
    for at, batch in first_steps(play):
        play.enter_phase(at)
        rounds = method.objectives(batch, at)
        while (objective := play.advance(rounds)) is not None:
            assert play.minimise(objective, at, batch)
            forgotten = [n for net in objective.over for n, p in net.named_parameters() if p.grad is None]
            assert not forgotten, f"{objective.name}: {forgotten}"


def test_every_network_moves_in_some_phase(method: Method[Any], config: RunConfig, tmp_path: Path) -> None:
    play = trainer(config, tmp_path, method, source_for(config))
    before = weights(method)
    for at, batch in first_steps(play):
        play.step = at.step
        play.train_step(batch)
    trained = {name for name, net in method.named_children() if any(p.requires_grad for p in net.parameters())}
    assert trained
    assert trained <= moved(before, method)
    assert play.bad_steps == 0


def test_a_step_leaves_nothing_behind(method: Method[Any], config: RunConfig, batch: Batch) -> None:
    """Two methods with the same weights play the same step: chance comes from the step's seed alone."""
    at = Progress(0, config.train.steps)
    twice = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        seed_step(0, 0)
        played: list[Objective] = list(copy.deepcopy(method).objectives(batch, at))
        twice.append(played[0].loss.total())
    assert torch.equal(*twice)
