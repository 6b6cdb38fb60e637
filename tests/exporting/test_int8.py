"""Models of 8-bit integers."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from engine.processes import draw
from PIL import Image

import instar
from instar.core.errors import UserError
from instar.exporting.report import MOST

RUN_AND_SIGNAL = """
import signal, sys
import instar
run, out = sys.argv[1:]
found = instar.export(run, out, to="openvino", int8=True)
print(max(one.largest for one in found.parity), found.bytes)
seen = []
signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
signal.raise_signal(signal.SIGINT)
assert seen == [signal.SIGINT]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of one step, for the images belong to it."""
    folder = tmp_path_factory.mktemp("int8")
    data = draw(folder / "data", 6, 2, 40)
    return instar.train("cut", data, out=folder / "run", preset="tiny", steps=1, device="cpu", size=32).run


def test_what_does_not_go_is_one_line(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    with pytest.raises(UserError, match=r"^int8 goes with to=openvino alone, not with to=onnx$"):
        instar.export(run, tmp_path / "m.onnx", int8=True)
    pytest.importorskip("openvino")
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(UserError, match=r"^exporting with int8 needs nncf: pip install '\.\[onnx,openvino,int8\]'$"):
        instar.export(run, tmp_path / "m.xml", to="openvino", int8=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_it_is_smaller_and_says_how_it_differs(run: Path, tmp_path: Path) -> None:
    """In a process of its own, which a signal must not kill: NNCF makes cores of OpenVINO of its own."""
    for needed in ("nncf", "openvino", "onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(needed)
    plain = instar.export(run, tmp_path / "plain.xml", to="openvino")
    out = tmp_path / "int8.xml"
    command = [sys.executable, "-c", RUN_AND_SIGNAL, str(run), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert (done.returncode, done.stderr) == (0, "")
    largest, size = map(float, done.stdout.split())
    assert MOST < largest < 0.5
    assert size == sum(out.with_suffix(suffix).stat().st_size for suffix in (".bin", ".xml"))
    # The description of a network grows by that of its ranges, which counts in one as small as this.
    assert out.with_suffix(".bin").stat().st_size < 0.5 * plain.path.with_suffix(".bin").stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir()) == ["int8.bin", "int8.xml", "plain.bin", "plain.xml"]
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    one, two = (
        np.asarray(instar.load(path).translate(Image.fromarray(pixels)), np.float64) for path in (out, plain.path)
    )
    assert 0 < np.abs(one - two).mean() < 16


def test_without_the_images_of_the_run_it_is_refused(run: Path, tmp_path: Path) -> None:
    for needed in ("nncf", "openvino", "onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(needed)
    data = run.parent / "data"
    data.rename(run.parent / "elsewhere")
    try:
        with pytest.raises(UserError, match=r"there is no such folder|those of this run are not there"):
            instar.export(run, tmp_path / "m.xml", to="openvino", int8=True)
    finally:
        (run.parent / "elsewhere").rename(data)
    assert list(tmp_path.iterdir()) == []
