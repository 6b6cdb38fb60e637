"""Parts of any work, handed out by Ray Data to actors on all machines of a cluster."""

from __future__ import annotations

import importlib
import logging
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from instar.core import registry
from instar.core.errors import UserError, setting

Part = TypeVar("Part")
Done = TypeVar("Done")


def spread(
    ray: Any, work: Callable[[Part], Done], parts: Sequence[Part], *, device: str, method: str | None = None
) -> Iterator[tuple[int, Done]]:
    """Yield the number of each part with what was made of it, in any order.

    An actor that dies is begun anew, and its part again.

    Args:
        ray: the library, connected (`instar.cluster.connect`).
        work: makes something of a part. Each actor has one of its own, which was pickled here.
        parts: of the work.
        device: where it computes: auto, cpu, cuda or mps. On GPUs there is one actor for each, else for each CPU.
        method: whose code the work needs, by its name.

    Raises:
        UserError: one that the work raises; a machine lacks something; or the method is of this process alone.
    """
    if method and not registry.portable(method):
        raise UserError(f"{setting('ray')}: other machines cannot import {registry.code(method)}")
    data = importlib.import_module("ray.data")
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    there = ray.cluster_resources()
    gpus = int(there.get("GPU", 0)) if device in ("auto", "cuda") else 0
    actors = data.ActorPoolStrategy(min_size=1, max_size=max(1, gpus or int(there.get("CPU", 1))))
    items = [{"number": number, "part": pickle.dumps(part)} for number, part in enumerate(parts)]
    given = [ray.put(ray.cloudpickle.dumps(work)), registry.code(method) if method else None, Path.cwd()]
    rows = data.from_items(items, override_num_blocks=len(items))
    made = rows.map(_Actor, fn_constructor_args=given, compute=actors, num_cpus=1, num_gpus=1 if gpus else 0)
    try:
        for row in made.iter_rows():
            if row["wrong"]:
                raise UserError(row["wrong"])
            yield row["number"], pickle.loads(row["done"])
    except ray.exceptions.RayError as error:
        raise UserError(f"{setting('ray')}: {(str(error).strip() or type(error).__name__).splitlines()[-1]}") from error


class _Actor:
    """Does parts. It lives in a process of its own, which may be killed at any time."""

    def __init__(self, work: Any, code: str | None, cwd: Path) -> None:
        """Take over a reference to pickled work, where a method is registered from, and to what paths are relative."""
        self._given, self._code, self._cwd = work, code, cwd

    @cached_property
    def _work(self) -> Callable[[Any], Any]:
        import ray  # noqa: PLC0415  (an extra)

        if self._code and self._code not in map(registry.code, registry.names()):
            registry.restore(self._code)
        work: Callable[[Any], Any] = pickle.loads(ray.get(self._given))
        return work

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Do a part. What is wrong is told in words: of an error Ray keeps the traceback."""
        told = {"number": row["number"], "wrong": "", "done": b""}
        try:
            os.chdir(self._cwd)
            return {**told, "done": pickle.dumps(self._work(pickle.loads(row["part"])))}
        except OSError as error:
            return {**told, "wrong": f"{error.filename}: not there on a machine of the cluster ({error.strerror})"}
        except UserError as error:
            return {**told, "wrong": error.message.raw}
