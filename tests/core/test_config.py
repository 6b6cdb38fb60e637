from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from instar.core import registry
from instar.core.config import DataConfig, MethodConfig, Optim, RunConfig, TrainConfig, to_yaml
from instar.core.errors import UserError, nearest
from instar.core.run import read_config, write_config
from instar.core.settings import from_dict, to_dict, with_changes
from instar.methods.cut import Config as CutConfig


@pytest.mark.parametrize(
    ("cls", "values", "message"),
    [
        (DataConfig, {"size": 4}, "size must be between 24 and 16384, not 4"),
        (DataConfig, {"max_bad": 2.0}, "data.max_bad must be between 0 and 1, not 2.0"),
        (DataConfig, {"holdout": -1}, "data.holdout must be at least 0"),
        (DataConfig, {"zoom": 0.5}, "data.zoom must be between 1 and 8, not 0.5"),
        (TrainConfig, {"steps": 0}, "steps must be at least 1"),
        (TrainConfig, {"max_bad_steps": 0}, "train.max_bad_steps must be at least 1"),
        (TrainConfig, {"seed": -1}, "seed must be at least 0"),
        (TrainConfig, {"clip": -0.5}, "train.clip must be at least 0"),
        (TrainConfig, {"batch": 3, "devices": 2}, "batch=3 cannot be shared equally by devices=2"),
        (MethodConfig, {"channels": 0}, "channels must be at least 1, not 0"),
        (Optim, {"hold": 1.5}, "method.optim.hold must be between 0 and 1"),
        (Optim, {"lr": -1.0}, "method.optim.lr must be between 0 and 1"),
    ],
)
def test_messages_name_the_flag(cls: type[Any], values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        cls(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stepz": 1}, "run.yaml: unknown setting 'stepz'; did you mean 'steps'"),
        ({"qqqqq": 1}, "unknown setting 'qqqqq'; there is: accumulate, activation_checkpointing, batch"),
        ({"steps": "many"}, r"run.yaml: .*int.*steps"),
        ({"device": "gpu"}, r"run.yaml: device must be one of auto, cpu, cuda, mps, not 'gpu'"),
        ("steps", "run.yaml: expected settings of TrainConfig, found 'steps'"),
    ],
)
def test_messages_name_the_file(values: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        from_dict(TrainConfig, values, "run.yaml")


def test_checks_also_hold_for_files() -> None:
    with pytest.raises(UserError, match="batch=3 cannot be shared"):
        from_dict(TrainConfig, {"batch": 3, "devices": 2}, "run.yaml")


def run_config(**data: Any) -> RunConfig:
    return RunConfig(
        name="cut",
        preset="tiny",
        method=CutConfig(layers=("down1",), optim=Optim(lr=1e-5, betas=(0.0, 0.99))),
        data=DataConfig(roots=(Path("/data/süß"),), source="horse", zoom=1.5, **data),
        train=TrainConfig(precision="bf16"),
    )


def test_round_trip(tmp_path: Path) -> None:
    config = run_config()
    write_config(config, tmp_path)
    found = read_config(tmp_path / "config.yaml")
    assert found == config
    assert isinstance(found.data.roots[0], Path)
    assert isinstance(found.method.optim.betas, tuple)
    assert "süß" in (tmp_path / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trian": {}}, "unknown setting 'trian'; did you mean 'train'"),
        ({"name": "cutt"}, "no method 'cutt'; did you mean 'cut'"),
        ({"method": {"patchez": 1}}, r"config.yaml, method: unknown setting 'patchez'; did you mean 'patches'"),
        ({"method": {"optim": {"lrr": 1}}}, r"config.yaml, method: unknown setting 'lrr'; did you mean 'lr'"),
        ({"data": None}, "expected settings of DataConfig, found None"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(to_yaml(run_config())), **change}))
    with pytest.raises(UserError, match=message) as error:
        read_config(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not YAML"),
        ("- a", "not a config of a run"),
        ("name: cut", "'method' is missing"),
        (None, "no such file"),
    ],
)
def test_no_config_at_all(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_config(path)


def test_old_files_take_the_defaults_of_new_settings(tmp_path: Path) -> None:
    assert from_dict(TrainConfig, {"steps": 5}, "x") == replace(TrainConfig(), steps=5)


def test_removed_settings_are_read_where_they_made_no_difference(tmp_path: Path) -> None:
    config = run_config()
    path = tmp_path / "config.yaml"

    def read(**removed: Any) -> RunConfig:
        values = yaml.safe_load(to_yaml(config))
        path.write_text(yaml.safe_dump({**values, "method": {**values["method"], **removed}}))
        return read_config(path)

    assert read(tau=0.07) == config
    with pytest.raises(UserError, match=r"config.yaml, method: the setting 'tau' is gone, and what 0\.2 did") as error:
        read(tau=0.2)
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="unknown setting 'taux'"):
        read(taux=0.07)


@pytest.mark.parametrize("name", registry.names())
def test_no_removed_setting_is_one(name: str) -> None:
    options = registry.get(name).options
    assert not set(options.removed) & {field.name for field in fields(options)}
    for key, values in options.removed.items():
        assert values, f"{key} can never be read"
        assert all(from_dict(options, {key: value}, "x") == options() for value in values)


def test_names_of_two_domains_are_written_as_before() -> None:
    two = DataConfig().named({"a": "horse", "b": "zebra"})
    assert (two.source, two.target, two.domains) == ("horse", "zebra", None)
    assert two.names(("a", "b")) == {"a": "horse", "b": "zebra"}
    assert "domains" not in to_dict(two)
    assert from_dict(DataConfig, to_dict(two), "x") == two
    assert two.unnamed() == DataConfig()
    assert DataConfig().names("ab") == {"a": None, "b": None}


@pytest.mark.parametrize("count", [1, 3, 5])
def test_names_of_other_numbers_of_domains(count: int) -> None:
    names = {domain: domain.upper() for domain in "abcde"[:count]}
    config = DataConfig().named(names)
    assert (config.source, config.target) == (None, None)
    assert config.names(tuple(names)) == names
    assert to_dict(config)["domains"] == list(names.values())
    assert from_dict(DataConfig, to_dict(config), "x") == config
    assert DataConfig().names(tuple(names)) == dict.fromkeys(names)


@pytest.mark.parametrize(
    ("settings", "domains", "message"),
    [
        (
            {"domains": ("x", "y")},
            "ab",
            "data.domains=x y: this method has 2 domains; name them",
        ),
        ({"source": "x"}, "abc", "source=x: this method has 3 domains; name them by data.domains"),
        ({"target": "x"}, "a", "target=x: this method has 1 domain; name them by data.domains"),
        ({"domains": ("x", "y")}, "abc", "data.domains=x y: this method has 3 domains; name them all"),
    ],
)
def test_names_for_another_number_of_domains(settings: dict[str, Any], domains: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        DataConfig(**settings).names(domains)


def test_nested_changes_keep_the_rest() -> None:
    changed = with_changes(CutConfig(), {"patches": 16, "optim": {"hold": 0.75}})
    assert changed == CutConfig(patches=16, optim=Optim(hold=0.75))


def test_short_side_is_that_of_the_paper() -> None:
    assert DataConfig().short_side == 286
    assert DataConfig(size=128).short_side == 143
    assert DataConfig(size=64, zoom=1.0).short_side == 64


def test_nearest() -> None:
    assert nearest("stpes", ["steps", "size"]) == "; did you mean 'steps'?"
    assert nearest("zzz", ["b", "a"]) == "; there is: a, b"
