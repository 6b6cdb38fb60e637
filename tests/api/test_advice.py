"""Advice while a run trains: it is right, it is said once, and it changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engine.heard import Heard
from evaluation.parts import data_set

import instar
from instar.api.advice import EARLY, PATIENCE, SCORES, SETTLED, SPOTTED, SWAPPED, Advice
from instar.core import registry
from instar.core.config import RunConfig
from instar.core.errors import UserError
from instar.core.events import Noted, Scored, Watched
from instar.core.method import defaults, outline
from instar.core.settings import with_changes
from instar.evaluation.appearance import SPOTS
from instar.evaluation.between import CHANGE, COLOURS, LOCAL, LUMINANCE
from instar.evaluation.verdict import UNCHANGED, UNCHANGED_AT
from instar.evaluation.watching import CONTRAST

FINE = {CHANGE: 30.0, LOCAL: 90.0, LUMINANCE: 0.8, COLOURS: 0.3, CONTRAST: 1.0, SPOTS: 0.0}
COPY = {**FINE, CHANGE: 1.0, LOCAL: 5.0}
METHODS = registry.names()


def config(method: str = "quick", preset: str = "small", **changes: Any) -> RunConfig:
    found = defaults(method, registry.get(method), preset)
    return replace(found, method=with_changes(found.method, changes), train=replace(found.train, steps=1000))


def told(run: RunConfig, *events: Watched | Scored) -> list[str]:
    heard = Heard()
    advice = Advice(run, outline(registry.get(run.name), run.method), {"a": "cat", "b": "dog"}, heard)
    for event in events:
        advice(event)
    return [str(event.text) for event in heard.of(Noted)]


def lasting(values: dict[str, float], first: int = 100) -> list[Watched]:
    return [Watched(step, {"b": values}) for step in range(first, 1001, 100)]


def test_what_is_fine_is_not_advised() -> None:
    for name in METHODS:
        assert told(config(name), *lasting(FINE)) == []


def test_copies_name_the_weights_that_hold_the_input() -> None:
    (line,) = told(config(), *lasting(COPY))
    assert line == (
        "step 700: translations to dog are nearly a copy (they change 1.0 of 255 grey levels): lower method.keep "
        "(0.3 now), method.structure (0.25 now) or method.mask (0.05 now), or take another method"
    )
    assert 1000 * SETTLED + 100 == 700, "the second time"


def test_weights_that_are_off_are_not_lowered() -> None:
    (line,) = told(config("cut", "small"), *lasting(COPY))
    assert "lower method.nce_x (0.2 now), or" in line
    assert "nce_y" not in line
    (line,) = told(config("pix2pix"), *lasting(COPY))
    assert "no weight of this method holds them" in line


@pytest.mark.parametrize(("change", "place"), [(UNCHANGED, 5.0), (0.7, UNCHANGED_AT)])
def test_a_small_change_at_one_place_is_no_copy(change: float, place: float) -> None:
    assert told(config(), *lasting({**FINE, CHANGE: change, LOCAL: place})) == []


def test_what_passes_is_not_said() -> None:
    assert told(config(), *lasting(COPY)[:5], *lasting(FINE, 600)) == []
    swapped = {**FINE, LUMINANCE: SWAPPED}
    early = int(EARLY * 1000)
    assert told(config(), *lasting(swapped)[: early // 100 - 1], *lasting(FINE, early)) == []
    turns = [Watched(step, {"b": swapped if step % 200 else FINE}) for step in range(300, 1001, 100)]
    assert told(config(), *turns) == []


def test_swapped_light_and_dark() -> None:
    (line,) = told(config("cyclegan", "paper"), *lasting({**FINE, LUMINANCE: -0.7}))
    assert line == (
        "step 400: translations to dog have light and dark swapped (correlation -0.70): unless that is meant, raise "
        "method.identity (0.5 now)"
    )
    (line,) = told(config("unit"), *lasting({**FINE, LUMINANCE: -0.7}))
    assert line.endswith("start anew with another seed or a lower method.optim.lr")


def test_discs() -> None:
    spotted = {**FINE, SPOTS: SPOTTED + 0.01}
    (line,) = told(config("cut", "paper"), *lasting(spotted))
    assert "have light or dark spots, such as discs, on 31% of the pictures: preset=small has a generator" in line
    for run in (config("cut", "small"), config("quick"), config("unit")):
        (line,) = told(run, *lasting(spotted))
        assert "preset" not in line
    assert told(config(), *lasting({name: value for name, value in FINE.items() if name != SPOTS})) == []


def test_one_colour_and_colours_alone() -> None:
    (line,) = told(config(), *lasting({**FINE, CONTRAST: 0.05}))
    assert "are turning to one colour (5% of the contrast of real images)" in line
    (line,) = told(config(), *lasting({**FINE, COLOURS: 0.9}))
    assert "change in colours alone (90% of the change): where shapes or textures should change too, lower" in line
    assert "method.structure" in line
    assert "method.keep" not in line, "it holds the colours"


def test_domains_are_told_apart() -> None:
    events = [Watched(step, {"a": COPY, "b": FINE}) for step in range(100, 1001, 100)]
    (line,) = told(config("cyclegan"), *events)
    assert "translations to cat are nearly a copy" in line


def test_a_plateau() -> None:
    falling = [Scored(step, {"validation/KID": 1 / step}) for step in range(50, 1001, 50)]
    assert told(config(), *falling) == []
    flat = [Scored(step, {"validation/KID": 0.2 + abs(step - 400) / 1e4}) for step in range(50, 1001, 50)]
    (line,) = told(config(), *flat)
    assert line.startswith("step 700: the score has not been better since step 400, where it was 0.200; the checkpoint")
    assert 400 + PATIENCE * 1000 == 700
    seldom = [Scored(step, {"validation/KID": step / 1e3}) for step in range(250, 1001, 250)]
    assert len(seldom) < SCORES
    assert told(config(), *seldom) == []


@pytest.mark.parametrize("name", METHODS)
def test_what_is_advised_can_be_done(name: str) -> None:
    """For each preset: each weight that is named can be halved, and each that is to be raised can be raised."""
    kind = registry.get(name)
    for preset in kind.presets:
        base = defaults(name, kind, preset)
        for option, held in kind.holds_input.items():
            weight = getattr(base.method, option)
            for changed in [weight / 2] * bool(weight) + [2 * weight or 1.0] * (held == "colours"):
                try:
                    outline(kind, with_changes(base.method, {option: changed}))
                except UserError as error:
                    pytest.fail(f"{name} {preset}: {option} = {changed}: {error}")


def test_a_run_is_measured_advised_and_shown(tmp_path: Path) -> None:
    heard, run = Heard(), tmp_path / "run"
    settings: dict[str, Any] = {"steps": 8, "device": "cpu", "train": {"watch_every": 3, "log_every": 4}}
    instar.train("cyclegan", data_set(tmp_path / "set", 12), out=run, preset="tiny", on_event=heard, **settings)
    assert [event.step for event in heard.of(Watched)] == [3, 6, 8]
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    (first, *_) = [row for row in rows if any(name.startswith("held-out/") for name in row)]
    assert first["step"] == 3
    both = [first[f"held-out/{CHANGE} to {domain}"] for domain in "ab"]
    assert first[f"held-out/{CHANGE}"] == pytest.approx(sum(both) / 2)
    assert f"held-out/{SPOTS}" in first
    assert "held-out/change (L1)" in (run / "index.html").read_text()
    assert b"held-out/change (L1)" in b"".join(file.read_bytes() for file in (run / "tensorboard").iterdir())


@pytest.mark.parametrize("name", ["munit", "quick", "cut"])
def test_measuring_does_not_change_the_run(tmp_path: Path, name: str) -> None:
    weights, data = [], data_set(tmp_path / "set", 12)
    for every in (0, 1):
        heard, run = Heard(), tmp_path / str(every)
        train = {"watch_every": every, "log_every": 2}
        instar.train(name, data, out=run, preset="tiny", steps=6, device="cpu", train=train, on_event=heard)
        assert len(heard.of(Watched)) == 6 * every
        folder = run / "checkpoints" / "step-000000006"
        parts = ("method.safetensors", "averages.safetensors", "optimizers.safetensors")
        weights.append([(folder / part).read_bytes() for part in parts])
    assert weights[0] == weights[1]


def test_a_resumed_run_may_be_measured_otherwise(tmp_path: Path) -> None:
    run = tmp_path / "run"
    train = {"watch_every": 2, "save_every": 4}
    instar.train("cut", data_set(tmp_path / "set", 12), out=run, preset="tiny", steps=4, device="cpu", train=train)
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("watch_every: 2", "watch_every: 3"))
    heard = Heard()
    instar.resume(run, steps=8, on_event=heard)
    assert [event.step for event in heard.of(Watched)] == [6, 8]
