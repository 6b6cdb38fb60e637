"""Numbers that cannot be meant are refused, in files, calls and flags, for each setting of each method."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import yaml

from instar.api.settings import changed
from instar.cli import main
from instar.core import registry
from instar.core.config import DataConfig, Optim, TrainConfig, to_yaml
from instar.core.errors import UserError
from instar.core.method import defaults
from instar.core.run import read_config
from instar.core.settings import Bounds, from_dict, to_dict
from instar.inference.request import TranslationRequest
from instar.sweeps.spec import Spec, read_grid

NOT_FINITE = (math.nan, math.inf, -math.inf)
HUGE = 10**400
"""More digits than a float has."""


def numeric(hint: Any) -> bool:
    return hint in (int, float) or any(numeric(part) for part in get_args(hint))


def numbers(settings: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Paths of all settings that are numbers, or hold some."""
    hints = get_type_hints(type(settings))
    for field in fields(settings):
        value = getattr(settings, field.name)
        if is_dataclass(value):
            yield from numbers(value, (*path, field.name))
        elif numeric(hints[field.name]):
            yield (*path, field.name)


@cache
def of_all_methods() -> list[tuple[str, tuple[str, ...]]]:
    found = []
    for name in registry.names():
        base = defaults(name, registry.get(name), None)
        sections = ("method",) if name != "cut" else ("method", "data", "train")  # these are the same everywhere
        found += [(name, path) for section in sections for path in numbers(getattr(base, section), (section,))]
    return found


def test_there_are_many() -> None:
    assert len(of_all_methods()) > 150


def like(value: Any, wrong: float) -> Any:
    """A wrong value in the shape of a right one."""
    return (*value[:-1], wrong) if isinstance(value, tuple) else wrong


@pytest.mark.parametrize("wrong", [*NOT_FINITE, HUGE, -HUGE], ids=["nan", "inf", "-inf", "huge", "-huge"])
def test_no_setting_takes_a_number_that_is_none(wrong: float) -> None:
    for name, (section, *path) in of_all_methods():
        base = getattr(defaults(name, registry.get(name), None), section)
        settings = base
        for part in path[:-1]:
            settings = getattr(settings, part)
        value = like(getattr(settings, path[-1]), wrong)
        with pytest.raises(UserError) as made:
            replace(settings, **{path[-1]: value})
        nested: dict[str, Any] = {path[-1]: value}
        plain: dict[str, Any] = {path[-1]: list(value) if isinstance(value, tuple) else value}
        for part in reversed(path[:-1]):
            nested, plain = {part: nested}, {part: plain}
        with pytest.raises(UserError) as read:
            from_dict(type(base), plain, "config.yaml")
        with pytest.raises(UserError) as given:
            changed(base, nested, section)
        for error in (made, read, given):
            assert path[-1] in str(error.value), (name, path)
            assert "\n" not in str(error.value)
            assert len(str(error.value)) < 250


@pytest.mark.parametrize("wrong", [*NOT_FINITE, HUGE])
def test_no_option_of_a_translation_either(wrong: float) -> None:
    hints = get_type_hints(TranslationRequest)
    names = [field.name for field in fields(TranslationRequest) if numeric(hints[field.name])]
    assert {"size", "tile", "batch", "seed", "samples", "interpolate"} <= set(names)
    for name in names:
        with pytest.raises(UserError, match=name):
            TranslationRequest(inputs=("a.png",), out=Path("out"), **{name: wrong})


