import subprocess
import sys

import pytest

from engine.processes import INSTAR
from instar.engine import memory


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_big_blocks_are_kept() -> None:
    """Freed and asked for again, a block of 64 MB costs fewer new pages."""
    code = """
import resource, torch
from instar.engine.memory import keep_freed_memory
if {keep}: keep_freed_memory()
for _ in range(10): torch.ones(2**24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10): torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    faults = {
        keep: int(subprocess.run([INSTAR[0], "-c", code.format(keep=keep)], capture_output=True, check=True).stdout)
        for keep in (False, True)
    }
    assert faults[True] < 0.5 * faults[False], faults


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(memory.ctypes, "CDLL", missing)
    memory.keep_freed_memory()
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert memory.keep_freed_memory() is None
