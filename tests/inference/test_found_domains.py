"""Domains that a method found itself, in Python and on the command line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import instar
from instar.cli import main
from instar.core.digests import write_sums
from instar.core.errors import UserError
from instar.core.run import find_checkpoint

Runs = Callable[..., Path]
rng = np.random.default_rng(0)


def picture(side: int = 32) -> Image.Image:
    return Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))


@pytest.fixture
def run(run_directory: Runs, tmp_path: Path) -> Path:
    """A run that has seen images of its domains 0 and 2."""
    folder = tmp_path / "run"
    shutil.copytree(run_directory("tunit"), folder)
    file = find_checkpoint(folder) / "method.safetensors"
    weights = load_file(file)
    rows = torch.zeros(4, 8 + 3)
    rows[:, :8] = torch.randn(4, 8, generator=torch.Generator().manual_seed(0)) * 3
    rows[[0, 1, 2, 3], [8, 8, 10, 10]] = 1
    weights["gallery.rows.rows"][-4:] = rows
    weights["gallery.rows.length"] = torch.tensor(4)
    save_file(weights, file)
    write_sums(file.parent)
    return folder


def test_a_domain_by_its_number(run: Path) -> None:
    model = instar.load(run, "cpu")
    assert model.own_domains() == [0, 2]
    image = picture()
    first, second = model.translate(image, "0"), model.translate(image, "2")
    assert first.tobytes() != second.tobytes()
    assert model.translate(image, style=model.style_to("2")).tobytes() == second.tobytes()
    assert model.style_to("zebra") is model.style_to(None) is None
    for name in ("1", "3"):
        with pytest.raises(UserError, match=f"^to={name}: this model found no such domain; those with images: 0, 2"):
            model.translate(image, name)
    with pytest.raises(UserError, match="translates to zebra, and its own domains are 0, 2"):
        model.translate(image, "lion")


def test_the_domain_of_an_image(run: Path) -> None:
    p = instar.load(run, "cpu").cluster(picture(50))
    assert p.shape == (3,)
    assert p.sum().item() == pytest.approx(1)


def test_methods_without_clusters(run_directory: Runs) -> None:
    model = instar.load(run_directory("cyclegan"), "cpu")
    for ask in (lambda: model.cluster(picture()), model.own_domains):
        with pytest.raises(UserError, match="cyclegan has found no domains of its own"):
            ask()
    with pytest.raises(UserError, match=r"^to=2: this model translates to"):
        model.translate(picture(), "2")


def test_nothing_found_yet(run_directory: Runs) -> None:
    with pytest.raises(UserError, match="none: it was not trained far enough"):
        instar.load(run_directory("tunit"), "cpu").style_to("0")


def call(run: Path, *arguments: object) -> int:
    return main.run(["translate", str(run), *map(str, arguments), "--device", "cpu"])


def test_on_the_command_line(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture().save(tmp_path / "cat.png")
    out = tmp_path / "out"
    assert call(run, tmp_path / "cat.png", "-o", out, "--to", "2") == 0
    assert call(run, tmp_path / "cat.png", "-o", out, "--to", "all") == 0
    assert call(run, tmp_path / "cat.png", "-o", out, "--to", "2", "--interpolate", "3") == 0
    assert call(run, tmp_path / "cat.png", "-o", out, "--reference", tmp_path / "cat.png") == 0
    names = {path.name for path in out.glob("*.png")}
    assert names == {
        "cat.png", "cat_domain0.png", "cat_domain2.png", "cat_seed0-0-to_domain2.png", "cat_like-cat.png",
    }  # fmt: skip
    whole, alone = Image.open(out / "cat.png"), Image.open(out / "cat_domain2.png")
    assert whole.tobytes() == alone.tobytes()
    strip = Image.open(out / "cat_seed0-0-to_domain2.png")
    assert strip.crop((64, 0, 96, 32)).tobytes() == whole.tobytes()  # the way ends in the domain
    assert call(run, tmp_path / "cat.png", "-o", out, "--to", "1") == 2
    assert "those with images: 0, 2" in capsys.readouterr().err
