"""An exported model in place of a run, without PyTorch."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import torch
from PIL import Image

import instar
from instar.core.errors import UserError
from instar.exporting.onnx_file import write_onnx
from instar.inference.exported import ExportedTranslator
from instar.inference.model import Model
from instar.inference.translator import Translator

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

Runs = Callable[..., Path]
PIXELS = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
WITHOUT_TORCH = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision", "lightning_fabric", "safetensors"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""
"""As where PyTorch and what needs it are not installed."""


@pytest.fixture(scope="module")
def files(run_directory: Runs, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("exported")

    def made(name: str) -> Path:
        path = folder / f"{name}.onnx"
        if not path.exists():
            write_onnx(instar.load(run_directory(name), "cpu"), "b", path)
        return path

    return made


def without_torch(code: str, *arguments: object) -> str:
    """Run code in a process in which PyTorch cannot be imported, and return what it prints."""
    command = [sys.executable, "-c", WITHOUT_TORCH + dedent(code), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_translates_where_pytorch_is_not_installed(
    files: Callable[[str], Path], run_directory: Runs, tmp_path: Path
) -> None:
    np.save(tmp_path / "in.npy", PIXELS)
    code = """
        import instar, numpy
        from PIL import Image
        model = instar.load(sys.argv[1])
        pixels = numpy.load(sys.argv[2])
        numpy.savez(sys.argv[3], whole=model.translate(pixels), small=model.translate(pixels, size=24),
            image=numpy.asarray(model.translate(Image.fromarray(pixels))))
    """
    without_torch(code, files("cut"), tmp_path / "in.npy", tmp_path / "out.npz")
    run, found = instar.load(run_directory("cut"), "cpu"), np.load(tmp_path / "out.npz")
    assert np.abs(found["whole"].astype(int) - run.translate(PIXELS)).max() <= 1
    assert np.abs(found["small"].astype(int) - run.translate(PIXELS, size=24)).max() <= 1
    assert np.array_equal(found["whole"], found["image"])


def test_the_command_line_translates_and_reads_all_kinds_of_files_without_pytorch(
    files: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    image = Image.fromarray(PIXELS)
    for name, one in {"a.png": image, "b.jpg": image, "c.gif": image.convert("P"), "d.tif": image.convert("L")}.items():
        one.save(folder / name)
    Image.fromarray(PIXELS[:, :, 0].astype(np.uint16) * 257).save(folder / "e.png")
    code = """
        from instar.cli import main
        code = main.run(sys.argv[1:])
        assert "torch" not in sys.modules
        raise SystemExit(code)
    """
    without_torch(code, "translate", files("munit"), folder, "-o", tmp_path / "out", "--samples", "2", "--grid")
    assert len([path for path in (tmp_path / "out").iterdir() if "seed0" in path.name]) == 10
    assert (tmp_path / "out" / "grid.png").exists()
    without_torch(code, "translate", files("munit"), folder / "a.png", "-o", tmp_path / "way", "--interpolate", "3")
    assert (tmp_path / "way" / "a_seed0-0-to_seed0-1.gif").exists()


def test_what_needs_the_run_is_one_line_without_pytorch(files: Callable[[str], Path], tmp_path: Path) -> None:
    Image.fromarray(PIXELS).resize((90, 80)).save(tmp_path / "a.png")
    code = """
        from instar.cli import main
        sys.stderr = sys.stdout
        assert main.run(sys.argv[1:]) in (1, 2)
    """
    arguments = ("translate", files("munit"), tmp_path / "a.png", "-o", tmp_path / "out")
    said = without_torch(code, *arguments, "--reference", tmp_path / "a.png")
    assert said == ("instar: --reference: munit cannot do that as an exported model; use the run, if its method can\n")
    for tiles in (("--tile", "64"), ("--tile", "64", "--tile-statistics", "approximate")):
        said = without_torch(code, *arguments, *tiles)
        assert "exported graph takes whole images" in said


@pytest.mark.parametrize("name", ["munit", "tunit"])
def test_a_seed_draws_the_styles_of_the_run_where_they_are_normal(
    name: str, files: Callable[[str], Path], run_directory: Runs
) -> None:
    exported, run = instar.load(files(name)), instar.load(run_directory(name), "cpu")
    drawn = exported.styles(3, seed=7)
    assert drawn.shape == (3, exported.style_size)
    if exported.card.style_prior == "normal":  # type: ignore[attr-defined]
        assert np.abs(drawn - run.styles(3, seed=7).numpy()).max() < 1e-5
        assert np.abs(exported.translate(PIXELS, seed=7).astype(int) - run.translate(PIXELS, seed=7)).max() <= 1
    else:
        known = np.array(exported.card.styles, np.float32)  # type: ignore[attr-defined]
        assert all((known == style).all(1).any() for style in drawn)
    styled = exported.translate([Image.fromarray(PIXELS)] * 2, style=drawn[:2])
    assert np.array_equal(styled[1], exported.translate(Image.fromarray(PIXELS), style=drawn[1]))
    with pytest.raises(ValueError, match="expected a float style"):
        exported.translate(PIXELS, style=drawn[0, :-1])


def test_tensors_of_any_type_come_back_as_they_were(files: Callable[[str], Path]) -> None:
    exported = instar.load(files("cut"))
    x = torch.rand(2, 3, 33, 40) * 2 - 1
    for kind in (torch.float32, torch.float64, torch.float16):
        out = exported.translate(x.to(kind))
        assert (out.dtype, out.shape) == (kind, x.shape)
    assert torch.equal(exported.translate(x[0]), exported.translate(x)[0])


def test_dropout_is_a_function_of_the_seed_and_not_of_the_batch(files: Callable[[str], Path]) -> None:
    exported = instar.load(files("pix2pix"))
    image = Image.fromarray(PIXELS)
    first, second = exported.translate([image, image], seed=1)
    assert np.array_equal(first, second)
    assert np.array_equal(first, exported.translate(image, seed=1))
    assert not np.array_equal(first, exported.translate(image, seed=2))
    assert isinstance(exported, ExportedTranslator)
    (mask, *_) = exported.noise((1, 3, 256, 256), 0)
    p = exported.card.noise[0].p
    assert set(np.unique(mask).tolist()) == {0.0, float(np.float32(1) / np.float32(1 - p))}
    assert abs((mask == 0).mean() - p) < 5 * np.sqrt(p * (1 - p) / mask.size)


def test_what_the_graph_lacks_is_said(files: Callable[[str], Path]) -> None:
    exported, image = instar.load(files("cut")), Image.fromarray(PIXELS)
    for ask in (
        lambda: exported.style_of(image),
        lambda: exported.cluster(image),
        lambda: exported.attention(image),
        lambda: exported.between(image, image, count=2),
        lambda: exported.landmarks(image),
        lambda: exported.moved([image]),
    ):
        with pytest.raises(UserError, match=r"cut: an exported model cannot .*; use the run"):
            ask()


def test_both_kinds_of_translators_have_what_is_promised() -> None:
    assert not Translator.__abstractmethods__
    assert not ExportedTranslator.__abstractmethods__
    assert Model.__abstractmethods__  # what networks know of images is the translator's
