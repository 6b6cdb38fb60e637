"""A step never waits for a device: see device.py beside this."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.device import META, Waits, pretend, steps_on_meta, waits_of
from instar.core import registry
from instar.core.device import constant, moved
from instar.testing.runs import tiny

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "cut, external negatives": ("cut", {"negatives": "both", "bank": 64}),
    "cut, mirrored": ("cut", {"nce_y": 0.0, "flip": True}),
    "tunit, separate": ("tunit", {"mode": "separate"}),
    "tunit, semi": ("tunit", {"mode": "semi", "domains": 2}),
    "unit-adaptation, gray": ("unit-adaptation", {"gray": "paint"}),
    "gcgan, one map": ("gcgan", {"mix": "random"}),
    "pix2pix, augmented": ("pix2pix", {"augment": True}),
    "distancegan, halves": ("distancegan", {"between": "top-bottom"}),
    "transgaga, concatenated": ("transgaga", {"shared": True, "inject": "concat"}),
}
"""Options that bring code of their own into a step."""
CASES = {**{name: (name, {}) for name in registry.names()}, **VARIANTS}


@pytest.fixture(autouse=True)
def device(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch.setattr)


@pytest.mark.parametrize("case", CASES)
def test_no_step_waits(case: str) -> None:
    name, options = CASES[case]
    assert waits_of(steps_on_meta(tiny(name, {"batch": 2, "steps": 20}, **options))) == []


def test_light_networks_do_not_wait_either() -> None:
    for name in registry.names():
        if options := registry.get(name).variants.get("light"):
            assert waits_of(steps_on_meta(tiny(name, {"batch": 2, "steps": 20}, **options))) == [], name


def test_a_clipped_and_accumulated_step_does_not_wait() -> None:
    config = tiny("cyclegan", {"batch": 2, "accumulate": 2, "clip": 1.0, "steps": 20})
    assert waits_of(steps_on_meta(config)) == []


WAITING: dict[str, Callable[[Tensor], object]] = {
    "a number is read": lambda x: x.sum().item(),
    "a condition": lambda x: bool(x.sum() > 0),
    "a list": lambda x: x.tolist(),
    "places": lambda x: x.nonzero(),
    "a mask": lambda x: x[x > 0],
    "from the CPU": lambda x: torch.rand(3).to(x.device),
    "from the CPU in place": lambda x: x.copy_(torch.rand(4)),
    "of numbers": lambda x: x.new_tensor([1.0, 2.0]),
    "by places on the CPU": lambda x: x[torch.tensor([0, 1])],
}


@pytest.mark.parametrize("case", WAITING)
def test_what_waits_is_seen(case: str) -> None:
    """Either it is noted, or the device, which has no numbers, raises."""
    x, waits = torch.rand(4).to(META), Waits()
    raised = False
    try:
        with waits:
            WAITING[case](x)
    except RuntimeError:
        raised = True
    assert raised or waits.found


def test_what_does_not_wait_is_let_pass() -> None:
    x = torch.rand(4).to(META)
    with Waits() as waits:
        moved(torch.rand(3), META)
        x[moved(torch.tensor([0, 1]), META)] = 0.0
        constant([1.0, 2.0], x)
        torch.where(x > 0, x, 0.0)
        x[0].fill_(1.0)
    assert waits.found == []


def test_moving_keeps_numbers_and_type() -> None:
    x = torch.rand(3, dtype=torch.float64)
    assert torch.equal(moved(x, torch.device("cpu")), x)
    assert torch.equal(constant((0.1, 0.2), x), x.new_tensor((0.1, 0.2)))
