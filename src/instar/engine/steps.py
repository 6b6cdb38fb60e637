"""Steps of a run: phase, objectives, gradients, averages, and the way back where a gradient is not finite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from instar.core import events
from instar.core.batch import Batch
from instar.core.config import RunConfig, code_in
from instar.core.errors import UserError, call, setting
from instar.core.method import Method, Objectives
from instar.core.objective import Objective
from instar.core.precision import autocast
from instar.core.progress import Progress
from instar.core.seed import seeded
from instar.engine.attempt import Attempt, Tried
from instar.engine.averages import Averages
from instar.engine.counts import Counts
from instar.engine.exchange import averaged
from instar.engine.inputs import Source
from instar.engine.meter import Meter
from instar.engine.optimizers import Optimizers, gradient_norm, usable
from instar.engine.reading import Reading
from instar.engine.undo import Undo


class Steps:
    """What changes a run's weights. `Trainer` has the loop around it."""

    def __init__(
        self, fabric: Fabric, method: Method[Any], config: RunConfig, run: Path, source: Source, tell: events.Listener
    ) -> None:
        """Stand before the first step.

        Args:
            fabric: launched.
            method: with its initial weights.
            config: the run's settings.
            run: its directory, for messages.
            source: of training batches.
            tell: told of steps that are skipped.
        """
        self.fabric, self.config, self.cfg, self.run, self.source = fabric, config, config.train, run, source
        self.tell = tell
        self.method = method.to(fabric.device).train()
        self.optimizers = Optimizers(method)
        self.averages = Averages(method, self.cfg.ema)
        moved = self.optimizers.parameters([*self.optimizers.by_name])
        self.undo = Undo(method, moved, (average.net for average in self.averages.of.values()))
        self.meter, self.counts = Meter(), Counts()
        self.step = 0
        self.phase = ""
        self.bad_steps = 0
        self.lags = fabric.device.type == "cuda"
        """Whether a step begins before it is known if the gradients of the one before were finite."""
        self.pending: Attempt | None = None
        """The step of which that is not known yet."""
        self.trying: Attempt | None = None
        """The step that is being done."""
        self.bad = torch.zeros((), device=fabric.device)
        """1 once a gradient was not finite, until its step is undone: nothing moves meanwhile."""
        self.reached: set[tuple[str, str]] = set()
        """(phase, network) pairs already seen to hold a gradient."""

    @property
    def at(self) -> Progress:
        """Where the run stands."""
        return Progress(self.step, self.cfg.steps, self.source.epoch_length)

    def autocast(self) -> AbstractContextManager[object]:
        """Return a context in which networks compute in the run's precision."""
        return autocast(self.fabric.device.type, self.cfg.precision)

    @property
    def again(self) -> str:
        """The call that goes on with this run, for messages."""
        return call("resume", self.run, **({"allow_code": True} if code_in(self.config) else {}))

    def take(self, batch: Batch) -> None:
        """Minimise this step's objectives in the method's order.

        Where the device lags behind, the step before is judged now, while this one is under way. If it was not finite
        both are undone, and this one is done anew: images and chance are functions of the step.
        """
        attempt, before = self.attempt(batch), self.pending
        self.pending = attempt
        if not self.lags:
            self.settle()
        elif before and before.failed:
            attempt.back()
            self.pending = before
            self.settle()
            self.pending = self.attempt(batch)

    def attempt(self, batch: Batch) -> Attempt:
        """Do a step as if all gradients were finite."""
        at = self.at
        self.begin_graphs()
        with seeded(self.cfg.seed, self.step):
            self.enter_phase(at)
            self.trying = attempt = Attempt(self.step, batch, self.undo.mark(whole=self.lags))
            complete = self.minimise_all(batch, at)
        if complete:
            self.averages.update((self.step + 1) * self.cfg.batch, self.cfg.batch)
        attempt.verdict, self.trying = Reading(self.bad), None
        self.step += 1
        return attempt

    def settle(self) -> None:
        """Wait until it is known whether the last step was finite; undo and name it if it was not."""
        attempt, self.pending = self.pending, None
        if attempt is None:
            return
        if not attempt.failed:
            self.bad_steps = 0
            return
        self.step, self.bad = attempt.step + 1, torch.zeros_like(self.bad)
        self.skip(attempt.undo(), attempt)

    def begin_graphs(self) -> None:
        """Let CUDA graphs overwrite what they gave in the step before: nothing keeps it longer."""
        if self.lags and self.cfg.cuda_graphs:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]

    def enter_phase(self, at: Progress) -> None:
        """Let the method prepare a phase that it has just entered."""
        phase = self.method.phase(at)
        if phase != self.phase:
            batches = (self.source.batch(i).to(self.fabric.device) for i in range(self.source.epoch_length))
            self.method.prepare(phase, batches)
            self.phase = phase

    def minimise_all(self, batch: Batch, at: Progress) -> bool:
        """Minimise the objectives of a step; return whether all were done, as far as is known.

        With `train.accumulate` the parts of the batch go side by side: each objective moves its networks once, along
        the mean of the parts' gradients, before any part goes on to the next.
        """
        rounds = [self.method.objectives(part, at) for part in batch.split(self.cfg.accumulate)]
        while parts := self.gradients(rounds):
            if not self.move(parts, at):
                for one in rounds:
                    one.close()  # what follows would build on the same numbers
                return False
        return True

    def gradients(self, rounds: Sequence[Objectives]) -> list[tuple[Objective, Tensor]]:
        """Run each part of the batch up to its next objective, and add up the gradients; return them with totals."""
        found: list[tuple[Objective, Tensor]] = []
        for part in rounds:
            objective = self.advance(part)
            if objective is not None:
                first, last = not found, len(found) == len(rounds) - 1
                found.append((objective, self.backward(objective, first=first, last=last, share=1 / len(rounds))))
        return found

    def advance(self, rounds: Objectives) -> Objective | None:
        """Run the method up to its next objective, in the run's precision."""
        with self.autocast():
            return next(rounds, None)

    def backward(self, objective: Objective, *, first: bool = True, last: bool = True, share: float = 1.0) -> Tensor:
        """Add a share of the objective's gradient to what is there, or to nothing; return its total.

        After the last part of a batch the gradients are means over all processes.
        """
        parameters = self.optimizers.parameters(self.optimizers.names(objective.over))
        if first:
            for parameter in parameters:
                parameter.grad = None
        total = objective.loss.total()
        with averaged(self.fabric, parameters) if last else nullcontext():
            torch.autograd.backward(total if share == 1 else share * total, inputs=parameters)
        return total.detach()

    def move(self, parts: Sequence[tuple[Objective, Tensor]], at: Progress) -> bool:
        """Move the networks of an objective along their gradients, unless one is not finite.

        Returns whether they moved, if that is known: where the device lags behind, it is seen to there.

        Args:
            parts: the objective of each part of the batch, and its total.
            at: where the run stands.
        """
        objective = parts[0][0]
        names = self.optimizers.names(objective.over)
        self.check_reach(objective.name, names)
        gradients = [p.grad for p in self.optimizers.parameters(names) if p.grad is not None]
        norm = gradient_norm(gradients, self.cfg.clip)
        good = usable(norm)
        self.bad = torch.maximum(self.bad, (~good).to(self.bad))
        if self.trying:
            self.trying.add([one for one, _ in parts], good, self.marked())
        if not self.lags and not bool(good):
            return False
        self.optimizers.step(names, at, self.bad if self.lags else None)
        for parameter in self.optimizers.parameters(names):
            parameter.grad = None  # as large as the weights, and of no use while the next objective is computed
        for one, total in parts:
            self.meter.add(one, total, norm)
            self.counts.add(one)
        return True

    def marked(self) -> Callable[[], None]:
        """Return what makes the means and counts that are logged what they are now."""
        means, counts = self.meter.mark(), self.counts.mark()

        def back() -> None:
            means()
            counts()

        return back

    def check_reach(self, objective: str, names: list[str]) -> None:
        """Refuse an objective that does not reach a network it claims to move: autograd would not say so."""
        for name in names:
            if (self.phase, name) in self.reached:
                continue
            if all(p.grad is None for p in self.optimizers.parameters([name])):
                raise RuntimeError(f"objective {objective!r} gives no gradient to {name!r}, which it is to move")
            self.reached.add((self.phase, name))

    def skip(self, objective: Tried, attempt: Attempt) -> None:
        """Name what was not finite and go on; stop after too many in a row."""
        self.bad_steps += 1
        cause = ", ".join(f"{objective.name}/{name}" for name in objective.not_finite())
        cause = cause or f"the gradient of {objective.name}"
        images = ", ".join(attempt.batch.names)
        self.tell(events.warning(f"step {attempt.step + 1} skipped: {cause} is not finite; images: {images}"))
        if self.bad_steps >= self.cfg.max_bad_steps:
            raise UserError(
                f"stopped: {self.bad_steps} steps in a row were not finite, the last in {cause} with {images}; "
                f"look at these images ({call('check')}), lower {setting('method.optim.lr')} or set "
                f"{setting('train.clip', 1)}, and start anew or go on from the last checkpoint with: "
                f"{self.again}"
            )
