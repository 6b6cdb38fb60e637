"""Many threads at once get what each gets alone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import torch
from engine.processes import draw, numbers, state
from torch import Tensor

import instar
from hostile.figures import Found
from hostile.sampling import chance, sample, times
from instar.core.abilities import Styled
from instar.inference.translator import Translator

Campaign = Callable[[str], AbstractContextManager[Found]]
Runs = Callable[..., Path]
THREADS = 6
SIDES = (32, 40, 64)


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """For each computation: the sums are then those of a lone call, bit for bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def called(model: Translator, number: int) -> Tensor:
    """One of many calls, a function of its number: sizes, batches, tiles, domains, styles and seeds differ."""
    drawn = chance("call", number)
    side, count = drawn.choice(SIDES), drawn.choice([1, 1, 3])
    x = torch.rand(count, model.channels, side, side, generator=torch.Generator().manual_seed(number % 7)) * 2 - 1
    to = drawn.choice(list(model.targets))
    given: dict[str, Any] = {"seed": drawn.randrange(5)}
    if isinstance(model.method, Styled) and drawn.random() < 0.5:
        return model.styles(2, seed=drawn.randrange(5)).flatten()
    return model.translate(x, to, **given).flatten()


def test_one_model(run_directory: Runs, campaign: Campaign) -> None:
    with campaign("threads: one model") as found:
        for name in sample(found.title, instar.names(), 4):
            model = instar.load(run_directory(name), "cpu")
            asked = [chance(name, number).randrange(40) for number in times(40)[:400]]
            alone = {number: called(model, number) for number in set(asked)}
            with ThreadPoolExecutor(THREADS) as pool:
                together = list(pool.map(lambda number, model=model: called(model, number), asked))
            for number, made in zip(asked, together, strict=True):
                found.case(name)
                if not torch.equal(made, alone[number]):
                    most = (made - alone[number]).abs().max()
                    found.add("unequal", f"{name}, call {number}: up to {most:.2g}")


def test_several_trainings(tmp_path: Path, campaign: Campaign) -> None:
    data = draw(tmp_path / "data", 8, 4)
    often = {"save_every": 2, "log_every": 1, "preview_every": 2, "keep": 0}

    def train(place: str, name: str) -> Path:
        out = tmp_path / place / name
        instar.train(name, data, out=out, preset="tiny", steps=3, device="cpu", seed=1, train=often)
        return out

    with campaign("threads: trainings") as found:
        for number in times(1)[:6]:
            names = chance(found.title, number).sample(["pix2pix", "cyclegan", "cut", "munit", "unit", "gcgan"], 3)
            with ThreadPoolExecutor(len(names)) as pool:
                together = list(pool.map(lambda name, number=number: train(f"together-{number}", name), names))
            for name, run in zip(names, together, strict=True):
                alone = train(f"alone-{number}", name)
                found.case(name)
                if state(run) != state(alone) or numbers(run) != numbers(alone):
                    found.add("unequal", name)
