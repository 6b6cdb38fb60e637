"""What all tests share."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hostile.figures import table
from lightning_fabric import Fabric

from instar.core import registry
from instar.core.method import defaults
from instar.core.run import write_config
from instar.core.settings import with_changes
from instar.engine import checkpoint
from instar.engine.averages import Averages
from instar.engine.optimizers import Optimizers


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the campaign's table: here, as only this folder's hooks are known where several processes run tests."""
    rows = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == "hostile"
    ]
    if rows:
        terminalreporter.section("hostile campaign")
        for line in table(sorted(rows, key=lambda row: str(row["title"]))):
            terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("INSTAR_CACHE", str(folder))
    return folder


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """What a test registers is forgotten at its end."""
    before = dict(registry._registered)
    yield
    registry._registered.clear()
    registry._registered.update(before)


@pytest.fixture(scope="session")
def run_directory(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a run's directory without training, once for each method and options: do not change what it returns.

    Domains are called horse and zebra. The averaged weights are others than the raw ones.
    """
    made: dict[str, Path] = {}

    def make(name: str = "cyclegan", **options: Any) -> Path:
        key = f"{name} {options}"
        if key not in made:
            kind = registry.get(name)
            base = defaults(name, kind, "tiny")
            data = replace(base.data, source="horse", target="zebra")
            config = replace(base, data=data, method=with_changes(base.method, options))
            with torch.random.fork_rng():
                torch.manual_seed(0)
                method = kind(config.method)
                with torch.no_grad():
                    for weight in method.parameters():
                        if weight.dim() > 1 and not weight.any():  # a layer that puts out zeros before it is trained
                            weight.normal_(std=0.1)
                averages = Averages(method, config.train.ema)
                with torch.no_grad():
                    for weight in method.parameters():
                        weight.add_(torch.randn_like(weight), alpha=0.1)
            made[key] = tmp_path_factory.mktemp("runs") / name
            made[key].mkdir()
            write_config(config, made[key])
            checkpoint.save(
                Fabric(accelerator="cpu", devices=1),
                made[key],
                checkpoint.Live(config, method, Optimizers(method), averages),
                {"step": 1, "phase": "train", "bad_steps": 0, "seconds": 90.0, "meter": {}},
            )
        return made[key]

    return make
