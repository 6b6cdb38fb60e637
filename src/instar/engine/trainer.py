"""The training loop: phase, prepare, step, picture, checkpoint, stop. It knows no method."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from lightning_fabric import Fabric
from rich.console import Console
from torch import Tensor

from instar.core.batch import Batch
from instar.core.config import RunConfig
from instar.core.errors import UserError
from instar.core.method import Method, Objectives
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.core.seed import seed_step
from instar.engine import checkpoint, parallel, preview
from instar.engine.averages import Averages
from instar.engine.counts import Counts
from instar.engine.log import Meter, Writers, logger
from instar.engine.memory import peak_memory
from instar.engine.optimizers import Optimizers, gradient_norm
from instar.engine.progress import Bar, bar
from instar.engine.signals import stop_on_signals


class Stream(Protocol):
    """Batches in order, prepared ahead of time."""

    waited: float
    """Seconds that the consumer has waited for them."""

    def __next__(self) -> Batch:
        """Return the next step's batch."""

    def close(self) -> None:
        """End the preparation."""


class Source(Protocol):
    """Training batches as a pure function of the step."""

    @property
    def epoch_length(self) -> int:
        """Steps in which the larger domain is seen once."""

    def batch(self, step: int) -> Batch:
        """Return the batch of a step."""

    def stream(self, start_step: int) -> Stream:
        """Return the batches from a step on."""


class Scorer(Protocol):
    """Scores a method on images that are neither trained on nor tested on."""

    def __call__(self, method: Method[Any]) -> dict[str, float]:
        """Return numbers by name; the first one decides which checkpoints are kept, lower is better."""


