"""Checks of losses and of the docstring that lists them."""

from __future__ import annotations

import inspect
import math
import re
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from instar.core.method import Method
from instar.core.objective import term
from instar.core.progress import Progress
from instar.losses import perceptual
from instar.testing.case import Case


def documented_terms_are_those_of_the_log(case: Case) -> None:
    """The block Terms of the class's docstring lists what is logged by "tiny" and all variants, and nothing else."""
    documented = re.findall(r"^    (\w+/\w+): \S", _block(case.kind, "Terms"), re.MULTILINE)
    assert len(documented) == len(set(documented))
    logged = _logged(case)
    with patch.object(perceptual, "_load", _random_features):
        for variant, changes in case.kind.variants.items():
            found = _logged(replace(case, options=changes))
            assert found - logged, f"the variant {variant!r} has no terms that others do not have"
            logged |= found
    assert set(documented) == logged


def docs(case: Case) -> None:
    """The docstring says what differs from the paper, which has an address, or without a paper names the parts."""
    if case.kind.paper:
        assert _block(case.kind, "Differs from the paper").strip()
        assert case.kind.paper.url.startswith("https://")
    else:
        assert "https://" in _block(case.kind, "Parts")
    assert case.kind.objectives.__doc__
    assert case.kind.translate.__doc__


def total_is_the_weighted_sum(case: Case) -> None:
    """A loss is the sum of its weighted terms, and can be minimised."""
    for objective in case.objectives():
        expected = sum(t.weight * t.value.item() for t in objective.loss.terms)
        assert math.isclose(objective.loss.total().item(), expected, rel_tol=1e-5, abs_tol=1e-12), objective.name
        assert objective.loss.total().requires_grad, objective.name


def a_term_of_weight_0_takes_no_part(case: Case) -> None:
    """Not even if it is not finite."""
    for objective in case.objectives():
        broken = objective.loss + 0.0 * term("broken", torch.tensor(torch.nan))
        assert torch.equal(broken.total(), objective.loss.total()), objective.name


def terms_are_finite_scalars_in_full_precision(case: Case) -> None:
    """Under bf16 autocast too: averaged or divided by a temperature in bf16, a loss would be noise."""
    with torch.autocast("cpu", torch.bfloat16):
        for objective in case.method.objectives(case.batch, Progress(0, case.config.train.steps)):
            for t in objective.loss.terms:
                assert t.value.dtype == torch.float32, f"{objective.name}/{t.name}"
                assert t.value.isfinite(), f"{objective.name}/{t.name}"


def _logged(case: Case) -> set[str]:
    return {f"{objective.name}/{t.name}" for objective in case.objectives() for t in objective.loss.terms}


def _random_features(layer: perceptual.Layer, instead: str) -> nn.Module:
    """Return a network of random kernels: names of terms do not depend on weights that must be fetched."""
    return nn.Conv2d(3, 4, 3).requires_grad_(False)


def _block(kind: type[Method[Any]], title: str) -> str:
    """Return the indented lines under a title of the class's docstring."""
    found = re.search(rf"^{title}:\n((?:    .+\n|\n)+)", f"{inspect.getdoc(kind)}\n", re.MULTILINE)
    assert found, f"{kind.__name__} has no block {title!r}"
    return found.group(1)
