"""The one thread that computes: requests wait in a bounded line, and those that go together are translated together."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instar.core.errors import UserError
from instar.core.raster import Picture
from instar.inference.base import BaseTranslator
from instar.inference.styles import as_array
from instar.serving.limits import Limits
from instar.serving.models import Models


class Full(Exception):  # noqa: N818  (a state of the line, not a fault)
    """No more requests can wait."""


class Broken(Exception):  # noqa: N818
    """A model cannot be loaded, which is no client's fault."""


@dataclass(eq=False)
class Job:
    """One image to be translated.

    Attributes:
        model: name.
        image: it.
        to: domain to translate into.
        size: short side at which the network works.
        seed: of noise or style.
        style: (S,), read or given.
        reference: an image whose style is to be taken.
        done: told the translation or the error, in the computing thread; once, and not if the job was given up.
    """

    model: str
    image: Picture
    to: str | None
    size: int | None
    seed: int
    style: NDArray[np.float32] | None
    reference: Picture | None
    done: Callable[[Picture | Exception], None]
    given_up: bool = False
    since: float = field(default_factory=time.monotonic)

    @property
    def kind(self) -> tuple[Any, ...]:
        """Jobs of the same kind go through the networks together."""
        styled = self.style is not None or self.reference is not None
        return self.model, self.to, self.size, self.seed, styled, self.image.size


class Worker:
    """Takes jobs, and translates them in its thread."""

    def __init__(self, models: Models, limits: Limits, observe: Callable[[str, int, float], None]) -> None:
        """Start nothing yet.

        Args:
            models: by name.
            limits: of the line and of batches.
            observe: told model, images and seconds of each batch.
        """
        self.models, self.limits, self._observe = models, limits, observe
        self._line: deque[Job] = deque()
        self._changed = threading.Condition()
        self._ending = False
        self._thread = threading.Thread(target=self._work, name="instar-serve", daemon=True)

    def start(self) -> None:
        """Begin to compute."""
        self._thread.start()

    def stop(self) -> None:
        """Do what is in the line, then end."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self._thread.join()

    def __len__(self) -> int:
        return len(self._line)

    def put(self, job: Job) -> None:
        """Take a job.

        Raises:
            Full: as many wait as may.
        """
        with self._changed:
            if len(self._line) >= self.limits.waiting:
                self._line = deque(one for one in self._line if not one.given_up)
            if self._ending or len(self._line) >= self.limits.waiting:
                raise Full
            self._line.append(job)
            self._changed.notify_all()

    def _work(self) -> None:
        while jobs := self._next():
            began = time.monotonic()
            try:
                made: list[Picture | Exception] = [*self._translated(jobs)]
            except Exception as error:  # told to whom it concerns; the thread goes on
                made = [error] * len(jobs)
            self._observe(jobs[0].model, len(jobs), time.monotonic() - began)
            for job, result in zip(jobs, made, strict=True):
                if not job.given_up:
                    job.done(result)

    def _next(self) -> list[Job]:
        """Wait for jobs of one kind and take them out of the line; nothing at the end."""
        with self._changed:
            while True:
                while self._line and self._line[0].given_up:
                    self._line.popleft()
                if not self._line:
                    if self._ending:
                        return []
                    self._changed.wait()
                    continue
                first = self._line[0]
                mates = [job for job in self._line if job.kind == first.kind and not job.given_up]
                left = first.since + self.limits.gather - time.monotonic()
                if len(mates) < self.limits.batch and left > 0 and not self._ending:
                    self._changed.wait(left)
                    continue
                taken = mates[: self.limits.batch]
                self._line = deque(job for job in self._line if job not in taken)
                return taken

    def _translated(self, jobs: list[Job]) -> list[Picture]:
        first = jobs[0]
        try:
            model = self.models.get(first.model)
        except UserError as error:
            raise Broken(str(error)) from error
        styles = None
        if first.style is not None or first.reference is not None:
            styles = np.stack([_style(model, job) for job in jobs])
        return model.translate(
            [job.image for job in jobs],
            first.to,
            size=first.size,
            seed=first.seed,
            style=styles,
            batch=self.limits.batch,
        )


def _style(model: BaseTranslator, job: Job) -> NDArray[np.float32]:
    """Return the style of a job.

    Raises:
        UserError: the model has no styles, or others.
    """
    if job.reference is not None:
        return as_array(model.style_of(job.reference, job.to)).astype(np.float32)
    assert job.style is not None
    if len(job.style) != model.style_size:
        raise UserError(f"style: {len(job.style)} numbers; a style of this model has {model.style_size}")
    return job.style
