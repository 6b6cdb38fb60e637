"""What only a CUDA device can show; run with `pytest -m gpu`."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import instar
from engine.processes import draw, finish, logged
from instar.core import registry
from instar.core.events import Event, Stepped
from instar.engine.calls import graph_calls
from instar.modules.norms import InstanceNorm

pytestmark = pytest.mark.gpu

DEVICE = "cuda"
TRAINED = [name for name in registry.names() if name != "unit-adaptation"]  # whose images have labels
LAYOUTS = {"tunit": "trainA"}
"""Folder of the drawn images, where it is not that of both domains."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("drawn") / "data")


@pytest.mark.parametrize(
    ("method", "precision"), [*product(TRAINED, ["bf16"]), *product(["cut", "cyclegan", "pix2pix"], ["32"])]
)
def test_trains_and_resumes(method: str, precision: str, data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    flags = ["--preset", "tiny", "--device", DEVICE, "--precision", precision, "--steps", 8, "--train.log-every", 1]
    images = data / LAYOUTS.get(method, "")
    code, err = finish(["train", method, images, "-o", run, *flags, "--train.save-every", 4, "--train.keep", 2])
    assert code == 0, err
    assert DEVICE in (run / "run.log").read_text()
    assert len(logged(run)) == 8
    last = run / "checkpoints" / "step-000000008"
    last.rename(tmp_path / "last")
    code, err = finish(["train", "--resume", run])
    assert code == 0, err
    assert last.is_dir()
    code, err = finish(["translate", run, data / "testA", "-o", tmp_path / "out", "--device", DEVICE])
    assert code == 0, err
    assert len([*(tmp_path / "out").rglob("*.png")]) >= 4


@pytest.mark.parametrize("method", TRAINED)
def test_a_run_waits_for_nothing_between_its_reports(method: str, data: Path, tmp_path: Path) -> None:
    """PyTorch itself says where the processor waits for the GPU: nowhere in steps that report nothing."""

    def switch(event: Event) -> None:
        if isinstance(event, Stepped) and event.step in (12, 18):
            torch.cuda.set_sync_debug_mode("warn" if event.step == 12 else "default")

    quiet: dict[str, Any] = {"log_every": 1000, "preview_every": 1000, "save_every": 1000, "watch_every": 0}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            instar.train(
                method, data / LAYOUTS.get(method, ""), out=tmp_path / "run", preset="tiny", steps=20, device=DEVICE,
                train=quiet, on_event=switch,
            )  # fmt: skip
        finally:
            torch.cuda.set_sync_debug_mode("default")
    waits = {f"{one.filename}:{one.lineno}" for one in said if "synchronizing CUDA operation" in str(one.message)}
    assert not {wait for wait in waits if "checkpoint" not in wait}  # of a phase's end


@pytest.mark.parametrize("method", registry.names())
def test_translates_as_on_the_cpu(method: str, run_directory: Callable[..., Path]) -> None:
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    here = instar.load(run_directory(method), "cpu").translate(images, seed=1)
    there = instar.load(run_directory(method), DEVICE).translate(images, seed=1)
    assert (here - there).abs().mean() < 2e-2  # TF32 keeps 10 bits


def test_instance_norm_keeps_bfloat16_and_its_statistics_are_of_float32() -> None:
    x = (10 + torch.randn(2, 3, 64, 64, device=DEVICE)).bfloat16()
    with torch.autocast(DEVICE, torch.bfloat16):
        out = InstanceNorm()(x)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), InstanceNorm()(x.float()), rtol=2**-7, atol=1e-3)


def test_the_first_step_is_that_of_the_cpu(data: Path, tmp_path: Path) -> None:
    rows = {}
    for device in ("cpu", DEVICE):
        run = tmp_path / device
        flags = ["--preset", "tiny", "--steps", 1, "--device", device, "--train.log-every", 1]
        code, err = finish(["train", "cut", data, "-o", run, *flags])
        assert code == 0, err
        rows[device] = {key: value for key, value in logged(run)[0].items() if not key.endswith("grad_norm")}
    assert rows[DEVICE] == pytest.approx(rows["cpu"], rel=0.02, abs=0.01)


@pytest.mark.parametrize("method", ["cyclegan", "cut", "pix2pix", "ugatit"])
def test_networks_as_graphs_give_the_steps_that_they_gave(method: str, data: Path, tmp_path: Path) -> None:
    """Whether or not they gain here: the same numbers up to rounding, also where the run goes on after a stop."""
    rows = {}
    for graphs in (False, True):
        run = tmp_path / str(graphs)
        flags = ["--preset", "tiny", "--steps", 6, "--device", DEVICE, "--train.log-every", 1, "--train.save-every", 3]
        flags += ["--train.keep", 0, *(["--train.cuda-graphs"] if graphs else [])]
        code, err = finish(["train", method, data, "-o", run, *flags])
        assert code == 0, err
        rows[graphs] = [row for row in logged(run) if row["step"] <= 3]
        last = run / "checkpoints" / "step-000000006"
        last.rename(tmp_path / f"last-{graphs}")
        code, err = finish(["train", "--resume", run])
        assert code == 0, err
        assert last.is_dir()
    said = (tmp_path / "True" / "run.log").read_text()
    assert "train.cuda_graphs=True: " in said
    assert "not to be had" not in said
    assert "another one" not in said
    for plain, recorded in zip(rows[False], rows[True], strict=True):
        losses = {key: value for key, value in plain.items() if not key.endswith("grad_norm")}
        assert {key: recorded[key] for key in losses} == pytest.approx(losses, rel=0.05, abs=0.02)


def test_graphs_play_back_what_the_networks_compute() -> None:
    """Passes of a step beside each other, and their gradients, played back with other images each time."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), InstanceNorm(), torch.nn.ReLU(), torch.nn.Conv2d(8, 3, 3))
    net.to(DEVICE)
    images = [torch.randn(2, 1, 3, 16, 16, device=DEVICE) for _ in range(5)]

    def step(x: Tensor, y: Tensor) -> list[Tensor]:
        for parameter in net.parameters():
            parameter.grad = None
        (net(x).square().mean() + net(y).abs().mean()).backward()
        return [parameter.grad.clone() for parameter in net.parameters() if parameter.grad is not None]

    wanted = [step(x, y) for x, y in images]
    changed = graph_calls([net])
    for (x, y), gradients in zip(images, wanted, strict=True):
        torch.compiler.cudagraph_mark_step_begin()
        for one, two in zip(gradients, step(x, y), strict=True):
            torch.testing.assert_close(two, one, rtol=2e-2, atol=1e-3)  # TF32 keeps 10 bits
    changed.remove()
    torch.compiler.reset()


def test_scores_are_those_of_the_cpu(data: Path, run_directory: Callable[..., Path], tmp_path: Path) -> None:
    """With the extractor that anyone can install, if it is here."""
    pytest.importorskip("efficientnet_lite_pytorch")
    run = run_directory("cyclegan")
    for split, (letter, name) in product(("train", "test"), (("A", "horse"), ("B", "zebra"))):
        shutil.copytree(data / f"{split}{letter}", tmp_path / split / name)
    reports = [instar.evaluate(run, tmp_path, extractor="efficientnet", device=device) for device in ("cpu", DEVICE)]
    here, there = ({score.name: score.value for score in report.columns[-1].scores} for report in reports)
    assert there == pytest.approx(here, rel=0.1, abs=0.02)
