"""Checks of training steps: what moves, and what chance they take."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch

from instar.core.method import Method
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.core.seed import seeded
from instar.engine.trainer import Trainer
from instar.testing.case import Case

Weights = dict[str, torch.Tensor]


def only_the_players_named_move(case: Case) -> None:
    """An objective gives gradients to the networks in `over`, and moves these alone."""
    play = case.trainer()
    for objective, at in _objectives(case, play):
        case.method.zero_grad(set_to_none=True)
        before = _weights(case.method)
        children = case.method.named_children()
        named = {name for name, net in children if any(net is one for one in objective.over)}
        total = play.backward(objective)
        assert _holding(case.method) == named, objective.name
        assert play.move([(objective, total)], at), objective.name
        # What the method itself moves (slow copies) moves between objectives, not while one is minimised.
        assert _moved(before, case.method) == named, objective.name


def every_parameter_gets_a_gradient(case: Case) -> None:
    """Biases before an instance norm get one of about 0, but none is left out."""
    play = case.trainer()
    for objective, at in _objectives(case, play):
        total = play.backward(objective)
        forgotten = [n for net in objective.over for n, p in net.named_parameters() if p.grad is None]
        assert not forgotten, f"{objective.name}: {forgotten}"
        assert play.move([(objective, total)], at), objective.name


def every_network_moves_in_some_phase(case: Case) -> None:
    """No network with something to train stays as it was made."""
    play = case.trainer()
    before = _weights(case.method)
    for at in case.phases(play.source.epoch_length):
        play.step = at.step
        play.train_step(play.source.batch(at.step))
    children = case.method.named_children()
    trained = {name for name, net in children if any(p.requires_grad for p in net.parameters())}
    assert trained
    assert trained <= _moved(before, case.method)
    assert play.bad_steps == 0


def a_step_leaves_nothing_behind(case: Case) -> None:
    """Two methods with the same weights train the same step: chance comes from the step's seed alone."""
    at = Progress(0, case.config.train.steps)
    twice = []
    for _ in range(2):
        with seeded(0, 0):
            objectives = list(copy.deepcopy(case.method).objectives(case.batch, at))
        twice.append(objectives[0].loss.total())
    assert torch.equal(*twice)


def _objectives(case: Case, play: Trainer) -> Iterator[tuple[Objective, Progress]]:
    """Yield the objectives of the first step of every phase, each to be minimised before the next is asked for."""
    for at in case.phases(play.source.epoch_length):
        batch = play.source.batch(at.step)
        play.enter_phase(at)
        rounds = case.method.objectives(batch, at)
        while (objective := play.advance(rounds)) is not None:
            yield objective, at


def _weights(method: Method[Any]) -> Weights:
    return {name: parameter.detach().clone() for name, parameter in method.named_parameters()}


def _moved(before: Weights, method: Method[Any]) -> set[str]:
    """Return the networks of which a weight is another than before."""
    return {name.split(".")[0] for name, now in method.named_parameters() if not torch.equal(before[name], now)}


def _holding(method: Method[Any]) -> set[str]:
    """Return the networks of which a weight holds a gradient."""
    return {name.split(".")[0] for name, p in method.named_parameters() if p.grad is not None}
