"""What only a CUDA device can show; run with `pytest -m gpu`."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import instar
from engine.processes import draw, finish, logged

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("precision", ["32", "bf16"])
@pytest.mark.parametrize("method", ["cyclegan", "cut", "pix2pix"])
def test_trains_and_resumes_on_cuda(method: str, precision: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    flags = ["--preset", "tiny", "--device", "cuda", "--precision", precision, "--train.log-every", 1]
    code, err = finish(["train", method, draw(tmp_path / "data"), "-o", run, *flags])
    assert code == 0, err
    assert "cuda (" in (run / "run.log").read_text()
    assert len(logged(run)) == 20
    last = run / "checkpoints" / "step-000000020"
    last.rename(tmp_path / "last")
    code, err = finish(["train", "--resume", run])
    assert code == 0, err
    assert last.is_dir()


@pytest.mark.parametrize("method", ["cyclegan", "cut"])
def test_translates_as_on_the_cpu(method: str, run_directory: Callable[..., Path]) -> None:
    images = torch.rand(2, 3, 36, 52, generator=torch.Generator().manual_seed(0)) * 2 - 1
    here = instar.load(run_directory(method), "cpu").translate(images)
    there = instar.load(run_directory(method), "cuda").translate(images)
    torch.testing.assert_close(here, there, rtol=0, atol=2e-2)  # TF32 keeps 10 bits


def test_the_first_step_is_that_of_the_cpu(tmp_path: Path) -> None:
    rows = {}
    data = draw(tmp_path / "data")
    for device in ("cpu", "cuda"):
        run = tmp_path / device
        flags = ["--preset", "tiny", "--steps", 1, "--device", device, "--train.log-every", 1]
        code, err = finish(["train", "cut", data, "-o", run, *flags])
        assert code == 0, err
        rows[device] = {key: value for key, value in logged(run)[0].items() if not key.endswith("grad_norm")}
    assert rows["cuda"] == pytest.approx(rows["cpu"], rel=0.02, abs=0.01)
