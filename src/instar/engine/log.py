"""What a run writes about itself: metrics.jsonl, TensorBoard events, run.log. None of it can stop the run."""

from __future__ import annotations

import json
import logging
import platform
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from instar.core.objective import Objective

logger = logging.getLogger("instar")


class Meter:
    """Means of the terms since the last reading, kept on the device until they are read."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, objective: Objective, norm: Tensor) -> None:
        """Take in every term, the total, and the gradient norm of a minimised objective."""
        values = {term.name: term.value for term in objective.loss.terms}
        for name, value in {**values, "total": objective.loss.total(), "grad_norm": norm}.items():
            key = f"{objective.name}/{name}"
            detached = value.detach().float()
            self.sums[key] = self.sums[key] + detached if key in self.sums else detached
            self.counts[key] = self.counts.get(key, 0) + 1

    def read(self) -> dict[str, float]:
        """Return the means and start anew."""
        means = {key: float(total) / self.counts[key] for key, total in self.sums.items()}
        self.sums, self.counts = {}, {}
        return means

    def state(self) -> dict[str, tuple[float, int]]:
        """Return sums and counts for a checkpoint."""
        return {key: (float(total), self.counts[key]) for key, total in self.sums.items()}

    def load(self, state: dict[str, tuple[float, int]], device: torch.device) -> None:
        """Put back what `state` returned."""
        self.sums = {key: torch.tensor(total, device=device) for key, (total, _) in state.items()}
        self.counts = {key: count for key, (_, count) in state.items()}


class Writers:
    """Writes numbers and pictures. A writer that fails is named once and left out from then on."""

    def __init__(self, run: Path, step: int) -> None:
        """Go on after `step`: what an interrupted run wrote beyond it is cut off."""
        self.metrics = run / "metrics.jsonl"
        self._failed: set[str] = set()
        self._board: Any = None
        self._try("metrics.jsonl", lambda: _cut(self.metrics, step))
        self._try("TensorBoard", lambda: self._open_board(run / "tensorboard", step))

    def numbers(self, row: Mapping[str, float | list[int]]) -> None:
        """Append a row with a "step" to metrics.jsonl and TensorBoard, where counts are shares of their sum."""
        self._try("metrics.jsonl", lambda: _append(self.metrics, row))
        if self._board is not None:
            self._try("TensorBoard", lambda: self._add_scalars(row))

    def picture(self, image: Tensor, step: int) -> None:
        """Add an image (3, H, W) in [0, 1] to TensorBoard."""
        if self._board is not None:
            self._try("TensorBoard", lambda: self._board.add_image("samples", image, step))

    def close(self) -> None:
        """Flush what is open."""
        if self._board is not None:
            self._try("TensorBoard", self._board.close)

    def _open_board(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415  (seconds of import)

        self._board = SummaryWriter(str(folder), purge_step=step + 1)

    def _add_scalars(self, row: Mapping[str, float | list[int]]) -> None:
        values = dict(row)
        step = values.pop("step")
        for key, value in values.items():
            parts = {key: value}
            if isinstance(value, list):
                parts = {f"{key}/{i}": count / max(1, sum(value)) for i, count in enumerate(value)}
            for name, number in parts.items():
                self._board.add_scalar(name, number, step)

    def _try(self, name: str, write: Callable[[], object]) -> None:
        if name in self._failed:
            return
        try:
            write()
        except Exception as error:  # whatever it is, training is worth more than its log
            self._failed.add(name)
            logger.warning("%s cannot be written any more (%s); training goes on", name, error)


def open_run_log(run: Path) -> logging.Handler:
    """Send what Instar says to run.log too, and return the handler to remove at the end."""
    try:
        handler: logging.Handler = logging.FileHandler(run / "run.log", encoding="utf-8")
    except OSError as error:
        warnings.warn(f"run.log cannot be written ({error}); training goes on", RuntimeWarning, stacklevel=2)
        handler = logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    return handler


def describe(device: torch.device, precision: str, processes: int, seed: int) -> str:
    """Return one line with what a repetition of the run would need to know."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    libraries = ", ".join(f"{lib} {version(lib)}" for lib in ("instar", "torch", "torchvision", "lightning-fabric"))
    return (
        f"{libraries}, Python {platform.python_version()}, {platform.system()}; {device.type} ({name}), "
        f"{processes} process(es), {torch.get_num_threads()} threads, precision {precision}, seed {seed}"
    )


def _append(path: Path, row: Mapping[str, float | list[int]]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def _cut(path: Path, step: int) -> None:
    """Drop the rows after `step`, and a last line that a kill left unfinished."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if row["step"] <= step:
            kept.append(line + "\n")
    path.write_text("".join(kept), encoding="utf-8")
