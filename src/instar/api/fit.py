"""What trainings of some sizes and batches take on this machine, measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from os import PathLike
from typing import TYPE_CHECKING, Any

from instar.core.duration import spoken
from instar.core.errors import Message, UserError, setting
from instar.core.events import Listener, Worked, ignore

if TYPE_CHECKING:
    from instar.core.config import Device, RunConfig
    from instar.core.method import Method

GAIN = 1.1
"""Times as many images a second that a batch twice as large must bring for a still larger one to be measured."""
LARGEST_BATCH = 64
"""That is tried where none are asked for."""
FULL = 0.9
"""Share of the memory above which, by the growth so far, a training is not tried: a machine that swaps stands still."""
_PRECISIONS = {"32": "float32", "bf16": "bf16"}


@dataclass(frozen=True)
class Fitted:
    """A training of one size, batch and precision.

    Attributes:
        size: side of the training crops in pixels.
        batch: images per domain in a step.
        precision: 32 or bf16.
        seconds: of a step; None if it does not fit or cannot be trained.
        memory: bytes that the process has held, or the GPU's tensors; None as `seconds`, 0 where it cannot be told.
        why: it was not measured; None if it was.
    """

    size: int
    batch: int
    precision: str
    seconds: float | None = None
    memory: int | None = None
    why: Message | None = None

    @property
    def rate(self) -> float:
        """Images per domain and second; 0 if it was not measured."""
        return self.batch / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class FitResult:
    """What trainings take on a machine.

    Attributes:
        rows: what was measured, or why not, by size, precision and batch.
        notes: advice, a line each.
    """

    rows: list[Fitted]
    notes: list[Message]

    def lines(self) -> list[Message]:
        """Return a table and the advice, for people."""
        head = f"{'size':>6}  {'precision':<9}  {'batch':>5}  {'s/step':>8}  {'images/s':>8}  {'GB':>6}"
        return [Message(line) for line in (head, *map(_line, self.rows), *self.notes)]


def fit(  # noqa: PLR0913  (the flags of the command line)
    kind: str | PathLike[str] | type[Method[Any]],
    images: str | PathLike[str] | Sequence[str | PathLike[str]],
    /,
    *,
    sizes: Sequence[int] = (),
    batches: Sequence[int] = (),
    precisions: Sequence[str] = (),
    preset: str | None = None,
    source: str | None = None,
    target: str | None = None,
    steps: int | None = None,
    device: Device | None = None,
    channels: int | None = None,
    method: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    train: Mapping[str, Any] | None = None,
    on_event: Listener | None = None,
) -> FitResult:
    """Measure what a training takes on this machine: memory and seconds a step, by size, batch and precision.

        for line in instar.fit("cut", "photos", sizes=[128, 256]).lines():
            print(line)

    Each is measured in a process of its own, by a few steps of the real training, that of all its phases. Nothing is
    kept but decoded images, which a training then finds.

    Args:
        kind: as of `train`.
        images: as of `train`.
        sizes: sides of the training crops in pixels; that of the preset if empty.
        batches: images per domain in a step; if empty that of the preset, and twice as many as long as that gains.
        precisions: 32, bf16; if empty the first, and the second where the device computes in it.
        preset: as of `train`.
        source: as of `train`.
        target: as of `train`.
        steps: of the run whose time is told; those of the preset if None.
        device: as of `train`.
        channels: as of `train`.
        method: as of `train`.
        data: as of `train`.
        train: as of `train`.
        on_event: called with what is being measured (`Worked`).

    Raises:
        UserError: a setting or the images cannot be used.
    """
    from instar.api.settings import config_of

    given = {
        **{"source": source, "target": target, "steps": steps, "device": device, "channels": channels},
        **{"method": method, "data": data, "train": train},
    }
    config = config_of(kind, images, None, preset, given)
    return fit_config(config, sizes, batches, precisions, ignore if on_event is None else on_event)


def fit_config(
    config: RunConfig, sizes: Sequence[int], batches: Sequence[int], precisions: Sequence[str], on_event: Listener
) -> FitResult:
    """Do what `fit` does, for complete settings."""
    from instar.core.device import has_bf16, pick_device
    from instar.data import with_number_of_domains

    config = with_number_of_domains(config)
    device = pick_device(config.train.device)
    present = ["32"] if has_bf16(device) is False else ["32", "bf16"]
    rows: list[Fitted] = []
    for size in sizes or [config.data.size]:
        for precision in precisions or present:
            rows += _by_batch(config, size, precision, batches, _memory_of(device), on_event)
    if not any(row.seconds for row in rows):
        raise UserError(rows[0].why or "nothing was measured")
    return FitResult(rows, _advice(rows, config))


def _by_batch(
    config: RunConfig, size: int, precision: str, batches: Sequence[int], memory: int, on_event: Listener
) -> list[Fitted]:
    """Measure batches: those that are given, or from the preset's on, twice as many each time while that gains."""
    rows: list[Fitted] = []
    doubled = (config.train.batch * 2**power for power in count())
    for batch in batches or doubled:
        if not batches and rows and batch > LARGEST_BATCH:
            break
        needed = _expected(rows, batch)
        if needed > FULL * memory:
            why = Message(f"not tried: about {needed / 1e9:.0f} GB of {memory / 1e9:.0f}, by the growth so far")
            rows.append(Fitted(size, batch, precision, why=why))
            break
        on_event(Worked(f"measuring {size} px, batch {batch}, {_PRECISIONS.get(precision, precision)}", 0, 0))
        rows.append(_measured(config, size, batch, precision))
        if not rows[-1].seconds or (not batches and len(rows) > 1 and rows[-1].rate < GAIN * rows[-2].rate):
            break
    return rows


