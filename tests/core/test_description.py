"""Descriptions that are at hand without PyTorch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from instar.core import registry
from instar.core.describe import describe
from instar.core.description import description


@pytest.mark.parametrize("name", registry.names())
def test_what_the_package_says_is_what_the_code_says(name: str) -> None:
    assert description(name) == describe(name)


def test_a_method_of_a_file_is_looked_at() -> None:
    name = registry.register(Path(__file__).parents[2] / "examples/l1_unet.py")
    assert description(name) == describe(name)


def test_the_list_of_methods_needs_no_pytorch() -> None:
    code = "import sys; from instar.cli.main import run; run(['methods']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "CUT" in done.stdout or "cut" in done.stdout
