"""A run directory of a stranger, out of a tar of attacks, is used without running code or touching what is outside."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tarfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

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