@pytest.mark.parametrize("text", [".nan", ".inf", "-.inf", "nan", "inf", "1.5", "true", "[1]", "{a: 1}", "'a'", HUGE])
@pytest.mark.parametrize("key", ["steps", "seed", "log_every"])
def test_no_whole_number_in_a_file(text: object, key: str, tmp_path: Path) -> None:
    values = yaml.safe_load(to_yaml(defaults("cut", registry.get("cut"), None)))
    values["train"][key] = "HERE"
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values).replace("HERE", str(text)))
    with pytest.raises(UserError, match=key) as error:
        read_config(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("cls", "values", "said"),
    [
        (TrainConfig, {"steps": 1.5}, r"a whole number \(int\) wanted, not 1.5 @ \$.steps"),
        (TrainConfig, {"clip": True}, r"a number wanted, not True @ \$.clip"),
        (DataConfig, {"flip": "no"}, r"true or false wanted, not 'no' @ \$.flip"),
        (DataConfig, {"source": ["a"]}, r"a text wanted, not \['a'\] @ \$.source"),
        (DataConfig, {"roots": ["a\0b"]}, r"a text wanted"),
        (Optim, {"betas": [0.5, 1]}, "method.optim.betas must be at least 0 and below 1, not 1"),
        (Optim, {"betas": [-0.1, 0.9]}, "method.optim.betas must be at least 0 and below 1, not -0.1"),
        (Optim, {"lr": 10}, "method.optim.lr must be between 0 and 1, not 10"),
        (Optim, {"weight_decay": 1e9}, "method.optim.weight_decay must be between 0 and 100"),
        (DataConfig, {"size": 1_000_000}, "size must be between 24 and 16384, not 1000000"),
        (Spec, {"out": "a", "data": {}, "runs": {}, "seeds": [math.nan]}, r"a whole number .* not nan @ \$.seeds\[0\]"),
        (Spec, {"out": "a", "data": {}, "runs": {}, "images": math.inf}, r"a whole number .* not inf @ \$.images"),
        (Spec, {"out": "a", "data": {}, "runs": {}, "score": {"every": math.nan}}, r"a whole number .* not nan"),
    ],
)
def test_values_of_another_kind_are_no_others(cls: type[Any], values: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=f"x.yaml: {said}"):
        from_dict(cls, values, "x.yaml")


def test_values_that_can_be_meant() -> None:
    """YAML takes 1e-4 for a text, and writes a round float as one."""
    assert from_dict(Optim, {"lr": "1e-4"}, "x") == Optim(lr=1e-4)
    assert from_dict(TrainConfig, {"steps": 10.0}, "x") == TrainConfig(steps=10)
    assert from_dict(DataConfig, {"source": 1}, "x") == DataConfig(source="1")
    assert from_dict(TrainConfig, to_dict(TrainConfig(seed=2**62)), "x").seed == 2**62


@pytest.mark.parametrize("line", ["images: .nan", "images: .inf", "seeds: [.nan]", "score: {every: .inf}"])
def test_a_benchmark_of_no_number(line: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"out: out\ndata: {{a: data}}\nruns: {{cut: {{}}}}\n{line}\n")
    with pytest.raises(UserError, match=r"spec\.yaml: a whole number"):
        read_grid(spec)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--train.clip", "nan"], "--train.clip must be a finite number, not nan"),
        (["--method.optim.hold", "nan"], "--method.optim.hold must be a finite number"),
        (["--method.optim.weight-decay", "nan"], "--method.optim.weight-decay must be a finite number"),
        (["--method.optim.lr", "inf"], "--method.optim.lr must be a finite number"),
        (["--data.zoom", "nan"], "--data.zoom must be a finite number"),
        (["--method.optim.betas", "0.5", "1.5"], "--method.optim.betas must be at least 0 and below 1"),
        (["--size", "1000000"], "--size must be between 24 and 16384"),
    ],
)
def test_flags(flags: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["train", "cyclegan", "data", "-o", "run", *flags]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"instar: {said}")
    assert err.count("\n") == 1


def test_flags_that_are_no_whole_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.run(["train", "cyclegan", "data", "-o", "run", "--size", "1e6"])
    assert ended.value.code == 2
    assert "1e6" in capsys.readouterr().err


def test_bounds_in_words() -> None:
    for bounds, value, said in (
        (Bounds(1), 0, "x must be at least 1, not 0"),
        (Bounds(0, 1), 2, "x must be between 0 and 1, not 2"),
        (Bounds(high=3), 4, "x must be at most 3, not 4"),
        (Bounds(0, below=1), 1.0, "x must be at least 0 and below 1, not 1.0"),
    ):
        with pytest.raises(UserError) as error:
            bounds.check("x", value)
        assert str(error.value) == said
    Bounds(0, below=1).check("x", 0.999)
    Bounds().check("x", -1e300)


SIZED = {"width", "blocks", "downs", "layers", "scales", "shared", "style", "code", "landmarks", "mlp", "side", "dim"}


def test_widths_and_depths_of_all_methods_have_ends() -> None:
    """Networks of a million layers take minutes to be made before anything is known of them."""
    found = 0
    for name, (section, *path) in of_all_methods():
        options = getattr(defaults(name, registry.get(name), None), section)
        if section == "method" and path[0].split("_")[-1] in SIZED and type(getattr(options, path[0])) is int:
            found += 1
            with pytest.raises(UserError, match=rf"method\.{path[0]}"):
                replace(options, **{path[0]: 10**6})
    assert found > 25
