"""The training loop: phase, prepare, step, picture, checkpoint, stop. It knows no method.

It draws and prints nothing: what happens goes to listeners as events (core/events.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from instar.core import events
from instar.core.batch import Batch, Domain
from instar.core.config import RunConfig, code_in
from instar.core.errors import UserError, call, setting
from instar.core.method import Method, Objectives
from instar.core.objective import Objective
from instar.core.progress import Progress
from instar.core.run import CONFIG, checkpoints, read_config
from instar.core.seed import seeded
from instar.engine import checkpoint, parallel, preview
from instar.engine.averages import Averages
from instar.engine.counts import Counts
from instar.engine.inputs import Scorer, Source, Stream
from instar.engine.memory import peak_memory
from instar.engine.meter import Meter
from instar.engine.optimizers import Optimizers, gradient_norm, usable
from instar.engine.undo import Undo


class Trainer:
    """One run of one method. All that changes over the run is in here and in its checkpoints."""

    def __init__(  # noqa: PLR0913  (a run's parts, each made elsewhere)
        self,
        fabric: Fabric,
        method: Method[Any],
        config: RunConfig,
        run: Path,
        source: Source,
        samples: Batch,
        scorer: Scorer | None = None,
        listeners: events.Listeners | None = None,
        *,
        start: Path | None = None,
        attached: Mapping[str, bytes] | None = None,
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
            listeners: told what happens.
            start: the checkpoint to go on from; later ones are set aside. The last one if None, or the beginning.
            attached: more files for each checkpoint, by name.
        """
        self.listeners = listeners or events.Listeners()
        self.fabric, self.config, self.run, self.source = fabric, config, run, source
        self.place = _place(run)
        self.cfg = config.train
        self.method = method.to(fabric.device).train()
        self.samples = samples.to(fabric.device)
        self.optimizers = Optimizers(method)
        self.averages = Averages(method, self.cfg.ema)
        self.undo = Undo(method)
        self.live = checkpoint.Live(config, method, self.optimizers, self.averages, attached or {})
        self.start = start
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

    def fit(self, stop: events.Stop | None = None) -> bool:
        """Train from the last checkpoint, or from the start, to the end. Return whether the end was reached.

        Args:
            stop: asked after every step; a run that is stopped has finished its step and saved it.

        Raises:
            UserError: too many steps in a row were not finite, what they would have moved has not moved; the last
                checkpoint is damaged; the run directory is gone, or a checkpoint cannot be written.
            Exception: what a listener raised, as it is. The run was stopped for it: the step is finished and saved.
        """
        cfg, stop = self.cfg, stop or threading.Event()
        self.resume()
        where, rank = str(self.fabric.device), self.fabric.global_rank
        self.tell(events.Started(self.run, self.config.name, self.step, cfg.steps, cfg.batch, where, rank))
        if self.step == 0:
            self.show()
        started, before = time.monotonic(), self.seconds
        with closing(self.source.stream(self.step)) as stream:
            stopping = self.stops(stop)
            while self.step < cfg.steps and not stopping:
                self.train_step(self.next_batch(stream))
                self.check_there()
                self.seconds = before + time.monotonic() - started
                self.report(stream.waited)
                scored = self.score()
                stopping = self.stops(stop)
                if scored or stopping or self.step == cfg.steps or self.step % cfg.save_every == 0:
                    self.save()
        return self.end()

    def next_batch(self, stream: Stream) -> Batch:
        """Return the images of this step. Where they cannot be had any more, what was trained is saved first."""
        try:
            return next(stream).to(self.fabric.device)
        except UserError:
            if self.fabric.world_size == 1:
                self.save()
            raise

    def end(self) -> bool:
        """Say how the run stands. Return whether its end was reached."""
        reached = self.step == self.cfg.steps
        if reached:
            minutes, following = self.seconds / 60, call("translate", self.run)
            self.tell(events.note(f"done: step {self.step}, {minutes:.1f} min; translate with: {following}"))
        else:
            self.tell(events.note(f"stopped at step {self.step}; go on with: {self.again}"))
        self.tell(events.Finished(self.step, reached, self.seconds))
        self.listeners.raise_error()
        return reached

    @property
    def again(self) -> str:
        """The call that goes on with this run, for messages."""
        return call("resume", self.run, **({"allow_code": True} if code_in(self.config) else {}))

    def check_there(self) -> None:
        """Stop where the run directory is gone, or is another one: nothing of what follows belongs there."""
        if self.fabric.is_global_zero and _place(self.run) != self.place:
            raise UserError(
                f"{self.run}: the run directory was moved or deleted while it was trained, at step {self.step}; "
                f"put it back and go on from its last checkpoint with: {self.again}"
            )

    def tell(self, event: events.Event) -> None:
        """Give an event to the listeners. Not to be called where chance is seeded: other trainings wait there."""
        self.listeners(event)

    def stops(self, stop: events.Stop) -> bool:
        """Return whether any process is to stop, because it was asked to or because a listener failed."""
        return parallel.any_of(self.fabric, stop.is_set() or self.listeners.error is not None)

    @property
    def at(self) -> Progress:
        """Where the run stands."""
        return Progress(self.step, self.cfg.steps, self.source.epoch_length)

    def train_step(self, batch: Batch) -> None:
        """Minimise this step's objectives in the method's order."""
        at = self.at
        self.leave_phase(at)
        with seeded(self.cfg.seed, self.step):
            self.enter_phase(at)
            self.undo.keep()
            failed = self.minimise_all(batch, at)
        if failed is None:
            self.bad_steps = 0
            self.averages.update((self.step + 1) * self.cfg.batch, self.cfg.batch)
        else:
            self.undo()
            self.skip(failed, batch)
        self.step += 1

    def leave_phase(self, at: Progress) -> None:
        """Keep a checkpoint of the phase that ends here."""
        if self.phase and self.method.phase(at) != self.phase:
            self.save()

    def enter_phase(self, at: Progress) -> None:
        """Let the method prepare a phase that it has just entered."""
        phase = self.method.phase(at)
        if phase != self.phase:
            batches = (self.source.batch(i).to(self.fabric.device) for i in range(self.source.epoch_length))
            self.method.prepare(phase, batches)
            self.phase = phase

    def minimise_all(self, batch: Batch, at: Progress) -> Objective | None:
        """Minimise the objectives of a step; return the first that is not finite, at which the step ends."""
        rounds = self.method.objectives(batch, at)
        while (objective := self.advance(rounds)) is not None:
            if not self.minimise(objective, at):
                rounds.close()  # what follows would build on the same numbers
                return objective
        return None

    def advance(self, rounds: Objectives) -> Objective | None:
        """Run the method up to its next objective, in the run's precision."""
        with self.fabric.autocast():
            return next(rounds, None)

    def minimise(self, objective: Objective, at: Progress) -> bool:
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
        if not usable(norm):
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
        self.tell(events.warning(f"step {self.step + 1} skipped: {cause} is not finite; images: {images}"))
        if self.bad_steps >= self.cfg.max_bad_steps:
            raise UserError(
                f"stopped: {self.bad_steps} steps in a row were not finite, the last in {cause} with {images}; "
                f"look at these images ({call('check')}), lower {setting('method.optim.lr')} or set "
                f"{setting('train.clip', 1)}, and start anew or go on from the last checkpoint with: "
                f"{self.again}"
            )

    def report(self, waited: float) -> None:
        """Tell what the step gave: numbers and a picture when they are due."""
        self.tell(events.Stepped(self.step, waited))
        if self.step % self.cfg.log_every == 0 or self.step == self.cfg.steps:
            means, counts = self.meter.read(self.fabric), self.counts.read(self.fabric)
            if means:
                speed = self.step * self.cfg.batch / self.seconds if self.seconds else 0.0
                self.tell(events.Logged(self.step, {**means, **counts}, self.seconds, speed))
                for line in self.counts.watch(counts):
                    self.tell(events.warning(f"step {self.step}: {line}"))
        if self.step % self.cfg.preview_every == 0 or self.step == self.cfg.steps:
            self.show()

    def show(self) -> None:
        """Write the sample picture of this step."""
        if not self.fabric.is_global_zero:
            return
        with self.averages.in_place(), self.fabric.autocast():
            picture = preview.sheet(self.method, self.samples, self.cfg.seed)
        path = None
        try:
            path = preview.save(picture, self.run / "samples", self.step, self.cfg.preview_every)
        except OSError as error:
            self.tell(events.warning(f"sample picture of step {self.step} could not be written ({error})"))
        self.tell(events.Pictured(self.step, path, picture))

    def changes(self) -> dict[Domain, float]:
        """Return by how many of 255 grey levels translations of the samples differ from them, by the domain made."""
        found: dict[Domain, list[float]] = {}
        with self.averages.in_place(), self.fabric.autocast():
            for source, x in self.samples.images.items():
                for to in self.method.targets:
                    if to != source:
                        made = preview.translations(self.method, x, to, self.cfg.seed)
                        found.setdefault(to, []).extend(float((y - x).abs().mean()) * 255 / 2 for y in made)
        return {to: sum(values) / len(values) for to, values in found.items()}

    def score(self) -> bool:
        """Score the run on its validation images when that is due. Return whether it was."""
        every = self.cfg.score_every
        if not every or (self.step % every and self.step != self.cfg.steps):
            return False
        if self.scorer and self.fabric.is_global_zero:
            try:
                with self.averages.in_place(), self.fabric.autocast(), seeded(self.cfg.seed, self.step):
                    scores = self.scorer(self.method)
            except UserError as error:  # of images: the training has nothing to do with them
                self.tell(events.warning(f"step {self.step} could not be scored: {error.message.raw}"))
                return True
            except Exception:
                self.save()  # what was trained is not lost with the scores
                raise
            self.best.append((self.step, next(iter(scores.values()))))
            self.best = sorted(self.best, key=lambda kept: kept[1])[: self.cfg.keep_best]
            self.tell(events.Scored(self.step, scores))
        return True

    def save(self) -> None:
        """Write a checkpoint of this moment, unless it could not be used."""
        if name := self.live.not_finite():
            raise UserError(
                f"stopped at step {self.step}: {name} holds numbers that are not finite, so no checkpoint was written; "
                f"lower {setting('method.optim.lr')} or set {setting('train.clip', 1)}, and start anew or go on from "
                f"the last checkpoint with: {self.again}"
            )
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
        self.check_there()
        try:
            path = checkpoint.save(self.fabric, self.run, self.live, training)
        except OSError as error:
            self.check_there()
            raise UserError(
                f"{self.run}: the checkpoint of step {self.step} could not be written ({error}); "
                f"make room, then go on with: {self.again}"
            ) from error
        self.tell(events.Saved(self.step, path))

    def resume(self) -> None:
        """Take up the checkpoint to go on from, if there is one."""
        there = [self.start] if self.start else checkpoints(self.run)
        if not there:
            return
        training = checkpoint.load(self.fabric, there[-1], self.live)
        self.check_length(training, read_config(there[-1] / CONFIG).train.steps)
        self.step, self.phase = training["step"], training["phase"]
        self.bad_steps, self.seconds = training["bad_steps"], training["seconds"]
        self.memory = training.get("memory", 0)
        self.best = [(step, score) for step, score in training.get("best", [])]
        self.meter.load(training["meter"], self.fabric.device)
        self.counts.load(training.get("counts", {}), self.fabric.device)
        self.fabric.barrier()  # the others may still be looking for the last checkpoint
        if self.start and self.fabric.is_global_zero:
            self.best = [(step, score) for step, score in self.best if step <= self.step]
            for moved in checkpoint.set_aside(self.run, self.step):
                self.tell(events.note(f"a later checkpoint is set aside: {moved}"))
        if self.step < self.cfg.steps:
            self.tell(events.note(f"goes on from step {self.step} of {self.cfg.steps}"))
        else:
            longer = call("resume", self.run, steps=2 * self.cfg.steps)
            self.tell(events.note(f"the run is at its end, step {self.step}; to lengthen it: {longer}"))

    def check_length(self, training: Mapping[str, Any], before: int) -> None:
        """Refuse another length of the run, `before` until now, that does not fit where it stands."""
        asked, step = setting("train.steps", self.cfg.steps), training["step"]
        if step > self.cfg.steps:
            raise UserError(f"{asked}: the run stands at step {step} already; give a larger number")
        at = {steps: Progress(step, steps, self.source.epoch_length) for steps in (before, self.cfg.steps)}
        come_to, now = {training["phase"], self.method.phase(at[before])}, self.method.phase(at[self.cfg.steps])
        if step and now not in come_to:
            raise UserError(
                f"{asked}: at step {step} a run of that length is in the phase {now!r}, and this one, of {before} "
                f"steps, has come to {training['phase']!r}; choose a length at which they are the same"
            )


def _place(folder: Path) -> tuple[int, int] | None:
    """Return what tells a folder from another one at the same path; None if there is none."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
