"""Every method, in every direction and format, is exported, and translates as the run does."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from methods.parts import CLASSIFIERS

import instar
from instar.core.abilities import Styled, supports
from instar.exporting.formats import FORMATS
from instar.exporting.report import by_export, by_run, inputs_of
from instar.inference.exported import ExportedTranslator
from instar.inference.translator import Translator

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

Runs = Callable[..., Path]
FAST = "cut"
OPTIONS = {"i2sb": {"noise": False}, "unsb": {"test_noise": False}}
"""Without which a method cannot be exported."""
SHAPES = [(1, 32, 32), (3, 45, 71), (2, 9, 70), (1, 64, 33), (2, 5, 7)]
"""Batch, height and width: multiples, none, less than is needed, one block and several."""


def methods_and_formats() -> list[object]:
    return [
        pytest.param(name, to, marks=[] if (name, to) == (FAST, "onnx") else [pytest.mark.slow])
        for name in instar.names()
        if name not in CLASSIFIERS
        for to in FORMATS
    ]


def differences(run: Translator, exported: ExportedTranslator, to: str) -> list[float]:
    """The largest difference at each shape, of values 0 to 1. It is also a hundredth of what the pictures show at most.

    Networks with their initial weights may show little: UNIT's pictures deviate by 0.0003 from gray.
    """
    found = []
    for count, height, width in SHAPES:
        x = torch.rand(count, run.channels, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1
        styles = run.styles(count, seed=5) if supports(run.method, Styled) else None
        if exported.card.noise:  # a seed draws other masks there: both are given the same
            given = [inputs_of(run, exported, one[None], number) for number, one in enumerate(x)]
            one = torch.cat([by_run(run, to, each) for each in given])
            two = torch.cat([by_export(exported, each) for each in given])
        else:
            one, two = run.translate(x, to, seed=3, style=styles), exported.translate(x, seed=3, style=styles)
        assert two.shape == x.shape
        assert (one - two).abs().max() < 0.01 * one.std() + 1e-6  # what float32 rounds
        found.append((one - two).abs().max().item() / 2)
    return found


@pytest.mark.parametrize(("name", "to"), methods_and_formats())
def test_it_translates_as_the_run_does(name: str, to: str, run_directory: Runs, tmp_path: Path) -> None:
    form = FORMATS[to]
    if to == "openvino":
        pytest.importorskip("openvino")
    run = instar.load(run_directory(name, **OPTIONS.get(name, {})), "cpu")
    for key in run.keys.targets:
        file = tmp_path / f"model{form.suffix}"
        card = form.write(run, key, file, "CC0")
        exported = ExportedTranslator.load(file)
        assert max(differences(run, exported, run.keys.names[key])) < 1 / 255
        assert (card.source, card.target) == (run.keys.names[run.keys.opposite(key)], run.keys.names[key])
        assert exported.targets == (card.target,)
        assert exported.domains == (card.source, card.target)
