"""Gradients become means over the processes while they are made."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from instar.engine import exchange
from instar.engine.exchange import averaged

SHARED = """
import sys
from types import SimpleNamespace
import torch
from torch import distributed, nn
from instar.engine import exchange

rank, path = int(sys.argv[1]), sys.argv[2]
distributed.init_process_group("gloo", rank=rank, world_size=2)
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3), nn.Linear(3, 2))
unused = nn.Linear(2, 2)
parameters = [*unused.parameters(), *net.parameters()]
for exchange.BUCKET in (1, 200, 25_000_000):
    for parameter in parameters:
        parameter.grad = None
    for part in range(2):  # two parts of a batch: only after the last one is anything sent
        loss = net(torch.randn(4, 5, generator=torch.Generator().manual_seed(10 * rank + part))).square().sum()
        if part == 0:
            torch.autograd.backward(loss, inputs=parameters)
            continue
        with exchange.averaged(SimpleNamespace(world_size=2), parameters):
            torch.autograd.backward(loss, inputs=parameters)
    assert all(parameter.grad is None for parameter in unused.parameters())
    torch.save([parameter.grad.clone() for parameter in net.parameters()], f"{path}/{exchange.BUCKET}-{rank}.pt")
"""


def test_two_processes_get_the_mean(tmp_path: Path) -> None:
    """Bit for bit, whatever goes together: a sum of two numbers, halved."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    started = [subprocess.Popen([sys.executable, "-c", SHARED, str(rank), str(tmp_path)], env=env) for rank in range(2)]
    assert [process.wait(600) for process in started] == [0, 0]
    for bucket in (1, 200, 25_000_000):
        one, two = (torch.load(tmp_path / f"{bucket}-{rank}.pt") for rank in range(2))
        for here, there, wanted in zip(one, two, expected(), strict=True):
            assert torch.equal(here, there)
            assert torch.equal(here, wanted)


def expected() -> list[Tensor]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3), nn.Linear(3, 2))
    sums = []
    for rank in range(2):
        for parameter in net.parameters():
            parameter.grad = None
        for part in range(2):
            x = torch.randn(4, 5, generator=torch.Generator().manual_seed(10 * rank + part))
            net(x).square().sum().backward()
        sums.append([parameter.grad for parameter in net.parameters()])
    return [(a + b) / 2 for a, b in zip(*sums, strict=True)]  # type: ignore[operator]


class Sent:
    """In place of the processes: notes what is sent, and when."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def all_reduce(self, flat: Tensor, async_op: bool) -> Any:
        assert async_op
        self.sizes.append(flat.numel())
        flat.mul_(2)  # two processes with equal gradients
        return SimpleNamespace(wait=lambda: None)


def test_buckets_go_while_the_pass_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the last layers first, as soon as they are complete."""
    sent, seen = Sent(), []
    monkeypatch.setattr(exchange, "distributed", sent)
    monkeypatch.setattr(exchange, "BUCKET", 4 * 30)
    net = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 5))
    net(torch.ones(1, 5)).sum().backward()
    wanted = [parameter.grad for parameter in net.parameters()]
    net.zero_grad()
    fabric: Any = SimpleNamespace(world_size=2)
    with averaged(fabric, [*net.parameters()]):
        hidden = net[0](torch.ones(1, 5))
        hidden.register_hook(lambda _: seen.append(len(sent.sizes)))
        net[2](net[1](hidden)).sum().backward()
        assert sent.sizes == [30, 30, 30]
    assert seen == [2], "the gradients of the last two layers are on their way when the first is reached"
    assert all(torch.equal(one, two.grad) for one, two in zip(wanted, net.parameters(), strict=True))


def test_one_process_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "distributed", None)
    layer = nn.Linear(1, 1)
    one: Any = SimpleNamespace(world_size=1)
    with averaged(one, [*layer.parameters()]):
        layer(torch.ones(1, 1)).sum().backward()
    assert layer.weight.grad is not None
