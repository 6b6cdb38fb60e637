"""Checks of presets and options."""

from __future__ import annotations

import math
import time
from dataclasses import fields

import torch
import yaml

from instar.core.config import DataConfig, TrainConfig, to_yaml
from instar.core.errors import UserError
from instar.core.method import defaults
from instar.core.run import read_config, write_config
from instar.core.settings import field_docs, from_dict
from instar.testing.case import Case
from instar.testing.products import Products
from instar.testing.runs import build, source_for, tiny, trainer

SLOW = ("tiny_is_quick",)


def presets(case: Case) -> None:
    """Every preset is a valid config, says what it is for, and comes back equal from config.yaml."""
    kind = case.kind
    assert {"tiny", "small"} <= set(kind.presets)
    assert next(iter(kind.presets)) not in (("tiny", "small") if kind.paper else ("tiny",))
    for key, preset in kind.presets.items():
        config = defaults(case.name, kind, key)
        assert preset.about, key
        values = yaml.safe_load(to_yaml(config))
        assert from_dict(kind.options, values["method"], "test") == config.method, key
        assert from_dict(DataConfig, values["data"], "test") == config.data, key
        assert from_dict(TrainConfig, values["train"], "test") == config.train, key
        write_config(config, case.folder)
        assert read_config(case.folder / "config.yaml") == config, key
        with torch.device("meta"):  # full-size networks, without their memory
            method = kind(config.method)
        assert config.data.size % method.size_divisor == 0, key
        assert method.fixed_size in (None, config.data.size), key
        assert isinstance(method.check(config), str), key


def unknown_setting(case: Case) -> None:
    """A misspelt option is an error that names the nearest one."""
    known = fields(case.kind.options)[-1].name
    _refused(case, {f"{known}x": 1}, f"unknown setting '{known}x'; did you mean '{known}'")
    _refused(case, {"optim": {"holt": 1}}, "did you mean 'hold'")


def help_is_complete(case: Case) -> None:
    """The string under a field is its help text on the command line."""
    try:
        documented = field_docs(case.kind.options)
    except (OSError, TypeError):  # a class that was made in a notebook has no file in which to look
        return
    missing = [field.name for field in fields(case.kind.options) if not documented.get(field.name)]
    assert not missing, f"no help text under {', '.join(missing)}"


def holds_input_names_weights(case: Case) -> None:
    """What is said to hold translations to their inputs are weights among the options."""
    for name, held in case.kind.holds_input.items():
        weight = getattr(case.kind.options(), name, None)
        assert isinstance(weight, float), f"{name!r} is no weight among the options"
        assert held in ("all", "colours", "shapes"), name


def tiny_is_tiny(case: Case) -> None:
    """The preset "tiny" has few weights and little to compute: counted, not timed."""
    play = case.trainer()
    assert sum(parameter.numel() for parameter in case.method.parameters()) < 500_000
    play.train_step(play.source.batch(0))
    with Products() as counted:
        play.train_step(play.source.batch(1))
    assert 0 < counted.operations < 1e9


def tiny_is_quick(case: Case) -> None:
    """Time of the processor, and the quickest of several: still, this wants a machine that does nothing else."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that wait for each other spend processor time on it
    try:
        times = []
        for _ in range(20):
            start = time.process_time()
            build(case.config)
            times.append(time.process_time() - start)
        assert min(times) < 0.05
        play = case.trainer()
        play.train_step(play.source.batch(0))
        start = time.process_time()
        play.train_step(play.source.batch(1))
        assert time.process_time() - start < 1.0
    finally:
        torch.set_num_threads(before)


def bf16(case: Case) -> None:
    """Steps under bfloat16 autocast leave all finite."""
    play = case.trainer("bf16")
    play.train_step(play.source.batch(0))
    play.train_step(play.source.batch(1))
    assert play.bad_steps == 0
    assert all(parameter.isfinite().all() for parameter in play.method.parameters())
    numbers = play.meter.read(play.fabric)
    assert numbers
    assert all(math.isfinite(value) for value in numbers.values())


def gray(case: Case) -> None:
    """Images of one channel can be trained on."""
    config = tiny(case.name, channels=1)
    play = trainer(config, case.folder, build(config), source_for(config))
    play.train_step(play.source.batch(0))
    assert play.bad_steps == 0


def _refused(case: Case, values: dict[str, object], said: str) -> None:
    message = ""
    try:
        from_dict(case.kind.options, values, "config.yaml, method")
    except UserError as error:
        message = str(error)
    assert said in message, f"{values} was not refused with: {said}"
