"""Methods within masks: what no loss may see, no loss sees."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from evaluation.parts import extractor
from PIL import Image
from torch import Tensor, nn

import instar
from engine.processes import state
from instar.core import registry
from instar.core.batch import Batch
from instar.core.config import RunConfig
from instar.core.errors import UserError
from instar.core.events import Stepped
from instar.core.method import Method
from instar.core.progress import Progress
from instar.core.seed import seeded
from instar.core.settings import with_changes
from instar.engine.masks import limit_to_masks
from instar.testing.runs import build, source_for, tiny

WITHOUT_DISCRIMINATOR = ("i2sb",)
SEVERAL_PASSES = ("i2sb", "unsb")
"""Each pass of a translation sees what the one before has left outside."""
ADVERSARIAL = (
    *("bicyclegan", "cut", "cyclegan", "dclgan", "distancegan", "gcgan"),
    *("pix2pix", "quick", "santa", "spade", "stegogan", "ugatit", "unsb"),
)
MASKED = (*ADVERSARIAL, *WITHOUT_DISCRIMINATOR)
AUGMENTED = ("quick",)
"""Their discriminators see images that are moved at random."""


def masked(config: RunConfig) -> RunConfig:
    return with_changes(config, {"data": {"masks": "_mask"}})


def hidden(images: Tensor) -> Tensor:
    """Hide a border, which is one after each turn and mirroring as well."""
    found = torch.where(images == 0, 0.1, images)
    border = torch.ones_like(found, dtype=torch.bool)
    border[..., 8:-8, 8:-8] = False
    return found.masked_fill(border, 0)


@pytest.mark.parametrize("name", registry.names())
def test_a_method_keeps_to_masks_or_refuses_them_by_name(name: str) -> None:
    config = masked(tiny(name))
    method = build(config)
    if name not in MASKED:
        why = "draws images from codes" if method.targets else "translates nothing"
        with pytest.raises(UserError, match=rf"data.masks=_mask: {name} {why}"):
            limit_to_masks(method, config)
        return
    x = hidden(next(iter(source_for(config).batch(0).images.values())))
    for to in method.targets:
        method.eval()
        with torch.no_grad(), seeded(0):
            whole = method.translate(x, to=to)
        limit_to_masks(method, config)
        with torch.no_grad(), seeded(0):
            made = method.translate(x, to=to)
        outside = (x == 0).all(1, keepdim=True)
        assert torch.equal((made == 0).all(1, keepdim=True), outside)
        if name not in SEVERAL_PASSES:
            assert torch.equal(made, whole.masked_fill(outside, 0))
        for module in method.modules():
            if hasattr(module, "masked"):
                module.masked = False


@pytest.mark.parametrize("name", [name for name in ADVERSARIAL if name not in AUGMENTED])
def test_discriminators_see_nothing_outside(name: str) -> None:
    config = masked(tiny(name))
    method = build(config).train()
    limit_to_masks(method, config)
    batch = with_images(source_for(config).batch(0))
    seen: list[Tensor] = []

    def look(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        seen.append(given[0])

    for child, network in method.named_children():
        if child.startswith("D"):
            parts = network.values() if isinstance(network, nn.ModuleDict) else (network,)
            for part in parts:
                part.register_forward_pre_hook(look)
    with seeded(0):
        for objective in method.objectives(batch, Progress(0, 10, 10)):
            assert objective.loss.total().isfinite()
    side = config.data.size
    whole = [images for images in seen if images.shape[-1] == side]
    assert len(whole) >= 2
    outside = torch.ones(side, side, dtype=torch.bool)
    outside[8:-8, 8:-8] = False
    for images in whole:
        assert not images[..., outside].any()
        assert images[..., ~outside].any()


def with_images(batch: Batch) -> Batch:
    return replace(batch, **{domain: hidden(images) for domain, images in batch.images.items()})


def test_runs_without_masks_are_left_alone() -> None:
    config = tiny("cut")
    method: Method = build(config)
    limit_to_masks(method, config)
    assert not any(getattr(module, "masked", False) for module in method.modules())


def test_what_lies_outside_changes_no_weight(make_masked, tmp_path: Path) -> None:
    first, other = make_masked("one", outside=0), make_masked("other", outside=200)
    for run, folder in (("first", first), ("second", other)):
        instar.train("cut", folder, out=tmp_path / run, preset="tiny", steps=3, device="cpu", data={"masks": "_mask"})
    assert state(tmp_path / "first") == state(tmp_path / "second")
    instar.train("cut", first, out=tmp_path / "none", preset="tiny", steps=3, device="cpu", source="A", target="B")
    assert state(tmp_path / "first") != state(tmp_path / "none")


def test_a_run_within_masks_goes_on_exactly(make_masked, tmp_path: Path) -> None:
    settings = {"preset": "tiny", "steps": 6, "device": "cpu", "data": {"masks": "_mask"}}
    data = make_masked("one")
    instar.train("cyclegan", data, out=tmp_path / "whole", **settings)
    stop = threading.Event()
    instar.train(
        "cyclegan",
        data,
        out=tmp_path / "cut",
        **settings,
        stop=stop,
        on_event=lambda event: stop.set() if isinstance(event, Stepped) and event.step == 3 else None,
    )
    instar.resume(tmp_path / "cut")
    assert state(tmp_path / "whole") == state(tmp_path / "cut")


def test_a_changed_mask_is_another_data_set(make_masked, tmp_path: Path) -> None:
    data = make_masked("one")
    settings = {"preset": "tiny", "steps": 2, "device": "cpu", "data": {"masks": "_mask"}}
    instar.train("cut", data, out=tmp_path / "run", **settings)
    make_masked("one", inset=2)
    with pytest.raises(UserError, match="changed"):
        instar.resume(tmp_path / "run", steps=4)


def test_a_model_of_masks_is_shown_what_they_leave(make_masked, tmp_path: Path) -> None:
    first, other = make_masked("one", outside=0), make_masked("other", outside=200)
    instar.train("cut", first, out=tmp_path / "run", preset="tiny", steps=2, device="cpu", data={"masks": "_mask"})
    made = []
    for folder in (first, other):
        out = tmp_path / f"{folder.name}-out"
        done = instar.translate(tmp_path / "run", folder / "trainA", out, keep_outside=folder / "trainA_mask")
        assert (done.translated, done.failed) == (6, ())
        made.append(np.asarray(Image.open(out / "3.png")))
    inside = np.asarray(Image.open(first / "trainA_mask/3.png")) > 0
    assert np.array_equal(made[0][inside], made[1][inside])
    assert (made[0][~inside] == 0).all()
    assert (made[1][~inside] == 200).all()


def test_scores_see_what_masks_leave(make_masked, tmp_path: Path) -> None:
    """What lies outside changes no score, of copies neither, while training and afterwards."""
    found = []
    for name, outside in (("one", 0), ("other", 200)):
        make_masked(name, outside=outside, split="test")
        data = make_masked(name, outside=outside)
        settings = {"preset": "tiny", "steps": 2, "device": "cpu", "data": {"masks": "_mask"}}
        run = instar.train("cut", data, out=tmp_path / f"{name}-run", **settings).run
        report = instar.evaluate(run, extractor=extractor(), size=36)
        found.append([[score.value for score in column.scores] for column in report.columns])
    assert found[0] == found[1]
    whole = instar.evaluate(tmp_path / "one-run", tmp_path / "other", extractor=extractor(), size=36)
    assert [[score.value for score in column.scores] for column in whole.columns] == found[0]
