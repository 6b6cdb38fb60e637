"""Tiles with approximate statistics: every method, how far it is off, and that this is what is said."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import instar
from instar.core.errors import UserError
from instar.core.events import Event, Noted, Worked
from instar.inference.tiles import approximate
from instar.inference.tiles.sizes import TILES
from instar.inference.translator import Translator

from .test_tiled_methods import CANNOT, ONE_SIZE, OPTIONS, lively, picture

Runs = Callable[..., Path]
SIZES = r"in tiles of \d+ px, with (\d+) px around each, statistics of the image made (\d+) times smaller"
DIFFERENCE = (
    r"approximate statistics: on (\d+) x (\d+) px from (\d+), (\d+) the result differs from that of exact ones by "
    r"([\d.]+) of 255 grey levels on average, ([\d.]+) at most"
)
TILED = [(name, options) for name, options in OPTIONS if name not in ONE_SIZE]


def approximated(model: Translator, x: Tensor, to: str | None = None) -> tuple[Tensor, list[str]]:
    heard: list[Event] = []
    out = model.translate(x, to, seed=3, tile=64, tile_statistics="approximate", on_event=heard.append)
    worked = [event for event in heard if isinstance(event, Worked)]
    assert [event.done for event in worked] == list(range(len(worked)))
    assert {(event.what, event.total) for event in worked} == {(TILES, len(worked) - 1)}
    return out, [str(event.text) for event in heard if isinstance(event, Noted)]


@pytest.mark.parametrize(("name", "options"), TILED, ids=str)
def test_with_the_statistics_of_the_image_itself_tiles_equal_the_whole(
    name: str, options: dict[str, Any], run_directory: Runs
) -> None:
    """A small image need not be made smaller, and all else is exact: halos, borders, noise."""
    model = lively(run_directory(name, **options))
    x = picture()[: model.channels]
    for to in model.targets:
        whole = model.translate(x, to, seed=3)
        out, (plan, difference) = approximated(model, x, to)
        # U-GAT-IT corrects deviations by the number of pixels that it sees, and of these tiles are few.
        assert 127.5 * (out - whole).abs().max() < (0.25 if name == "ugatit" else 0.1)
        assert re.search(SIZES, plan)
        assert "made 1 times smaller" in plan
        assert "takes no statistics" in difference or "by 0.00 of 255 grey levels on average" in difference


@pytest.mark.parametrize(("name", "options"), TILED, ids=str)
def test_the_difference_is_what_it_is_said_to_be(
    name: str, options: dict[str, Any], run_directory: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image is small enough to be compared as a whole."""
    monkeypatch.setattr(approximate, "SMALLER", 6000)
    monkeypatch.setattr(approximate, "FEWEST", 1000)
    model = lively(run_directory(name, **options))
    step = model.method.size_divisor
    x = picture()[: model.channels, : 101 // step * step, : 150 // step * step]
    exact = model.translate(x, seed=3, tile=64)
    out, (plan, difference) = approximated(model, x)
    levels = 127.5 * (out - exact).abs()
    if "takes no statistics" in difference:
        assert levels.max() < 0.1
        return
    assert "made 2 times smaller" in plan
    found = re.search(DIFFERENCE, difference)
    assert found, difference
    assert tuple(map(int, found.groups()[:4])) == (x.shape[2], x.shape[1], 0, 0)
    assert float(found[5]) == pytest.approx(float(levels.mean()), abs=0.02)
    assert float(found[6]) == pytest.approx(float(levels.max()), abs=0.2)
    assert levels.max() > 0.5, "the test shows nothing"


def test_a_network_without_statistics_is_exact(run_directory: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "SMALLER", 1000)
    monkeypatch.setattr(approximate, "FEWEST", 1000)
    model = lively(run_directory("pix2pix", norm="running", test_noise=False))
    out, (_, difference) = approximated(model, picture())
    assert difference == "150 x 101 px: tiles are exact: this network takes no statistics of the image"
    assert 127.5 * (out - model.translate(picture())).abs().max() < 0.1


def test_of_a_large_image_the_liveliest_part_is_compared(run_directory: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "SMALLER", 6000)
    monkeypatch.setattr(approximate, "COMPARED", 32 * 32)
    monkeypatch.setattr(approximate, "FEWEST", 1000)
    model = lively(run_directory("cyclegan"))
    x = torch.zeros(3, 128, 160)
    x[:, 70:90, 100:120] = picture()[:, :20, :20]
    _, (_, difference) = approximated(model, x)
    assert "on 32 x 32 px from 96, 64 " in difference


@pytest.mark.parametrize("name", CANNOT)
def test_a_method_that_cannot_says_so(name: str, run_directory: Runs) -> None:
    model = instar.load(run_directory(name), "cpu")
    with pytest.raises(UserError) as error:
        model.translate(picture(), tile=64, tile_statistics="approximate")
    assert CANNOT[name] in str(error.value)


def test_any_size(run_directory: Runs) -> None:
    model = instar.load(run_directory("pix2pix"), "cpu")
    for height, width in [(65, 64), (71, 97), (64, 200), (300, 17)]:
        x = torch.rand(3, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1
        out, _ = approximated(model, x)
        assert 127.5 * (out - model.translate(x, seed=3)).abs().max() < 0.1, (height, width)


def test_what_is_no_choice_of_statistics(run_directory: Runs) -> None:
    model = instar.load(run_directory(), "cpu")
    with pytest.raises(UserError, match=r"^tile_statistics=near: give exact or approximate$"):
        model.translate(picture(), tile=64, tile_statistics="near")  # type: ignore[call-overload]
    with pytest.raises(UserError, match=r"^tile_statistics=approximate: goes with tile=auto or a number of pixels$"):
        model.translate(picture(), tile_statistics="approximate")
