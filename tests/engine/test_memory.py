import subprocess
import sys

import pytest
import torch

from engine.processes import INSTAR
from instar.engine import memory


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="not told elsewhere")
def test_the_peak_stays_when_memory_is_freed() -> None:
    code = """
import torch
from instar.engine.memory import peak_memory
cpu = torch.device("cpu")
before = peak_memory(cpu)
torch.ones(2**26)
print(before, peak_memory(cpu))
"""
    before, after = map(int, subprocess.run([INSTAR[0], "-c", code], capture_output=True, check=True).stdout.split())
    assert before > 20e6
    assert 0.9 * 2**28 < after - before < 1.2 * 2**28


@pytest.mark.skipif(sys.platform != "linux", reason="as Linux counts")
def test_the_peak_is_not_that_of_the_process_that_started_this_one() -> None:
    code = "import torch; from instar.engine.memory import peak_memory; print(peak_memory(torch.device('cpu')))"
    large = torch.ones(2**28)
    peak = int(subprocess.run([INSTAR[0], "-c", code], capture_output=True, check=True).stdout)
    assert peak < large.nbytes


def test_where_it_cannot_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.sys, "platform", "win32")
    assert memory.peak_memory(torch.device("cpu")) == 0