class Trainer:
    """One run of one method. All that changes over the run is in here and in its checkpoints."""

    def __init__(
        self,
        fabric: Fabric,
        method: Method[Any],
        config: RunConfig,
        run: Path,
        source: Source,
        samples: Batch,
        scorer: Scorer | None = None,
    ) -> None:
        """Build the run; `fit` starts it.

        Args:
            fabric: launched.
            method: with its initial weights.
            config: the run's settings.
            run: its directory, which exists.
            source: of training batches.
            samples: fixed held-out images for the pictures.
            scorer: of the method on validation images, if the run is to be scored; the first number decides.
        """
        self.fabric, self.config, self.run, self.source = fabric, config, run, source
        self.cfg = config.train
        self.method = method.to(fabric.device).train()
        self.samples = samples.to(fabric.device)
        self.optimizers = Optimizers(method)
        self.averages = Averages(method, self.cfg.ema)
        self.meter, self.counts = Meter(), Counts()
        self.step = 0
        self.phase = ""
        self.bad_steps = 0
        self.seconds = 0.0
        self.memory = 0
        """Most bytes that this run held before it was resumed."""
        self.scorer = scorer
        self.best: list[tuple[int, float]] = []
        """Steps and scores of the checkpoints kept for their scores, the best first."""
        self.reached: set[tuple[str, str]] = set()
        """(phase, network) pairs already seen to hold a gradient."""

    def fit(self, console: Console) -> bool:
        """Train from the last checkpoint, or from the start, to the end. Return whether the end was reached.

        Raises:
            UserError: too many steps in a row were not finite. What they would have moved has not moved.
        """
        self.resume()
        writers = Writers(self.run, self.step) if self.fabric.is_global_zero else None
        if self.step == 0:
            self.show(writers)
        started, before = time.monotonic(), self.seconds
        stream = self.source.stream(self.step)
        with (
            closing(stream),
            stop_on_signals() as stop,
            bar(console, self.cfg.steps, self.step, self.cfg.batch) as shown,
        ):
            while self.step < self.cfg.steps:
                self.train_step(next(stream).to(self.fabric.device))
                self.seconds = before + time.monotonic() - started
                self.report(writers, shown, stream.waited)
                scored = self.score(writers)
                stopping = parallel.any_of(self.fabric, stop.asked)
                if scored or stopping or self.step == self.cfg.steps or self.step % self.cfg.save_every == 0:
                    self.save()
                if stopping:
                    break
        if writers:
            writers.close()
        return self.step == self.cfg.steps

    @property
    def at(self) -> Progress:
        """Where the run stands."""
        return Progress(self.step, self.cfg.steps, self.source.epoch_length)

    def train_step(self, batch: Batch) -> None:
        """Minimise this step's objectives in the method's order."""
        at = self.at
        seed_step(self.cfg.seed, self.step)
        self.enter_phase(at)
        rounds = self.method.objectives(batch, at)
        finite = True
        while finite and (objective := self.advance(rounds)) is not None:
            finite = self.minimise(objective, at, batch)
        if finite:
            self.bad_steps = 0
            self.averages.update((self.step + 1) * self.cfg.batch, self.cfg.batch)
        else:
            rounds.close()  # what follows would build on the same numbers
        self.step += 1

    def enter_phase(self, at: Progress) -> None:
        """Let the method prepare a phase that it has just entered."""
        phase = self.method.phase(at)
        if phase != self.phase:
            if self.phase:
                self.save()
            batches = (self.source.batch(i).to(self.fabric.device) for i in range(self.source.epoch_length))
            self.method.prepare(phase, batches)
            self.phase = phase

    def advance(self, rounds: Objectives) -> Objective | None:
        """Run the method up to its next objective, in the run's precision."""
        with self.fabric.autocast():
            return next(rounds, None)

    def minimise(self, objective: Objective, at: Progress, batch: Batch) -> bool:
        """Move the objective's networks, unless a gradient is not finite. Return whether they moved."""
        names = self.optimizers.names(objective.over)
        parameters = self.optimizers.parameters(names)
        for parameter in parameters:
            parameter.grad = None
        torch.autograd.backward(objective.loss.total(), inputs=parameters)
        self.check_reach(objective.name, names)
        gradients = [p.grad for p in parameters if p.grad is not None]
        parallel.average(self.fabric, gradients)
        norm = gradient_norm(gradients, self.cfg.clip)
        if not bool(norm.isfinite()):
            self.skip(objective, batch)
            return False
        self.optimizers.step(names, at)
        self.meter.add(objective, norm)
        self.counts.add(objective)
        return True

    def check_reach(self, objective: str, names: list[str]) -> None:
        """Refuse an objective that does not reach a network it claims to move: autograd would not say so."""
        for name in names:
            if (self.phase, name) in self.reached:
                continue
            if all(p.grad is None for p in self.optimizers.parameters([name])):
                raise RuntimeError(f"objective {objective!r} gives no gradient to {name!r}, which it is to move")
            self.reached.add((self.phase, name))

    def skip(self, objective: Objective, batch: Batch) -> None:
        """Name what was not finite and go on; stop after too many in a row."""
        self.bad_steps += 1
        terms = [t.name for t in objective.loss.terms if not bool(t.value.isfinite().all())]
        cause = ", ".join(f"{objective.name}/{name}" for name in terms) or f"the gradient of {objective.name}"
        images = ", ".join(batch.names)
        logger.warning("step %d skipped: %s is not finite; images: %s", self.step + 1, cause, images)
        if self.bad_steps >= self.cfg.max_bad_steps:
            raise UserError(
                f"stopped: {self.bad_steps} steps in a row were not finite, the last in {cause} with {images}; "
                f"look at these images (instar check), lower --method.optim.lr or set --train.clip 1, and start anew "
                f"or go on from the last checkpoint with: instar train --resume {self.run}"
            )

    def report(self, writers: Writers | None, shown: Bar, waited: float) -> None:
        """Write numbers and pictures when they are due."""
        if self.step % self.cfg.log_every == 0 or self.step == self.cfg.steps:
            means, counts = self.read_meter(), self.counts.read(self.fabric)
            shown.terms(means)
            if writers and means:
                speed = self.step * self.cfg.batch / self.seconds if self.seconds else 0.0
                pace = {"step": self.step, "seconds": self.seconds, "images_per_second": speed}
                writers.numbers({**pace, **means, **counts})
                self.counts.watch(counts, self.step)
        if self.step % self.cfg.preview_every == 0 or self.step == self.cfg.steps:
            self.show(writers)
        shown.step(self.step, waited)

    def read_meter(self) -> dict[str, float]:
        """Return the means of the terms over the interval and all processes."""
        means = self.meter.read()
        if self.fabric.world_size == 1 or not means:
            return means
        mine = torch.tensor(list(means.values()), device=self.fabric.device)
        everyones = cast(Tensor, self.fabric.all_reduce(mine, reduce_op="mean"))
        return dict(zip(means, everyones.tolist(), strict=True))

    def show(self, writers: Writers | None) -> None:
        """Write the sample picture of this step."""
        if writers is None:
            return
        with self.averages.in_place(), self.fabric.autocast():
            picture = preview.sheet(self.method, self.samples, self.cfg.seed)
        try:
            preview.save(picture, self.run / "samples", self.step)
        except OSError as error:
            logger.warning("sample picture of step %d could not be written (%s)", self.step, error)
        writers.picture(picture, self.step)

    def score(self, writers: Writers | None) -> bool:
        """Score the run on its validation images when that is due. Return whether it was."""
        every = self.cfg.score_every
        if not every or (self.step % every and self.step != self.cfg.steps):
            return False
        if self.scorer and writers:
            with self.averages.in_place(), self.fabric.autocast():
                scores = self.scorer(self.method)
            self.best.append((self.step, next(iter(scores.values()))))
            self.best = sorted(self.best, key=lambda kept: kept[1])[: self.cfg.keep_best]
            writers.numbers({"step": self.step, **scores})
        return True

    def save(self) -> None:
        """Write a checkpoint of this moment."""
        training = {
            "step": self.step,
            "phase": self.phase,
            "last_of_phase": self.method.phase(self.at) != self.phase,
            "bad_steps": self.bad_steps,
            "seconds": self.seconds,
            "memory": max(self.memory, peak_memory(self.fabric.device)),
            "meter": self.meter.state(),
            "counts": self.counts.state(),
            "best": self.best,
        }
        try:
            checkpoint.save(self.fabric, self.run, self.config, self.method, self.optimizers, self.averages, training)
        except OSError as error:
            raise UserError(
                f"{self.run}: the checkpoint of step {self.step} could not be written ({error}); "
                f"make room, then go on with: instar train --resume {self.run}"
            ) from error

    def resume(self) -> None:
        """Take up the last checkpoint, if there is one."""
        training = checkpoint.load(self.fabric, self.run, self.method, self.optimizers, self.averages)
        if training is None:
            return
        self.step, self.phase = training["step"], training["phase"]
        self.bad_steps, self.seconds = training["bad_steps"], training["seconds"]
        self.memory = training.get("memory", 0)
        self.best = [(step, score) for step, score in training.get("best", [])]
        self.meter.load(training["meter"], self.fabric.device)
        self.counts.load(training.get("counts", {}), self.fabric.device)
