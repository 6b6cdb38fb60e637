"""What OpenVINO leaves in a process."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import instar
from instar.exporting.formats import FORMATS
from instar.inference.translator import Translator

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("openvino")

Runs = Callable[..., Path]
SIGNAL = """
import signal, sys
import instar
from PIL import Image
first, second = instar.load(sys.argv[1]), instar.load(sys.argv[1])
assert first.translate(Image.new("RGB", (40, 30))).size == (40, 30)
del first, second  # in the order of their start
seen = []
signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
signal.raise_signal(signal.SIGINT)
assert seen == [signal.SIGINT]
assert instar.load(sys.argv[1]).translate(Image.new("RGB", (40, 30))).size == (40, 30)
"""


def test_a_signal_is_handled_after_models_have_gone(run_directory: Runs, tmp_path: Path) -> None:
    """A process of its own: it died of a segmentation fault."""
    run = instar.load(run_directory("cut"), "cpu")
    assert isinstance(run, Translator)
    file = tmp_path / "model.xml"
    FORMATS["openvino"].write(run, "b", file, "CC0")
    done = subprocess.run(
        [sys.executable, "-c", SIGNAL, str(file)], capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
