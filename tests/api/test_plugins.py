"""Methods of one's own: from a file, from a class, again in another process, and where they are missing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from engine.processes import draw, finish, state

import instar
from instar.cli import main
from instar.core import registry
from instar.core.errors import UserError

SHORT: dict[str, Any] = {"preset": "tiny", "steps": 4, "device": "cpu"}
FLAGS = ["--preset", "tiny", "--steps", "4", "--device", "cpu"]


@pytest.fixture(autouse=True)
def only_what_a_test_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("drawn") / "data")


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Path]:
    """The tutorial's method, in a file whose name is its own."""
    path = tmp_path / "my_gan.py"
    path.write_text((Path(__file__).resolve().parents[2] / "examples/l1_unet.py").read_text())
    yield path
    sys.modules.pop("instar_plugin_my_gan", None)


def forget() -> None:
    registry._registered.clear()


def call(*arguments: object) -> int:
    return main.run(list(map(str, arguments)))


def test_by_path_by_name_and_by_class_it_is_the_same_run(plugin: Path, data: Path, tmp_path: Path) -> None:
    one = instar.train(plugin, data, out=tmp_path / "one", **SHORT)
    two = instar.train("my-gan", data, out=tmp_path / "two", **SHORT)
    three = instar.train(instar.get("my-gan"), data, out=tmp_path / "three", **SHORT, devices=1)
    assert one.method == two.method == three.method == "my-gan"
    assert state(one.run) == state(two.run) == state(three.run)
    config = yaml.safe_load((one.run / "config.yaml").read_text())
    assert (config["name"], config["code"]) == ("my-gan", str(plugin))
    instar.load(one.run, "cpu")


def test_code_named_in_a_run_is_never_run(plugin: Path, data: Path, tmp_path: Path) -> None:
    run = instar.train(plugin, data, out=tmp_path / "run", **SHORT).run
    mark = tmp_path / "mark"
    plugin.write_text(plugin.read_text() + f"\nopen({str(mark)!r}, 'w')\n")
    forget()
    remedy = rf"give that file: instar\.register\('{plugin}'\)$"
    said = rf"^{run}/config\.yaml: its method 'my-gan' was made by {plugin}; {remedy}"
    with pytest.raises(UserError, match=said):
        instar.resume(run)
    with pytest.raises(UserError, match=said.replace(r"/config\.yaml", r"/checkpoints/step-000000004/config\.yaml")):
        instar.load(run)
    assert not mark.exists()
    instar.register(plugin)
    assert mark.exists()
    assert instar.resume(run).finished


def test_a_class_that_is_not_there(data: Path, tmp_path: Path) -> None:
    class OwnGAN(registry.get("cut")):  # type: ignore[misc]
        """A class made in a function."""

    run = instar.train(OwnGAN, data, out=tmp_path / "run", **SHORT).run
    forget()
    with pytest.raises(UserError, match=r"its method 'own-gan' was the class api\.test_plugins.*OwnGAN; register that"):
        instar.resume(run)
    instar.register(OwnGAN)
    assert instar.resume(run).finished


def test_on_the_command_line(
    plugin: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("train", "./my_gan.py", data, "-o", "run", *FLAGS, "--train.save-every", 2, "--train.keep", 0) == 0
    assert yaml.safe_load((tmp_path / "run/config.yaml").read_text())["code"] == str(plugin)
    whole = state(tmp_path / "run")
    (tmp_path / "run/checkpoints/step-000000004").rename(tmp_path / "gone")
    forget()
    capsys.readouterr()
    assert call("train", "--resume", "run") == 2
    said = f"run/config.yaml: its method 'my-gan' was made by {plugin}; give that file: --plugin {plugin}\n"
    assert capsys.readouterr().err == f"instar: {said}"
    assert call("--plugin", "my_gan.py", "train", "--resume", "run") == 0
    assert state(tmp_path / "run") == whole
    forget()
    assert call("translate", "run", data / "testA", "-o", "out", "--device", "cpu") == 2
    assert "--plugin" in capsys.readouterr().err
    assert call("translate", "run", data / "testA", "-o", "out", "--device", "cpu", "--plugin=my_gan.py") == 0
    assert len(list((tmp_path / "out").glob("*.png"))) == 4
    forget()
    assert call("methods", "--plugin", "my_gan.py") == 0
    assert "my-gan" in capsys.readouterr().out


def test_help_and_errors_of_a_file(plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call("train", plugin, "--help")
    out = capsys.readouterr().out
    assert f"usage: instar train {plugin}"[:60] in out.replace("\n", " ")
    assert "--method.downs" in out
    for arguments, said in (
        (("train", f"{plugin}x.py", "d", "-o", "r"), "my_gan.pyx.py: no such file"),
        (("--plugin", "nowhere.py", "methods"), "nowhere.py: no such file"),
        (("methods", "--plugin"), "FILE: no such file"),
    ):
        assert call(*arguments) == 2
        err = capsys.readouterr().err
        assert said in err
        assert err.count("\n") == 1


def test_two_processes(plugin: Path, data: Path, tmp_path: Path) -> None:
    two: dict[str, Any] = {**SHORT, "devices": 2, "batch": 2}
    run = instar.train(plugin, data, out=tmp_path / "run", **two).run
    code, err = finish(["train", plugin, data, "-o", tmp_path / "cli", *FLAGS, "--devices", 2, "--batch", 2])
    assert code == 0, err
    assert state(run) == state(tmp_path / "cli")


def test_a_class_of_a_module_of_the_callers_in_two_processes(plugin: Path, data: Path, tmp_path: Path) -> None:
    """A script beside the module: the processes look for it where the caller does."""
    code = f"""
import instar
from my_gan import L1UNet
result = instar.train(L1UNet, {str(data)!r}, out="run", preset="tiny", steps=2, device="cpu", devices=2, batch=2)
assert (result.method, result.finished) == ("l1-u-net", True)
"""
    (tmp_path / "script.py").write_text(code)
    command = [sys.executable, tmp_path / "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load((tmp_path / "run/config.yaml").read_text())["code"] == "my_gan:L1UNet"
