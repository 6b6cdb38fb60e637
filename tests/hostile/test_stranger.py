"""A run directory of a stranger, out of a tar of attacks, is used without running code or touching what is outside."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tarfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import yaml
from engine.processes import draw

from hostile.figures import Found
from instar.cli import main

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no links and pipes")
EXTRACTOR = ("--extractor", "evaluation.parts:colours")
CODE = "import pathlib\npathlib.Path(__file__).with_name('PWNED').touch()\n"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images and a run of four steps on them."""
    folder = tmp_path_factory.mktemp("original")
    draw(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSTAR_CACHE", str(tmp_path_factory.mktemp("cache")))
        flags = ["--preset", "tiny", "--steps", "4", "--device", "cpu", "--train.save-every", "2"]
        assert main.run(["train", "pix2pix", str(folder / "data"), "-o", str(folder / "run"), *flags]) == 0
    return folder


def links_instead_of_folders(run: Path, victim: Path) -> None:
    for name in ("samples", "tensorboard"):
        shutil.rmtree(run / name)
        (run / name).symlink_to(victim)


def checkpoints_elsewhere(run: Path, victim: Path) -> None:
    shutil.copytree(run / "checkpoints", victim, dirs_exist_ok=True)
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").symlink_to(victim)


def links_instead_of_files(run: Path, victim: Path) -> None:
    for name in ("metrics.jsonl", "run.log", ".lock"):
        (run / name).unlink()
        (run / name).symlink_to(victim / "theirs.txt")
    for step in range(3, 9):
        (run / "samples" / f"step-{step:09d}.png").unlink(missing_ok=True)
        (run / "samples" / f"step-{step:09d}.png").symlink_to(victim / "theirs.txt")


def dangling_links(run: Path, victim: Path) -> None:
    for name in ("metrics.jsonl", "run.log"):
        (run / name).unlink()
        (run / name).symlink_to(victim / f"new-{name}")


def hard_links(run: Path, victim: Path) -> None:
    for name in ("metrics.jsonl", "run.log"):
        (run / name).unlink()
        os.link(victim / "theirs.txt", run / name)


def links_among_checkpoints(run: Path, victim: Path) -> None:
    for name in (".step-000000006", ".old-step-000000001", "step-000000000", "step-000000001", "step-000000009", ".x"):
        (run / "checkpoints" / name).symlink_to(victim)
    (run / "checkpoints" / ".step-000000005").mkdir()
    (run / "checkpoints" / ".step-000000005" / "link").symlink_to(victim)


def pipes(run: Path, _: Path) -> None:
    for name in ("metrics.jsonl", "run.log"):
        (run / name).unlink()
        os.mkfifo(run / name)


def pipes_in_the_checkpoint(run: Path, _: Path) -> None:
    for name in ("training.json", "images.txt"):
        (run / "checkpoints" / "step-000000004" / name).unlink()
        os.mkfifo(run / "checkpoints" / "step-000000004" / name)


def code(setting: str) -> Callable[[Path, Path], None]:
    def attack(run: Path, _: Path) -> None:
        for path in (run / "config.yaml", run / "checkpoints" / "step-000000004" / "config.yaml"):
            config = yaml.safe_load(path.read_text())
            config["train"].update(score_every=1, score_with=setting)
            path.write_text(yaml.safe_dump(config))
        for folder in run.glob("checkpoints/step-*"):
            (folder / "SHA256SUMS").unlink()
        for name in ("stranger", "sitecustomize", "yaml", "pix2pix", "safetensors"):
            (run / f"{name}.py").write_text(CODE)

    return attack


def code_of_a_method(run: Path, _: Path) -> None:
    (run / "stranger.py").write_text(CODE)
    for path in (run / "config.yaml", *run.glob("checkpoints/step-*/config.yaml")):
        path.write_text(f"code: {run}/stranger.py\n{path.read_text()}")
    for folder in run.glob("checkpoints/step-*"):
        (folder / "SHA256SUMS").unlink()


def yaml_of_python(run: Path, _: Path) -> None:
    (run / "config.yaml").write_text(f"!!python/object/apply:os.system ['touch {run}/PWNED']\n")


ATTACKS: dict[Callable[[Path, Path], None], int] = {
    links_instead_of_folders: 2,
    checkpoints_elsewhere: 2,
    links_instead_of_files: 2,
    dangling_links: 0,
    hard_links: 0,
    links_among_checkpoints: 0,
    pipes: 0,
    pipes_in_the_checkpoint: 2,
    code("os:system=touch PWNED"): 2,
    code("stranger:Net"): 2,
    code_of_a_method: 0,
    yaml_of_python: 2,
}
"""What is done to a run, and the exit code of resuming it."""


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All that is in a folder: modes and contents."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        found[str(path.relative_to(folder))] = (mode, path.read_bytes() if stat.S_ISREG(mode) else b"")
    return found


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_attacks(
    attack: Callable[[Path, Path], None],
    original: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    campaign: Callable[[str], AbstractContextManager[Found]],
) -> None:
    with campaign("a stranger's run, out of a tar") as found:
        found.case(attack.__name__)
        try_out(attack, original, tmp_path, monkeypatch, capsys)


def try_out(
    attack: Callable[[Path, Path], None],
    original: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Make the run of the attack, use it, and look that nothing else has changed."""
    work = tmp_path / "work"
    victim, made = tmp_path / "victim", tmp_path / "made" / "run"
    (victim / ".ssh").mkdir(parents=True)
    (victim / ".ssh" / "key").write_text("secret")
    (victim / "theirs.txt").write_text("theirs\n")
    shutil.copytree(original / "run", made)
    attack(made, victim)
    with tarfile.open(tmp_path / "run.tar", "w") as tar:
        tar.add(made, "run")
    work.mkdir()
    with tarfile.open(tmp_path / "run.tar") as tar:
        tar.extractall(work, filter="fully_trusted")
    if attack is hard_links:  # in a tar they would be files of their own
        hard_links(work / "run", victim)
    before = snapshot(victim)
    monkeypatch.chdir(work / "run")
    there = set(sys.modules)

    run, data = str(work / "run"), str(original / "data")
    resumed = main.run(["train", "--resume", run, "--steps", "6"])
    said = capsys.readouterr().err
    if ATTACKS[attack] == 2:
        assert resumed == 2
        assert said.startswith("instar: ")
        assert said.count("\n") == 1
    else:
        assert resumed == 0, said
    if resumed == 0:
        assert (work / "run" / "checkpoints" / "step-000000006").is_dir()
    translated = main.run(["translate", run, f"{data}/testA/0000.png", "-o", str(tmp_path / "out"), "--device", "cpu"])
    evaluated = main.run(["evaluate", run, data, *EXTRACTOR, "--device", "cpu"])
    assert {translated, evaluated} <= {0, 2}

    assert snapshot(victim) == before
    assert not list(tmp_path.rglob("PWNED"))
    assert not {"stranger", "sitecustomize"} & (set(sys.modules) - there)
    assert {path.name for path in tmp_path.iterdir()} <= {"work", "victim", "made", "run.tar", "out"}


def edited(change: Callable[[dict[str, Any]], None]) -> Callable[[str], str]:
    def edit(text: str) -> str:
        config = yaml.safe_load(text)
        change(config)
        return yaml.safe_dump(config)

    return edit


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 15))
CONFIGS: dict[str, Callable[[str], str]] = {
    "nested": lambda text: text + "x: " + "[" * 20_000,
    "bomb": lambda text: text + BOMB,
    "bomb as a value": lambda text: BOMB + text.replace("seed: 0", "seed: *a14"),
    "bomb as a method": lambda text: BOMB + text.replace("name: pix2pix", "name: *a14"),
    "markup as a name": edited(lambda config: config.update(name="[/link]")),
    "a name of a megabyte": edited(lambda config: config.update(name="x" * 10**6)),
    "a key of lines": edited(lambda config: config.update({"x\ny\x1b[31m": 1})),
    "width": edited(lambda config: config["method"].update(width=100_000)),
    "widths that add up": edited(lambda config: config["method"].update(width=65_536)),
    "depth": edited(lambda config: config["method"].update(patch_layers=10**7)),
    "downs": edited(lambda config: config["method"].update(downs=10**7)),
    "nan": edited(lambda config: config["method"]["optim"].update(lr=float("nan"))),
    "a large file": lambda text: text + "#" * 2**21,
    "a nul": edited(lambda config: config["data"].update(roots=["a\0b"])),
    "no text": lambda _: "\0\x01",
}


@pytest.mark.parametrize("edit", CONFIGS)
def test_configs(edit: str, original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, soon, that names the file or the setting."""
    run, data = tmp_path / "[/link]run", original / "data"
    shutil.copytree(original / "run", run)
    for path in (run / "config.yaml", *run.glob("checkpoints/step-*/config.yaml")):
        path.write_text(CONFIGS[edit](path.read_text()))
    for folder in run.glob("checkpoints/step-*"):
        (folder / "SHA256SUMS").unlink()
    began = time.process_time()
    for arguments in (
        ("train", "--resume", run),
        ("train", "--config", run / "config.yaml", "-o", tmp_path / "new"),
        ("translate", run, data / "testA/0000.png", "-o", tmp_path / "out", "--device", "cpu"),
        ("evaluate", run, data, *EXTRACTOR, "--device", "cpu"),
        ("compare", run, "-o", tmp_path / "table", *EXTRACTOR),
    ):
        capsys.readouterr()
        assert main.run(list(map(str, arguments))) == 2, arguments
        said = capsys.readouterr().err
        assert said.startswith("instar: ")
        assert said.count("\n") == 1
        assert len(said) < 1000
        assert "\x1b" not in said
    assert time.process_time() - began < 60


def test_a_name_that_looks_like_markup(original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "[/link]run[bold]"
    shutil.copytree(original / "run", run)
    evaluated = ["evaluate", str(run), str(original / "data"), *EXTRACTOR, "--device", "cpu"]
    compared = ["compare", str(run), "-o", str(tmp_path / "[/table]"), *EXTRACTOR, "--device", "cpu"]
    for arguments in (evaluated, compared, ["train", "--resume", str(run), "--steps", "5"]):
        assert main.run(arguments) == 0
    assert "[/link]run[bold]" in capsys.readouterr().out.replace("\n", "")  # the line is as wide as the terminal


def test_deep_json(original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    shutil.copytree(original / "run", run)
    for folder in run.glob("checkpoints/step-*"):
        (folder / "SHA256SUMS").unlink()
        (folder / "training.json").write_text("[" * 100_000)
    (run / "metrics.jsonl").write_text("[" * 100_000 + "\n")
    assert main.run(["train", "--resume", str(run)]) == 2
    said = capsys.readouterr().err
    assert "training.json: damaged" in said.splitlines()[-1]
    assert "Traceback" not in said
