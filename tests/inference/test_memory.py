from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.inference import memory
from instar.inference.memory import cost, free_bytes


def bytes_of(run: nn.Module, side: int = 64) -> float:
    with torch.no_grad():
        return cost(run, torch.zeros(1, 2, side, side)).bytes


def test_bytes_are_the_most_that_are_alive_at_a_time() -> None:
    def chain(x: Tensor) -> Tensor:
        for _ in range(5):  # each result replaces the one before it: two are alive at a time
            x = x + 1
        return x

    def kept(x: Tensor) -> Tensor:
        return torch.stack([x + i for i in range(5)]).sum(0)  # five, and as much again joined

    assert bytes_of(chain) == 2 * 4 * 3
    assert bytes_of(kept) == 2 * 4 * 11
    assert bytes_of(lambda x: x.flatten(2).transpose(1, 2)) == 2 * 4  # views take nothing
    assert bytes_of(lambda x: nnf.relu(x + 1, inplace=True).mul_(2)) == 2 * 4 * 2


def test_bytes_do_not_depend_on_the_size() -> None:
    net = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 3, padding=1)).requires_grad_(False)
    assert bytes_of(net, 64) == bytes_of(net, 128) > 4 * (2 + 8 + 8)


def test_a_container_has_what_its_limit_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "GROUP", tmp_path)
    without = free_bytes(torch.device("cpu"))
    assert without > 0
    (tmp_path / "memory.max").write_text("3000\n")
    (tmp_path / "memory.current").write_text("2500\n")
    (tmp_path / "memory.stat").write_text("anon 1400\ninactive_file 700\n")
    assert free_bytes(torch.device("cpu")) == 3000 - 2500 + 700
    (tmp_path / "memory.max").write_text("max\n")
    assert free_bytes(torch.device("cpu")) > 3000
