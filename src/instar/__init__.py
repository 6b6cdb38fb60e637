"""Instar: train, judge and use image-to-image translation models on your own images.

    result = instar.train("cut", "photos", out="runs/first", preset="small")
    model = instar.load("runs/first")

What is named here is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from instar.api.advise import DataAdvice as DataAdvice
    from instar.api.advise import advise as advise
    from instar.api.benchmark import benchmark as benchmark
    from instar.api.check import check as check
    from instar.api.compare import compare as compare
    from instar.api.evaluate import evaluate as evaluate
    from instar.api.evaluate import evaluate_folders as evaluate_folders
    from instar.api.evaluate import register_metric as register_metric
    from instar.api.export import export as export
    from instar.api.fit import FitResult as FitResult
    from instar.api.fit import fit as fit
    from instar.api.import_ import ImportResult as ImportResult
    from instar.api.import_ import import_checkpoint as import_checkpoint
    from instar.api.inspect import inspect as inspect
    from instar.api.load import load as load
    from instar.api.push import PushResult as PushResult
    from instar.api.push import push as push
    from instar.api.serve import serve as serve
    from instar.api.study import score_study as score_study
    from instar.api.study import study as study
    from instar.api.train import TrainResult as TrainResult
    from instar.api.train import resume as resume
    from instar.api.train import train as train
    from instar.api.translate import styles as styles
    from instar.api.translate import translate as translate
    from instar.api.view import view as view
    from instar.core.errors import UserError as UserError
    from instar.core.registry import get as get
    from instar.core.registry import names as names
    from instar.core.registry import register as register

    __version__: str

_HOMES = {
    "DataAdvice": "instar.api.advise",
    "advise": "instar.api.advise",
    "benchmark": "instar.api.benchmark",
    "check": "instar.api.check",
    "compare": "instar.api.compare",
    "evaluate": "instar.api.evaluate",
    "evaluate_folders": "instar.api.evaluate",
    "register_metric": "instar.api.evaluate",
    "export": "instar.api.export",
    "FitResult": "instar.api.fit",
    "fit": "instar.api.fit",
    "ImportResult": "instar.api.import_",
    "import_checkpoint": "instar.api.import_",
    "inspect": "instar.api.inspect",
    "load": "instar.api.load",
    "PushResult": "instar.api.push",
    "push": "instar.api.push",
    "score_study": "instar.api.study",
    "serve": "instar.api.serve",
    "study": "instar.api.study",
    "TrainResult": "instar.api.train",
    "resume": "instar.api.train",
    "train": "instar.api.train",
    "styles": "instar.api.translate",
    "translate": "instar.api.translate",
    "view": "instar.api.view",
    "UserError": "instar.core.errors",
    "get": "instar.core.registry",
    "names": "instar.core.registry",
    "register": "instar.core.registry",
}
"""Public names, and the modules that they are taken from."""

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("instar")
    elif name in __all__:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'instar' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
