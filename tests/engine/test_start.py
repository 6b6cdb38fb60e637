"""Runs that start from the networks of another run."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from engine.processes import draw
from instar.cli import main
from instar.core.config import RunConfig
from instar.core.errors import UserError
from instar.core.method import Method
from instar.core.run import checkpoints, find_checkpoint
from instar.engine.start import pinned, take_over
from instar.testing.runs import build, source_for, tiny, trainer

Runs = Callable[..., Path]


def beginning(run: Path, name: str = "transgaga", *wanted: str, **options: Any) -> tuple[Method[Any], RunConfig, str]:
    """A method of other initial weights, after it took over what it could."""
    config = tiny(name, {"start_from": run, "start_with": wanted or ("all",)}, **options)
    config = pinned(config)
    method = build(config, seed=5)
    return method, config, take_over(method, config)


def taken(method: Method[Any], run: Path) -> set[str]:
    """Networks whose weights are those of a run, bit for bit."""
    there = load_file(find_checkpoint(run) / "method.safetensors")
    mine = method.state_dict()
    names = {name for name, net in method.named_children() if net.state_dict()}
    alike = {key for key, value in mine.items() if key in there and torch.equal(there[key], value)}
    return {name for name in names if all(key in alike for key in mine if key.startswith(f"{name}."))}


def test_all_that_fits(run_directory: Runs) -> None:
    run = run_directory("transgaga")
    method, config, said = beginning(run)
    assert taken(method, run) >= {"E_g", "vae", "phi", "D", "pca"}
    assert said == f"networks of {run}/checkpoints/step-000000001: E_g, vae, phi, D, pca"
    assert config.train.start_from == run / "checkpoints/step-000000001"
    assert all(p.requires_grad for net in (method.E_g, method.D) for p in net.parameters())  # type: ignore[union-attr]


def test_a_network_is_taken_whole_or_not_at_all(run_directory: Runs) -> None:
    """Twice the appearance code: the detectors are the same, what sees the code is another."""
    run = run_directory("transgaga")
    method, _, said = beginning(run, code=16)
    assert taken(method, run) == {"E_g", "pca", "pool"}  # the pools are empty in both
    assert "step-000000001: E_g, pca; left out: vae: " in said
    assert "vae: a.E_a.mu.weight is 8 x 16 there, 16 x 16 here" in said
    assert "phi: " in said
    fresh = build(tiny("transgaga", code=16), seed=5).state_dict()
    for key, value in method.state_dict().items():
        if key.startswith(("vae", "phi", "D.")):
            assert torch.equal(value, fresh[key]), key


def test_chosen_networks(run_directory: Runs) -> None:
    run = run_directory("transgaga")
    method, _, said = beginning(run, "transgaga", "E_g", "vae")
    assert taken(method, run) & {"E_g", "vae", "phi", "D"} == {"E_g", "vae"}
    assert said.endswith("step-000000001: E_g, vae")


def test_another_method_may_give_a_network(run_directory: Runs) -> None:
    run = run_directory("cut")
    method, _, said = beginning(run, "gcgan", "G", antialias=True)
    there = load_file(find_checkpoint(run) / "method.safetensors")
    assert all(torch.equal(value, there[f"G.{key}"]) for key, value in method.G.state_dict().items())  # type: ignore[union-attr]
    assert said.endswith(": G")


def test_the_weights_are_those_that_were_trained_not_their_averages(run_directory: Runs) -> None:
    run = run_directory("transgaga")
    method, _, _ = beginning(run)
    averages = load_file(find_checkpoint(run) / "averages.safetensors")
    state = method.state_dict()
    assert all(not torch.equal(value, state[key]) for key, value in averages.items() if key.endswith("head.weight"))


@pytest.mark.parametrize(
    ("name", "wanted", "options", "message"),
    [
        ("transgaga", ("C",), {}, "train.start_with=C: transgaga has no such network; .*E_g"),
        (
            "transgaga",
            ("vae",),
            {"code": 16},
            "train.start_with=vae: that of .*step-000000001 does not fit, a.E_a.mu",
        ),
        ("cyclegan", (), {}, "train.start_from=.*step-000000001: no network there fits this run .*it is not there"),
        (
            "transgaga",
            ("phi",),
            {"stages": (0.0, 0.5)},
            "transgaga with these settings does not train E_g, vae: give a",
        ),
    ],
)
def test_what_cannot_be_taken(
    name: str, wanted: tuple[str, ...], options: dict[str, Any], message: str, run_directory: Runs
) -> None:
    with pytest.raises(UserError, match=message) as error:
        beginning(run_directory("transgaga"), name, *wanted, **options)
    assert "\n" not in str(error.value)


def test_without_a_run_nothing_is_taken() -> None:
    config = tiny("transgaga")
    method = build(config)
    before = {key: value.clone() for key, value in method.state_dict().items()}
    assert take_over(method, pinned(config)) == ""
    assert all(torch.equal(before[key], value) for key, value in method.state_dict().items())
    skipping = tiny("transgaga", stages=(0.0, 0.5))
    with pytest.raises(UserError, match=r"does not train E_g, vae: give a run that did with train\.start_from=RUN"):
        take_over(build(skipping), skipping)


def test_averages_begin_with_what_was_taken(run_directory: Runs, tmp_path: Path) -> None:
    method, config, _ = beginning(run_directory("transgaga"))
    play = trainer(config, tmp_path, method, source_for(config))
    for key, value in play.averages.state().items():
        assert torch.equal(value, method.state_dict()[key])


def test_the_last_checkpoint_of_a_phase_is_kept(tmp_path: Path) -> None:
    """And a run that starts from it with the rest of the stages has its detectors and components to the end."""
    stages = {"steps": 6, "save_every": 1, "keep": 1, "batch": 2}
    config = tiny("transgaga", stages, stages=(0.5, 0.2))
    play = trainer(config, tmp_path, build(config), source_for(config))
    stream = play.source.batch
    for step in range(6):
        play.train_step(stream(step))
        play.save()
    assert [path.name for path in checkpoints(tmp_path)] == [f"step-{n:09d}" for n in (3, 4, 6)]
    ends = [json.loads((path / "training.json").read_text()) for path in checkpoints(tmp_path)]
    assert [(end["phase"], end["last_of_phase"]) for end in ends] == [
        ("disentangle", True), ("translate", True), ("joint", False),
    ]  # fmt: skip
    first = tmp_path / "checkpoints/step-000000003"
    method, config, _ = beginning(first, stages=(0.0, 0.5))
    assert taken(method, first) >= {"E_g", "vae", "phi", "pca"}
    (tmp_path / "new").mkdir()
    play = trainer(replace(config, train=replace(config.train, steps=2)), tmp_path / "new", method, source_for(config))
    play.train_step(play.source.batch(0))
    assert play.phase == "translate"
    assert method.pca.a.fitted  # type: ignore[union-attr]
    assert {"E_g", "vae"} <= taken(method, first)
    assert "phi" not in taken(method, first)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("drawn") / "data")


def call(*arguments: object) -> int:
    return main.run(["train", *map(str, arguments)])


def test_on_the_command_line(
    run_directory: Runs, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    """Stages 2 and 3 after another run's first: the detectors stay; resumed and repeated it is the same run."""
    source = tmp_path / "first"
    shutil.copytree(run_directory("transgaga"), source)
    monkeypatch.chdir(tmp_path)
    short = ("--preset", "tiny", "--steps", 4, "--device", "cpu", "--train.save-every", 2, "--train.keep", 0)
    short = (*short, "--train.start-from", "first", "--method.stages", 0, 0.5)
    assert call("transgaga", data, "-o", "whole", *short) == 0
    assert f"networks of {source}/checkpoints/step-000000001: E_g, vae, phi, D, pca" in capsys.readouterr().err
    assert "networks of" in (tmp_path / "whole/run.log").read_text()
    settings = yaml.safe_load((tmp_path / "whole/config.yaml").read_text())
    assert settings["train"]["start_from"] == str(source / "checkpoints/step-000000001")
    last = "checkpoints/step-000000004/method.safetensors"
    there, end = load_file(find_checkpoint(source) / "method.safetensors"), load_file(tmp_path / "whole" / last)
    assert all(torch.equal(end[key], value) for key, value in there.items() if key.startswith("E_g."))

    shutil.copytree("whole", "resumed")
    shutil.rmtree("resumed/checkpoints/step-000000004")
    shutil.copytree("whole", "killed")
    shutil.rmtree("killed/checkpoints")  # before its first checkpoint: it must start from the same networks again
    assert call("--config", "whole/config.yaml", "-o", "repeated") == 0
    for name in ("resumed", "killed", "repeated"):
        if name != "repeated":
            assert call("--resume", name) == 0
        again = load_file(tmp_path / name / last)
        assert all(torch.equal(end[key], again[key]) for key in end), name
    capsys.readouterr()

    shutil.rmtree(source)
    assert call("--resume", "resumed") == 0  # what was taken is in its checkpoints
    assert call("--config", "whole/config.yaml", "-o", "late") == 2
    assert call("transgaga", data, "-o", "late", *short) == 2
    assert call("transgaga", data, "-o", "late", "--preset", "tiny", "--method.stages", 0, 0.5) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert [line for line in lines if "first" in line and "not a run directory" in line]
    assert lines[-1].startswith("instar: transgaga with these settings does not train E_g, vae: give a run")
    assert not (tmp_path / "late").exists()