def _measured(config: RunConfig, size: int, batch: int, precision: str) -> Fitted:
    from instar.api.settings import changed
    from instar.api.trial import TooLargeError, measured

    data = changed(config.data, {"size": size}, "data")
    train = changed(config.train, {"batch": batch, "precision": precision}, "train")
    try:
        cost = measured(replace(config, data=data, train=train))
    except TooLargeError:
        return Fitted(size, batch, precision, why=Message("does not fit into memory"))
    except UserError as error:
        return Fitted(size, batch, precision, why=error.message)
    return Fitted(size, batch, precision, cost.step, cost.memory)


def _expected(rows: Sequence[Fitted], batch: int) -> float:
    """Return the bytes of a batch by the growth from batch to batch; 0 as long as that is not known."""
    seen = [(row.batch, row.memory) for row in rows if row.memory]
    if len(seen) < 2:
        return 0.0
    (before, less), (last, more) = seen[-2:]
    return more + (more - less) * (batch - last) / (last - before) if last != before else 0.0


def _memory_of(device: str) -> int:
    if device == "cuda":
        import torch

        return torch.cuda.get_device_properties(0).total_memory
    from instar.core.memory import memory

    return memory()


def _advice(rows: Sequence[Fitted], config: RunConfig) -> list[Message]:
    """Return what follows for the run: how long it takes, what is fastest, what fits."""
    steps, lines = config.train.steps, []
    for size in dict.fromkeys(row.size for row in rows):
        there = [row for row in rows if row.size == size and row.seconds]
        if not there:
            continue
        first = there[0]
        lines.append(
            f"{size} px: {steps:,} steps with {setting('train.batch', first.batch)} take "
            f"{_run(first, steps)}{_faster(first, there, steps)}"
        )
        best = max(there, key=lambda row: row.rate)
        if best.rate > GAIN * first.rate:
            given = f"{setting('train.batch', best.batch)} {setting('train.precision', best.precision)}"
            lines.append(
                f"{size} px: most images a second with {given}: {best.rate:.3g}, {best.rate / first.rate:.1f} times "
                f"as many as with {setting('train.batch', first.batch)} {setting('train.precision', first.precision)}"
            )
        largest = max(there, key=lambda row: row.batch)
        memory = f", {largest.memory / 1e9:.1f} GB" if largest.memory else ""
        lines.append(
            f"{size} px: the largest that was measured and fits: {setting('train.batch', largest.batch)}{memory}"
        )
    return [Message(line) for line in lines]


def _run(row: Fitted, steps: int) -> str:
    assert row.seconds is not None
    return f"{spoken(steps * row.seconds)} in {_PRECISIONS.get(row.precision, row.precision)}"


def _faster(first: Fitted, rows: Sequence[Fitted], steps: int) -> str:
    """Say what the same steps take in the other precision, if that was measured."""
    other = next((row for row in rows if row.batch == first.batch and row.precision != first.precision), None)
    if other is None or first.seconds is None or other.seconds is None:
        return ""
    share = other.seconds / first.seconds
    return f", {_run(other, steps)} ({share:.2f} of the time, {setting('train.precision', other.precision)})"


def _line(row: Fitted) -> str:
    head = f"{row.size:>6}  {_PRECISIONS.get(row.precision, row.precision):<9}  {row.batch:>5}"
    if row.seconds is None:
        return f"{head}  {row.why.raw if row.why else ''}"
    memory = f"{row.memory / 1e9:6.2f}" if row.memory else f"{'':>6}"
    return f"{head}  {row.seconds:8.3f}  {row.rate:8.3g}  {memory}"
