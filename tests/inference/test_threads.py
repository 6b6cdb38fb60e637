"""One model for many threads: what one of them asks for does not depend on what the others ask for."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from methods.parts import CLASSIFIERS
from PIL import Image
from torch import Tensor

import instar
from instar.core.abilities import Styled
from instar.inference.translator import Translator

Runs = Callable[..., Path]
THREADS, CALLS = 6, 24


def asked(model: Translator, number: int) -> Tensor:
    """The translation of one of three tensors with a seed of its own; where there are styles, drawn ones as well."""
    x = torch.rand(model.channels, 32, 32, generator=torch.Generator().manual_seed(number % 3)) * 2 - 1
    to = model.targets[number % len(model.targets)]
    made = [model.translate(x, to, seed=number).flatten()]
    if isinstance(model.method, Styled):
        made.append(model.styles(2, seed=number).flatten())
    return torch.cat(made)


@pytest.mark.parametrize("name", [name for name in instar.names() if name not in CLASSIFIERS])
def test_threads_get_what_single_calls_get(name: str, run_directory: Runs) -> None:
    model = instar.load(run_directory(name), "cpu")
    alone = [asked(model, number) for number in range(CALLS)]
    state = torch.get_rng_state()
    with ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(lambda number: asked(model, number), range(CALLS)))
    assert torch.equal(torch.get_rng_state(), state)
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["pix2pix", "munit", "bicyclegan", "tunit"])
def test_seeds_are_told_apart(name: str, run_directory: Runs) -> None:
    """Else the test above could not fail."""
    model = instar.load(run_directory(name), "cpu")
    made = [asked(model, number) for number in (0, 3, 6)]  # of the same tensor
    assert min((one - other).abs().max() for one, other in itertools.pairwise(made)) > 1e-2


def test_a_caller_who_draws_meanwhile_is_not_disturbed(run_directory: Runs) -> None:
    model = instar.load(run_directory("pix2pix"), "cpu")
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    drawn = []
    for seed in range(3):
        model.translate(Image.new("RGB", (32, 32)), seed=seed)
        drawn.append(torch.rand(1))
    assert torch.equal(torch.cat(drawn), expected)
