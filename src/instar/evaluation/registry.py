"""Scores of the user's own beside those of Instar: in `evaluate`, `compare`, `benchmark` and their JSON.

A package registers them as entry points of the group `instar.metrics`, each a class without arguments or an object; a
script or notebook calls `register_metric`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from torch import Tensor

from instar.core.errors import UserError, nearest
from instar.evaluation.score import Better, Score

GROUP = "instar.metrics"

Need = Literal["inputs", "truth", "reference"]


@runtime_checkable
class Metric(Protocol):
    """A score of translations. It is left out where what it needs is not there."""

    name: str
    """Of the score, as tables and JSON show it."""
    better: Better
    """lower, higher, or nothing where neither is good in itself."""
    needs: Collection[Need]
    """Arguments, given by these names, beside the translations: `inputs` of the translations; `truth`, the true
    translation of each input, of paired test images; `reference`, real images of the target domain."""
    per_image: bool
    """True: called batch by batch, it returns a number for each translation, of which the mean and its 95 % interval
    are shown. False: called once with all translations."""

    def __call__(self, translations: Tensor, /, *args: Any, **needs: Any) -> Tensor | float | Score | Sequence[Score]:
        """Score images.

        Args:
            translations: (N, 3, H, W) float32 in [-1, 1] on the CPU, rounded to 8 bits as their files would be; gray
                images have three equal channels.
            *args: none.
            **needs: what `needs` names, tensors alike: `inputs` and `truth` (N, 3, H, W), `reference` (M, 3, H, W).

        Returns:
            If `per_image`, a tensor (N,). Else a number, or scores that bring their names and intervals themselves.
        """


_registered: dict[str, Metric] = {}


def register_metric(metric: Metric) -> None:
    """Show a score of your own from now on, in this process; one of the same name is replaced.

    Raises:
        UserError: it lacks something that a `Metric` has.
    """
    _check(metric, "this metric")
    _registered[metric.name] = metric


def metrics() -> list[Metric]:
    """Return the metrics of installed packages, then the registered ones.

    Raises:
        UserError: a package's metric cannot be loaded, or two have the same name.
    """
    found: dict[str, Metric] = {}
    for metric in [*map(_loaded, entry_points(group=GROUP)), *_registered.values()]:
        if metric.name in found:
            raise UserError(f"there are two metrics {metric.name!r}; give one of them another name")
        found[metric.name] = metric
    return list(found.values())


@cache
def _loaded(entry: EntryPoint) -> Metric:
    where = f"the metric {entry.name!r} of the package {entry.dist.name if entry.dist else entry.value}"
    try:
        found = entry.load()
        metric: Metric = found() if isinstance(found, type) else found
    except Exception as error:  # of whatever kind: it is code from elsewhere
        raise UserError(f"{where} cannot be loaded ({type(error).__name__}: {error})") from error
    _check(metric, where)
    return metric


def _check(metric: Metric, where: str) -> None:
    if not callable(metric) or isinstance(metric, type) or not isinstance(metric, Metric):
        raise UserError(f"{where} must be a callable object with name, better, needs and per_image, not {metric!r}")
    for need in metric.needs:
        if need not in get_args(Need):
            raise UserError(f"{where} needs {need!r}{nearest(str(need), get_args(Need))}")
    if metric.better not in get_args(Better):
        raise UserError(f"{where}: better must be lower, higher or '', not {metric.better!r}")
