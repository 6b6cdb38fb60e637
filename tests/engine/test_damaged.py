"""Checkpoints that are not as they were written are refused in one line that names the file and the last whole one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from instar.core.digests import SUMS
from instar.core.errors import UserError
from instar.core.run import checkpoints, last_whole, load_method, write_config
from instar.testing.runs import build, source_for, tiny, trainer

CONFIG = tiny("pix2pix", {"steps": 4, "save_every": 2})
TENSORS = ("method.safetensors", "averages.safetensors", "optimizers.safetensors")
FILES = (*TENSORS, "config.yaml", "training.json")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("original") / "run"
    run.mkdir()
    write_config(CONFIG, run)
    trainer(CONFIG, run, build(CONFIG), source_for(CONFIG)).fit()
    return run


@pytest.fixture(params=["with digests", "of an earlier version"])
def run(request: pytest.FixtureRequest, original: Path, tmp_path: Path) -> Path:
    run = shutil.copytree(original, tmp_path / "run")
    if request.param == "of an earlier version":
        for folder in checkpoints(run):
            (folder / SUMS).unlink()
    return run


def resume(run: Path) -> None:
    trainer(CONFIG, run, build(CONFIG), source_for(CONFIG)).resume()


def translate(run: Path) -> None:
    load_method(run)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def become_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


KINDS: dict[str, Callable[[Path], Any]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "garbage": lambda path: path.write_bytes(b"\x00\xff{[: " * 500),
    "a bit": flip,
    "a folder": become_a_folder,
    "a pipe": become_a_pipe,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FILES)
def test_damaged_files(name: str, kind: str, run: Path) -> None:
    whole, last = checkpoints(run)
    old = not (last / SUMS).exists()
    if old and kind in ("a bit", "cut") and name not in TENSORS:
        pytest.skip("a text of which nothing is known may be right")
    if old and kind == "a bit":
        pytest.skip("nobody can know")
    if old and name == "averages.safetensors" and kind == "missing":
        pytest.skip("a run without averages")
    KINDS[kind](last / name)
    uses = {"resume": resume, "translate": translate}
    if name in ("optimizers.safetensors", "training.json") or (name == "method.safetensors" and kind == "a bit"):
        del uses["translate"]  # which needs none of them, and of the weights only names: the averages translate
    if name == "config.yaml":
        del uses["resume"]  # its settings are looked at before, see tests/api
    for use in uses.values():
        with pytest.raises(UserError) as caught:
            use(run)
        said = str(caught.value)
        assert "\n" not in said
        assert str(last / name) in said
        if name != "config.yaml" or kind not in ("missing", "a folder", "a pipe"):
            assert f"the last whole checkpoint is {whole}; give that" in said
    if name != "config.yaml":
        assert last_whole(run) == whole


def rewritten(path: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


NUMBERS: dict[str, Callable[[dict[str, torch.Tensor]], Any]] = {
    "nan": lambda tensors: next(iter(tensors.values())).view(-1)[0].fill_(float("nan")),
    "infinity": lambda tensors: [value.fill_(float("inf")) for value in tensors.values()],
    "shape": lambda tensors: tensors.update({next(iter(tensors)): torch.zeros(1, 2, 3)}),
    "name": lambda tensors: tensors.update(unknown=torch.zeros(1)),
    "less": lambda tensors: tensors.pop(next(iter(tensors))),
}


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("name", TENSORS)
def test_numbers_of_an_earlier_version(name: str, kind: str, original: Path, tmp_path: Path) -> None:
    """Without digests: what is not finite, and what belongs to other networks."""
    run = shutil.copytree(original, tmp_path / "run")
    whole, last = checkpoints(run)
    (last / SUMS).unlink()
    rewritten(last / name, NUMBERS[kind])
    with pytest.raises(UserError, match=rf"{last}.*the last whole checkpoint is {whole}"):
        resume(run)
    if name == "averages.safetensors" or (name, kind) == ("method.safetensors", "name"):
        with pytest.raises(UserError, match=rf"{last}.*the last whole checkpoint is {whole}"):
            translate(run)
    else:  # the averages are whole
        intact = load_method(checkpoints(original)[-1])[0].state_dict()
        found = load_method(run)[0].state_dict()
        assert all(torch.equal(intact[name], found[name]) for name in intact)


@pytest.mark.parametrize(
    "change",
    [
        {"step": "4"}, {"step": -1}, {"step": None}, {"phase": 3}, {"seconds": []}, {"meter": []}, {"meter": {"G": 1}},
        {"meter": {"G": [1.0, 0]}}, {"counts": {"domains": [0.5]}}, {"best": [4]}, {"bad_steps": {}},
        {"memory": "much"},
    ],
)  # fmt: skip
def test_values_of_an_earlier_version(change: dict[str, Any], original: Path, tmp_path: Path) -> None:
    run = shutil.copytree(original, tmp_path / "run")
    last = checkpoints(run)[-1]
    (last / SUMS).unlink()
    training = json.loads((last / "training.json").read_text())
    (last / "training.json").write_text(json.dumps(training | change))
    with pytest.raises(UserError, match=rf"{last}/training\.json: damaged: it does not say where the run stood; the"):
        resume(run)


def test_an_earlier_version_goes_on(original: Path, tmp_path: Path) -> None:
    run = shutil.copytree(original, tmp_path / "run")
    for folder in checkpoints(run):
        (folder / SUMS).unlink()
    resume(run)
    translate(run)


def test_none_is_whole(original: Path, tmp_path: Path) -> None:
    run = shutil.copytree(original, tmp_path / "run")
    for folder in checkpoints(run):
        flip(folder / "method.safetensors")
    with pytest.raises(UserError, match=r"damaged or changed since it was written \(its SHA-256.*\)$"):
        resume(run)
    assert last_whole(run) is None
