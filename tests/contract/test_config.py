import ast
import inspect
import math
import re
import time
from collections.abc import Iterator
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode

from contract.playing import build, source_for, tiny, trainer
from instar.core.config import DataConfig, MethodConfig, Optim, RunConfig, TrainConfig, to_yaml
from instar.core.errors import UserError
from instar.core.method import Method, defaults
from instar.core.run import read_config, write_config
from instar.core.settings import from_dict


def test_presets(name: str, kind: type[Method[Any]], tmp_path: Path) -> None:
    """Every preset is a valid config, says what it is for, and comes back equal from config.yaml."""
    assert {"tiny", "small"} <= set(kind.presets)
    assert next(iter(kind.presets)) not in ("tiny", "small")
    for key, preset in kind.presets.items():
        config = defaults(name, kind, key)
        assert preset.about
        values = yaml.safe_load(to_yaml(config))
        assert from_dict(kind.options, values["method"], "test") == config.method
        assert from_dict(DataConfig, values["data"], "test") == config.data
        assert from_dict(TrainConfig, values["train"], "test") == config.train
        write_config(config, tmp_path)
        assert read_config(tmp_path / "config.yaml") == config
        with torch.device("meta"):  # full-size networks, without their memory
            method = kind(config.method)
        assert config.data.size % method.size_divisor == 0
        assert method.fixed_size in (None, config.data.size)
        assert isinstance(method.check(config), str)


def test_unknown_setting(kind: type[Method[Any]]) -> None:
    known = fields(kind.options)[-1].name
    with pytest.raises(UserError, match=rf"unknown setting '{known}x'; did you mean '{known}'"):
        from_dict(kind.options, {f"{known}x": 1}, "config.yaml, method")
    with pytest.raises(UserError, match="did you mean 'hold'"):
        from_dict(kind.options, {"optim": {"holt": 1}}, "config.yaml, method")


@pytest.mark.parametrize("shared", [None, MethodConfig, Optim, DataConfig, TrainConfig])
def test_help_is_complete(kind: type[Method[Any]], shared: type | None) -> None:
    """The string under a field is its help text on the command line."""
    cls = shared or kind.options
    (node,) = ast.parse(inspect.getsource(cls)).body
    assert isinstance(node, ast.ClassDef)
    body = [*node.body, ast.Pass()]
    for this, following in pairwise(body):
        if isinstance(this, ast.AnnAssign) and "ClassVar" not in ast.unparse(this.annotation):
            documented = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            assert documented, f"{cls.__name__}.{ast.unparse(this.target)} has no help text"


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Threads that wait for each other on a busy machine spend processor time on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_tiny_is_tiny(config: RunConfig, tmp_path: Path) -> None:
    """Counted, not timed: what else the machine does is not this method's fault."""
    play = trainer(config, tmp_path, build(config), source_for(config))
    assert sum(parameter.numel() for parameter in play.method.parameters()) < 500_000
    play.train_step(play.source.batch(0))
    with FlopCounterMode(display=False) as counted:
        play.train_step(play.source.batch(1))
    assert 0 < counted.get_total_flops() < 1e9


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_tiny_is_quick(config: RunConfig, tmp_path: Path) -> None:
    """Time of the processor, and the quickest of several: still, this wants a machine that does nothing else."""
    times = []
    for _ in range(20):
        start = time.process_time()
        method = build(config)
        times.append(time.process_time() - start)
    assert min(times) < 0.05
    play = trainer(config, tmp_path, method, source_for(config))
    play.train_step(play.source.batch(0))
    start = time.process_time()
    play.train_step(play.source.batch(1))
    assert time.process_time() - start < 1.0


def test_bf16(config: RunConfig, tmp_path: Path) -> None:
    play = trainer(config, tmp_path, build(config), source_for(config), "bf16-mixed")
    play.train_step(play.source.batch(0))
    play.train_step(play.source.batch(1))
    assert play.bad_steps == 0
    assert all(parameter.isfinite().all() for parameter in play.method.parameters())
    numbers = play.read_meter()
    assert numbers
    assert all(math.isfinite(value) for value in numbers.values())


def test_gray(name: str, config: RunConfig, tmp_path: Path) -> None:
    gray = tiny(name, channels=1)
    play = trainer(gray, tmp_path, build(gray), source_for(gray))
    play.train_step(play.source.batch(0))
    assert play.bad_steps == 0


def test_waivers_name_checks_and_reasons(kind: type[Method[Any]]) -> None:
    files = Path(__file__).parent.glob("test_*.py")
    checks = {check for file in files for check in re.findall(r"^def test_(\w+)\(", file.read_text(), re.MULTILINE)}
    assert set(kind.exempt) <= checks
    assert all(len(reason) > 20 for reason in kind.exempt.values())
