"""Finding and loading what a run left behind."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from instar.core.errors import UserError
from instar.core.run import (
    checkpoints,
    find_checkpoint,
    is_unused,
    load_method,
    read_config,
    run_of,
    write_config,
)
from instar.core.tensors import read_tensors
from instar.testing.runs import build, source_for, tiny, trainer


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    config = tiny("cyclegan", {"steps": 4, "save_every": 2})
    write_config(config, folder)
    trainer(config, folder, build(config), source_for(config)).fit()
    return folder


def test_checkpoints_oldest_first(run: Path, tmp_path: Path) -> None:
    assert [path.name for path in checkpoints(run)] == ["step-000000002", "step-000000004"]
    (tmp_path / "checkpoints" / ".step-000000006").mkdir(parents=True)  # killed while it was written
    (tmp_path / "checkpoints" / "step-000000008").symlink_to(run)
    assert checkpoints(tmp_path) == []


def test_run_of(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = checkpoints(run)[0]
    assert run_of(run) == (run, None)
    assert run_of(first) == (run, first)
    monkeypatch.chdir(first.parent)
    relative = Path(first.name)
    assert run_of(relative)[0].samefile(run)
    with pytest.raises(UserError, match="no such checkpoint; there is: step-000000002, step-000000004"):
        run_of(run / "checkpoints" / "step-000000003")
    with pytest.raises(UserError, match="not a run directory"):
        run_of(tmp_path)


def test_is_unused(run: Path, tmp_path: Path) -> None:
    assert is_unused(tmp_path / "new")
    assert is_unused(tmp_path)
    (tmp_path / ".lock").touch()
    (tmp_path / ".instar-0.tmp").touch()
    assert is_unused(tmp_path)
    (tmp_path / "notes.txt").touch()
    assert not is_unused(tmp_path)
    assert not is_unused(tmp_path / "notes.txt")
    assert not is_unused(run)


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of safetensors it would be no such file."""

    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "method.safetensors").touch()
    monkeypatch.setattr(os, "open", denied)
    for read, name in ((read_config, "config.yaml"), (read_tensors, "method.safetensors")):
        with pytest.raises(UserError, match=r"cannot be read \(.*Permission denied"):
            read(tmp_path / name)


def test_find_checkpoint(run: Path, tmp_path: Path) -> None:
    first, last = checkpoints(run)
    assert find_checkpoint(run) == last
    assert find_checkpoint(first) == first
    with pytest.raises(UserError, match="not a run directory"):
        find_checkpoint(tmp_path)
    write_config(tiny("cut"), tmp_path)
    with pytest.raises(UserError, match=rf"no checkpoint yet; train it on with: instar.resume\('{tmp_path}'\)"):
        find_checkpoint(tmp_path)


def test_load_method(run: Path) -> None:
    """Averages replace the networks that translate, and only those."""
    averaged, config = load_method(run)
    trained, _ = load_method(run, averaged=False)
    assert config.name == "cyclegan"
    assert not averaged.training
    assert not any(p.requires_grad for p in averaged.parameters())
    pairs = zip(averaged.state_dict().items(), trained.state_dict().values(), strict=True)
    differing = {name.split(".")[0] for (name, a), b in pairs if not torch.equal(a, b)}
    assert differing == {"G", "F"}


def test_damaged_weights(run: Path, tmp_path: Path) -> None:
    write_config(tiny("cyclegan"), tmp_path)
    (tmp_path / "method.safetensors").write_bytes((run / "config.yaml").read_bytes())
    with pytest.raises(UserError, match=r"method\.safetensors: cannot be read"):
        load_method(tmp_path)


def test_weights_of_another_method(run: Path, tmp_path: Path) -> None:
    write_config(tiny("cut"), tmp_path)
    weights = checkpoints(run)[0] / "method.safetensors"
    (tmp_path / "method.safetensors").write_bytes(weights.read_bytes())
    with pytest.raises(UserError, match="not the weights of cut"):
        load_method(tmp_path)


def test_weights_below_a_name_that_is_no_unicode(tmp_path: Path) -> None:
    """The library that reads them opens no such path."""
    folder = tmp_path / "\udcff\udcfe"
    folder.mkdir()
    save_file({"a": torch.arange(3.0)}, tmp_path / "x.safetensors")
    (tmp_path / "x.safetensors").rename(folder / "x.safetensors")
    assert torch.equal(read_tensors(folder / "x.safetensors")["a"], torch.arange(3.0))
