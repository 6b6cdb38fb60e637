from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import instar
from instar.api.export import _images, export
from instar.core.errors import UserError
from instar.core.images import save
from instar.core.raster import Raster
from instar.core.reading import read
from instar.data import shapes
from instar.exporting import report
from instar.exporting.cards import check_size
from instar.exporting.formats import FORMATS, Format
from instar.exporting.networks import example
from instar.inference.card import FORMAT, Card, NoiseInput
from instar.inference.translator import Translator

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

Runs = Callable[..., Path]
rng = np.random.default_rng(0)
CARD = Card(
    instar="0.1.0",
    method="tunit",
    title="TUNIT",
    paper="https://arxiv.org/abs/2006.06500",
    source="horse",
    target="zebra é",
    channels=3,
    size=64,
    zoom=1.25,
    size_divisor=4,
    smallest=16,
    fixed_size=None,
    style_size=2,
    style_prior="drawn",
    styles=((0.5, -0.25),),
    domain_styles=((1.0, 2.0), None),
    noise=(NoiseInput("noise_0", 8, 16, 0.5),),
    opset=18,
    license="CC0",
)


@pytest.fixture(scope="module")
def exported(run_directory: Runs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "model.onnx"
    result = export(run_directory("cut"), out, license="CC0")
    assert result.path == out
    assert result.bytes == out.stat().st_size
    assert [(one.width, one.height) for one in result.parity] == [(32, 32), (35, 49), (64, 64)]
    assert max(one.largest for one in result.parity) < report.MOST
    assert all(each.milliseconds > 0 for one in result.parity for each in one.measured)
    assert "drawn images" in result.images
    assert [path.name for path in out.parent.iterdir()] == ["model.onnx"]
    return out


def test_files_and_arrays_are_translated_as_by_the_run(exported: Path, run_directory: Runs, tmp_path: Path) -> None:
    pixels = rng.integers(0, 256, (37, 53, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "cat.png")
    ours = instar.load(run_directory("cut"), "cpu").translate(pixels)
    assert np.abs(instar.load(exported).translate(pixels).astype(int) - ours).max() <= 1
    done = instar.translate(exported, tmp_path / "cat.png", tmp_path / "out")
    assert (done.translated, done.failed) == (1, ())
    assert np.abs(np.asarray(Image.open(tmp_path / "out" / "cat.png")).astype(int) - ours).max() <= 1


def test_the_file_says_what_it_is(exported: Path, run_directory: Runs) -> None:
    graph = onnx.load(exported)
    properties = {one.key: one.value for one in graph.metadata_props}
    card = Card.from_json(properties["instar"], exported)
    assert (card.method, card.source, card.target, card.license) == ("cut", "horse", "zebra", "CC0")
    assert properties["license"] == "CC0"
    assert [one.name for one in graph.graph.input] == ["image"]
    shape = graph.graph.input[0].type.tensor_type.shape.dim
    assert [one.dim_param or one.dim_value for one in shape] == ["n", 3, "height", "width"]
    assert str(run_directory("cut")) not in str(properties)


def test_it_translates_one_way_without_styles(exported: Path) -> None:
    model = instar.load(exported)
    with pytest.raises(UserError, match="this model translates to zebra"):
        model.domain("horse")
    with pytest.raises(UserError, match="no styles"):
        model.styles(2)
    with pytest.raises(UserError, match="on the CPU"):
        instar.load(exported, "cuda")


def test_a_card_comes_back_from_its_json() -> None:
    assert Card.from_json(CARD.as_json(), "x") == CARD
    with pytest.raises(UserError, match=r"x\.onnx: written by Instar 0\.1\.0, which is newer"):
        Card.from_json(CARD.as_json().replace(f'"format": {FORMAT}', f'"format": {FORMAT + 1}'), "x.onnx")
    for broken in ("{", "[]", CARD.as_json().replace('"zoom"', '"room"')):
        with pytest.raises(UserError, match=r"x\.onnx: what it says of the model cannot be read"):
            Card.from_json(broken, "x.onnx")


@pytest.mark.parametrize("suffix", [".onnx", ".xml"])
def test_models_trained_within_masks_do_not_see_what_lies_outside(suffix: str, tmp_path: Path) -> None:
    if suffix == ".xml":
        pytest.importorskip("openvino")
    inside = np.zeros((32, 32), bool)
    inside[4:24, 8:30] = True
    for folder in ("trainA", "trainB"):
        for number in range(3):
            pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            save(Image.fromarray(pixels), tmp_path / f"set/{folder}/{number}.png")
            save(Image.fromarray(inside.astype(np.uint8) * 255), tmp_path / f"set/{folder}_mask/{number}.png")
    settings = {"preset": "tiny", "steps": 2, "device": "cpu", "data": {"masks": "_mask"}}
    run = instar.train("cyclegan", tmp_path / "set", out=tmp_path / "run", **settings).run
    export(run, tmp_path / f"model{suffix}", to="openvino" if suffix == ".xml" else "onnx")
    assert instar.load(tmp_path / f"model{suffix}").config.data.masks == "_mask"
    image = read(tmp_path / "set/trainA/0.png")
    other = np.where(inside[..., None], image, 255 - np.asarray(image))  # other values outside
    found = []
    for name, pixels in (("a", np.asarray(image)), ("b", other)):
        save(Image.fromarray(pixels), tmp_path / f"{name}/0.png")
        for model in (run, tmp_path / f"model{suffix}"):
            out = tmp_path / f"out-{name}-{model.stem}"
            done = instar.translate(model, tmp_path / name, out, keep_outside=tmp_path / "set/trainA_mask")
            assert not done.failed, done.failed
            made = np.asarray(read(out / "0.png"))
            assert np.array_equal(made[~inside], pixels[~inside])
            found.append(made[inside].astype(int))
    assert max(np.abs(one - found[0]).max() for one in found) <= 1


def test_files_that_are_not_ours(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such file"):
        instar.load(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(UserError, match=r"text\.onnx: ONNX Runtime cannot read it"):
        instar.load(tmp_path / "text.onnx")
    text = '<ir_version: 10, opset_import: ["" : 18]> g (float[n] x) => (float[n] y) { y = Neg (x) }'
    onnx.save(onnx.parser.parse_model(text), tmp_path / "other.onnx")
    with pytest.raises(UserError, match=r"other\.onnx: this ONNX file was not exported by Instar"):
        instar.load(tmp_path / "other.onnx")


@pytest.mark.parametrize(("to", "suffix", "needs"), [("torch", ".pt2", "torch"), ("openvino", ".xml", "openvino")])
def test_other_formats_translate_as_the_run_does(
    to: Any, suffix: str, needs: str, run_directory: Runs, tmp_path: Path
) -> None:
    pytest.importorskip(needs)
    result = export(run_directory("cut"), tmp_path / f"model{suffix}", to=to, license="CC0")
    assert max(one.largest for one in result.parity) < report.MOST
    assert result.card.license == "CC0"
    names = {"torch": ["model.pt2"], "openvino": ["model.bin", "model.xml"]}[to]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert result.bytes == sum((tmp_path / name).stat().st_size for name in names)
    pixels = rng.integers(0, 256, (37, 53, 3), dtype=np.uint8)
    ours = instar.load(run_directory("cut"), "cpu").translate(pixels)
    assert np.abs(instar.load(tmp_path / f"model{suffix}").translate(pixels).astype(int) - ours).max() <= 1


@pytest.mark.parametrize("suffix", [".pt2", ".xml"])
def test_files_of_other_formats_that_are_not_ours(suffix: str, tmp_path: Path) -> None:
    if suffix == ".xml":
        pytest.importorskip("openvino")
    with pytest.raises(UserError, match="there is no such file"):
        instar.load(tmp_path / f"none{suffix}")
    (tmp_path / f"text{suffix}").write_text("no model")
    if suffix == ".xml":
        with pytest.raises(UserError, match=r"its weights belong beside it, and there is no text\.bin"):
            instar.load(tmp_path / "text.xml")
        (tmp_path / "text.bin").write_bytes(b"")
    with pytest.raises(UserError, match=rf"text\{suffix}: .* cannot read it"):
        instar.load(tmp_path / f"text{suffix}")


def test_what_cannot_be_exported_is_one_line(run_directory: Runs, tmp_path: Path) -> None:
    run = run_directory("cut")
    with pytest.raises(UserError, match=r"ends with \.onnx"):
        export(run, tmp_path / "model.pt")
    with pytest.raises(UserError, match="there is no folder"):
        export(run, tmp_path / "none" / "model.onnx")
    with pytest.raises(UserError, match="exported model already"):
        export(tmp_path / "a.onnx", tmp_path / "b.onnx")
    with pytest.raises(UserError, match="this model translates to zebra"):
        export(run, tmp_path / "model.onnx", domain="horse")
    assert list(tmp_path.iterdir()) == []


def test_too_many_weights_are_refused() -> None:
    with torch.device("meta"):
        large = torch.nn.Module()
        large.G = torch.nn.Linear(25_000, 25_000)
    large.translators = ("G",)  # type: ignore[assignment]
    with pytest.raises(UserError, match=r"its networks have 2\.5 GB"):
        check_size("large", large)


def test_chance_that_is_no_dropout_is_refused() -> None:
    def translate(x: torch.Tensor, *, to: str, generator: torch.Generator) -> torch.Tensor:
        return x + torch.randn(x.shape, generator=generator)

    method = SimpleNamespace(size_divisor=1, fixed_size=None, stochastic=True, translate=translate)
    with pytest.raises(UserError, match="noisy cannot be exported: it draws random numbers"):
        example("noisy", method, "b", 3)  # type: ignore[arg-type]


def test_a_model_that_differs_leaves_no_file(
    run_directory: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(model: Translator, to: str, out: Path, _: str) -> Card:
        out.write_bytes(b"graph")
        return CARD

    def compared(*_: object) -> list[report.Parity]:
        found = [report.Parity(32, 32, 1e-7, 1e-8, ()), report.Parity(49, 35, 0.01, 0.001, ())]
        report.check(found)
        return found

    monkeypatch.setitem(FORMATS, "onnx", Format(".onnx", "ONNX Runtime", wrong))  # type: ignore[arg-type]
    monkeypatch.setattr("instar.exporting.report.compare", compared)
    with pytest.raises(UserError, match=r"differs from the run by 2\.55 of 255 at 35 x 49 px"):
        export(run_directory("cut"), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_difference_that_is_no_number_is_one() -> None:
    with pytest.raises(UserError, match="differs"):
        report.check([report.Parity(32, 32, float("nan"), 0.0, ())])


def test_held_out_images_are_taken_where_there_are_any(tmp_path: Path, run_directory: Runs) -> None:
    shapes.write(tmp_path / "set", 3, 2, 32)
    model = instar.load(run_directory("cut"), "cpu")
    data = replace(model.config.data, roots=(tmp_path / "set",), source=None, target=None)
    model.config = replace(model.config, data=data)
    images, about = _images(model, "b")
    assert len(images) == 2
    assert "2 held-out images" in about


def test_bands_types_and_ranges_of_both_domains_go_with_the_file(tmp_path: Path) -> None:
    bands = rng.integers(100, 3000, (6, 32, 32, 4)).astype(np.uint16)
    warmth = bands[..., :1].astype(np.float32) * 2 - 500
    for part, images in (("trainA", bands), ("trainB", warmth), ("testA", bands[:2])):
        (tmp_path / "set" / part).mkdir(parents=True)
        for number, pixels in enumerate(images):
            save(Raster(pixels), tmp_path / "set" / part / f"{number}.tif")
    settings = {"preset": "tiny", "steps": 2, "device": "cpu", "channels": 4}
    data, method = {"range_a": (0.0, 4095.0) * 3 + (0.0, 3000.0)}, {"target_channels": 1, "test_noise": False}
    run = instar.train("pix2pix", tmp_path / "set", out=tmp_path / "run", data=data, method=method, **settings).run
    export(run, tmp_path / "model.onnx")
    card = instar.load(tmp_path / "model.onnx").config
    assert card.formats == instar.load(run).config.formats
    assert [(one.bands, one.dtype) for one in card.formats] == [(4, "uint16"), (1, "float32")]
    assert card.formats[0].band_ranges[2:] == ((0, 4095), (0, 3000))
    found = []
    for model in (run, tmp_path / "model.onnx"):
        done = instar.translate(model, tmp_path / "set/testA", tmp_path / f"out-{model.stem}", seed=3)
        assert (done.translated, done.failed) == (2, ())
        result = read(done.out / "1.tif")
        assert isinstance(result, Raster)
        assert result.mode == "1 x float32"
        found.append(result.pixels)
    low, high = sorted((card.formats[1].low, card.formats[1].high))
    assert low <= found[0].min() < found[0].max() <= high
    np.testing.assert_allclose(found[0], found[1], atol=(high - low) / 255)
