"""The tutorial of CONTRIBUTING.md works as it stands."""

import re
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch

from instar.core import registry
from instar.core.batch import Paired
from instar.core.method import defaults
from instar.core.progress import Progress
from instar.engine.optimizers import Optimizers

ROOT = Path(__file__).resolve().parent.parent


def tutorial() -> str:
    (code,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE | re.DOTALL)
    return code


def test_the_tutorial_shows_the_example_file():
    assert tutorial() == (ROOT / "examples/l1_unet.py").read_text()


def test_a_method_of_another_package_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "outside_l1_unet.py").write_text(tutorial())
    monkeypatch.syspath_prepend(tmp_path)
    entry = EntryPoint("l1-unet", "outside_l1_unet:L1UNet", "instar.methods")
    monkeypatch.setattr(registry, "_outside", lambda: {entry.name: entry})
    assert "l1-unet" in registry.names()

    kind = registry.get("l1-unet")
    for preset in ("paper", "small", "tiny"):
        assert defaults("l1-unet", kind, preset).preset == preset
    config = defaults("l1-unet", kind, "tiny")
    torch.manual_seed(0)
    method = kind(config.method).train()
    optimizers = Optimizers(method)
    batch = Paired(*(torch.rand(2, 3, config.data.size, config.data.size) * 2 - 1 for _ in "ab"))
    losses = []
    for step in range(3):
        at = Progress(step, 3)
        for objective in method.objectives(batch, at):
            names = optimizers.names(objective.over)
            total = objective.loss.total()
            total.backward(inputs=optimizers.parameters(names))
            optimizers.step(names, at)
            method.zero_grad()
            losses.append(total.item())
    assert len(losses) == 3
    assert torch.tensor(losses).isfinite().all()
    assert losses[-1] < losses[0]
    assert method.eval().translate(batch.a).shape == batch.a.shape
