"""Models at a precision: float32 as it always was, bfloat16 near it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from methods.parts import CLASSIFIERS
from PIL import Image
from torch import Tensor, nn

import instar
from instar.cli.main import run as command
from instar.core import device, registry
from instar.core.errors import UserError
from instar.inference import memory, translate_files
from instar.inference.request import TranslationRequest
from instar.inference.translator import Translator

Runs = Callable[..., Path]
X = torch.rand(2, 3, 40, 52, generator=torch.Generator().manual_seed(0)) * 2 - 1


def types_of_convolutions(model: Translator, x: Tensor) -> set[torch.dtype]:
    """The types that convolutions gave while a tensor was translated."""
    found: set[torch.dtype] = set()

    def look(module: nn.Module, given: object, made: Tensor) -> None:
        found.add(made.dtype)

    hooks = [part.register_forward_hook(look) for part in model.method.modules() if isinstance(part, nn.Conv2d)]
    model.translate(x)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("name", [name for name in registry.names() if name not in ("unit-adaptation", *CLASSIFIERS)])
def test_bfloat16_is_near_float32_for_every_method(name: str, run_directory: Runs) -> None:
    run = run_directory(name)
    full, half = instar.load(run, "cpu"), instar.load(run, "cpu", precision="bf16")
    x = X if not full.method.fixed_size else torch.rand(2, 3, *[full.method.fixed_size] * 2) * 2 - 1
    one, other = full.translate(x), half.translate(x)
    assert other.dtype == torch.float32
    assert other.shape == one.shape
    assert not torch.equal(one, other)
    assert (one - other).abs().mean() < 0.03, "of a range of 2; 8 bits of a number are left of 24"


def test_each_computes_in_its_own(run_directory: Runs) -> None:
    run = run_directory()
    assert types_of_convolutions(instar.load(run, "cpu"), X) == {torch.float32}
    assert types_of_convolutions(instar.load(run, "cpu", precision="bf16"), X) == {torch.bfloat16}


def test_bfloat16_does_not_depend_on_the_batch(run_directory: Runs) -> None:
    model = instar.load(run_directory(), "cpu", precision="bf16")
    alone = torch.cat([model.translate(x[None]) for x in X])
    assert (alone - model.translate(X)).abs().max() < 0.03


def test_tiles_are_refused_beside_bfloat16(run_directory: Runs, tmp_path: Path) -> None:
    model = instar.load(run_directory(), "cpu", precision="bf16")
    with pytest.raises(UserError, match=r"tile=64 and precision=bf16: give one of the two"):
        model.translate(X, tile=64)
    with pytest.raises(UserError, match=r"tile=auto and precision=bf16"):
        instar.translate(model, _image(tmp_path), tmp_path / "out", tile="auto")
    assert not (tmp_path / "out").exists()


def test_a_processor_without_the_instructions_is_told(
    run_directory: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "has_bf16", lambda kind: False)
    run, image = run_directory(), _image(tmp_path)
    notes = instar.translate(run, image, tmp_path / "out", device="cpu", precision="bf16").notes
    assert [str(one) for one in notes] == [
        "precision=bf16: this processor has no instructions for it, and takes many times longer"
    ]
    assert instar.translate(run, image, tmp_path / "again", device="cpu").notes == ()


def test_the_terminal_takes_it_too(run_directory: Runs, tmp_path: Path) -> None:
    arguments = [str(run_directory()), str(_image(tmp_path)), "--device", "cpu"]
    for precision in ("32", "bf16"):
        assert command(["translate", *arguments, "-o", str(tmp_path / precision), "--precision", precision]) == 0
    one, other = (tmp_path / precision / "a.png" for precision in ("32", "bf16"))
    assert one.read_bytes() != other.read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_files_are_translated_in_memory_that_is_kept(
    run_directory: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    monkeypatch.setattr(translate_files, "keep_freed_memory", lambda: called.append("keep"))
    monkeypatch.setattr(memory, "give_back_freed_memory", lambda: called.append("give back"))
    request = TranslationRequest(inputs=(str(_image(tmp_path)),), out=tmp_path / "out")
    translate_files.translate_files(run_directory(), request, device="cpu")
    assert called == ["keep"]
    memory.free_bytes(torch.device("cpu"))
    assert called == ["keep", "give back"], "what is kept is free for a large image"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _image(folder: Path) -> Path:
    path = folder / "a.png"
    Image.effect_noise((40, 36), 60).convert("RGB").save(path)
    return path


def test_auto_takes_bfloat16_where_there_are_instructions(
    run_directory: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, image = run_directory(), _image(tmp_path)
    for there, took in ((True, "bf16"), (False, "32"), (None, "32")):
        monkeypatch.setattr("instar.inference.model.has_bf16", lambda kind, there=there: there)
        model = instar.load(run, "cpu", precision="auto")
        assert model.precision == took
        assert torch.equal(model.translate(X), instar.load(run, "cpu", precision=took).translate(X))
        (said,) = instar.translate(run, image, tmp_path / took, device="cpu", precision="auto").notes
        assert str(said).startswith(f"precision=auto takes {took}")
        assert ("grey levels from that of float32" in str(said)) == bool(there)


def test_auto_takes_float32_where_the_first_image_is_another_one(
    run_directory: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And all later ones with it, in its own layout."""
    run, image = run_directory(), _image(tmp_path)
    monkeypatch.setattr("instar.inference.model.has_bf16", lambda kind: True)
    monkeypatch.setattr("instar.inference.model.APART", -1.0)
    model, full = instar.load(run, "cpu", precision="auto"), instar.load(run, "cpu")
    for _ in range(2):
        assert torch.equal(model.translate(X), full.translate(X))
    (said,) = instar.translate(run, image, tmp_path / "out", device="cpu", precision="auto").notes
    assert re.fullmatch(r"precision=auto takes 32: in bfloat16 the first image is \d\.\d grey levels off .*", str(said))


def test_auto_takes_float32_for_tiles(run_directory: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("instar.inference.model.has_bf16", lambda kind: True)
    model, full = instar.load(run_directory(), "cpu", precision="auto"), instar.load(run_directory(), "cpu")
    assert torch.equal(model.translate(X[:1], tile=64), full.translate(X[:1], tile=64))
    assert model.precision == "32"


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_model_that_translates_nothing_says_so_in_a_line(name: str, run_directory: Runs) -> None:
    model = instar.load(run_directory(name), "cpu")
    said = rf"^{name} translates nothing: it names classes, which are scored with instar\.evaluate\('RUN'\)$"
    assert model.targets == ()
    for to in (None, "A", "B"):
        with pytest.raises(UserError, match=said):
            model.translate(torch.zeros(1, model.channels, 28, 28), to)
    with pytest.raises(UserError, match=said):
        instar.export(run_directory(name), "never.onnx")
