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

from lightning_fabric import Fabric

from instar.core import events
from instar.core.batch import Batch
from instar.core.config import RunConfig
from instar.core.errors import UserError, call, setting
from instar.core.method import Method
from instar.core.progress import Progress
from instar.core.run import CONFIG, checkpoints, read_config
from instar.core.seed import seeded
from instar.engine import checkpoint, parallel, preview
from instar.engine.inputs import Scorer, Source, Stream, Watcher
from instar.engine.memory import peak_memory
from instar.engine.steps import Steps


class Trainer(Steps):
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
        watcher: Watcher | None = None,
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
            watcher: of translations of held-out images.
            start: the checkpoint to go on from; later ones are set aside. The last one if None, or the beginning.
            attached: more files for each checkpoint, by name.
        """
        self.listeners = listeners or events.Listeners()
        super().__init__(fabric, method, config, run, source, self.listeners)
        self.place = _place(run)
        self.samples = samples.to(fabric.device)
        self.votes = parallel.Votes(fabric)
        self.live = checkpoint.Live(config, method, self.optimizers, self.averages, attached or {})
        self.start = start
        self.seconds = 0.0
        self.memory = 0
        """Most bytes that this run held before it was resumed."""
        self.scorer, self.watcher = scorer, watcher
        self.best: list[tuple[int, float]] = []
        """Steps and scores of the checkpoints kept for their scores, the best first."""

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
                self.watch()
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
            following = f"translate with: {call('translate', self.run)}"
            if not self.method.targets:
                following = f"score with: {call('evaluate', self.run)}"
            self.tell(events.note(f"done: step {self.step}, {self.seconds / 60:.1f} min; {following}"))
        else:
            self.tell(events.note(f"stopped at step {self.step}; go on with: {self.again}"))
        self.tell(events.Finished(self.step, reached, self.seconds))
        self.listeners.raise_error()
        return reached

    def check_there(self) -> None:
        """Stop where the run directory is gone, or is another one: nothing of what follows belongs there."""
        if self.fabric.is_global_zero and _place(self.run) != self.place:
            raise UserError(
                f"{self.run}: the run directory was moved or deleted while it was trained, at step {self.step}; "
                f"put it back and go on from its last checkpoint with: {self.again}"
            )

    def stops(self, stop: events.Stop) -> bool:
        """Return whether any process is to stop, because it was asked to or because a listener failed."""
        return self.votes.any(stop.is_set() or self.listeners.error is not None)

    def train_step(self, batch: Batch) -> None:
        """Do the next step; at the end of a phase keep a checkpoint of it."""
        if self.method.phase(self.at) != self.phase:
            self.settle()
            if self.phase:
                self.save()
        self.take(batch)

    def report(self, waited: float) -> None:
        """Tell what the step gave: numbers and a picture when they are due."""
        last = self.step == self.cfg.steps
        logged, shown = (last or self.step % every == 0 for every in (self.cfg.log_every, self.cfg.preview_every))
        if logged or shown:
            self.settle()
        self.tell(events.Stepped(self.step, waited))
        if logged:
            means, counts = self.meter.read(self.fabric), self.counts.read(self.fabric)
            if means:
                speed = self.step * self.cfg.batch / self.seconds if self.seconds else 0.0
                self.tell(events.Logged(self.step, {**means, **counts}, self.seconds, speed))
                for line in self.counts.watch(counts):
                    self.tell(events.warning(f"step {self.step}: {line}"))
        if shown:
            self.show()

    def show(self) -> None:
        """Write the sample picture of this step, of a method that translates."""
        if not (self.fabric.is_global_zero and self.method.targets):
            return
        with self.averages.in_place(), self.autocast():
            picture = preview.sheet(self.method, self.samples, self.cfg.seed)
        path = None
        try:
            rows = preview.labels(self.method, self.samples, self.config.data)
            path = preview.save(picture, self.run / "samples", self.step, self.cfg.preview_every, rows)
        except OSError as error:
            self.tell(events.warning(f"sample picture of step {self.step} could not be written ({error})"))
        self.tell(events.Pictured(self.step, path, picture))

    def watch(self) -> None:
        """Measure translations of held-out images when that is due, once the phase is there in which all ends."""
        every, end = self.cfg.watch_every, self.cfg.steps
        last = Progress(end - 1, end, self.source.epoch_length)
        due = every and (self.step % every == 0 or self.step == end) and self.phase == self.method.phase(last)
        if due:
            self.settle()
        if due and self.watcher and self.fabric.is_global_zero:
            try:
                with self.averages.in_place(), self.autocast():
                    values = self.watcher(self.method)
            except UserError as error:  # of images: the training has nothing to do with them
                self.tell(events.warning(f"step {self.step}: translations are not measured ({error.message.raw})"))
                return
            if values:
                self.tell(events.Watched(self.step, values))

    def score(self) -> bool:
        """Score the run on its validation images when that is due. Return whether it was."""
        every = self.cfg.score_every
        if not every or (self.step % every and self.step != self.cfg.steps):
            return False
        self.settle()
        if self.scorer and self.fabric.is_global_zero:
            try:
                with self.averages.in_place(), self.autocast(), seeded(self.cfg.seed, self.step):
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
        self.settle()
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
