import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import instar
from instar.core.errors import UserError
from instar.core.images import to_array, to_tensor
from instar.core.run import load_method
from instar.inference.translator import Translator

Runs = Callable[..., Path]
rng = np.random.default_rng(0)
PIXELS = rng.integers(0, 256, (23, 38, 3), dtype=np.uint8)


@pytest.fixture
def model(run_directory: Runs) -> Translator:
    return instar.load(run_directory(), "cpu")


@pytest.fixture
def gray(run_directory: Runs) -> Translator:
    return instar.load(run_directory("cyclegan", channels=1), "cpu")


def test_a_pil_image_and_a_list_of_unequal_ones(model: Translator) -> None:
    batch = [Image.fromarray(PIXELS), Image.fromarray(PIXELS[:9, :31]).convert("RGBA"), Image.new("L", (5, 70))]
    together = model.translate(batch)
    assert [(one.mode, one.size) for one in together] == [(one.mode, one.size) for one in batch]
    assert model.translate(batch[0]).tobytes() == together[0].tobytes()
    assert together[0].tobytes() != batch[0].tobytes()
    assert model.translate([]) == []


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(21, 34), (21, 34, 1), (21, 34, 3), (2, 21, 34, 1), (2, 21, 34, 3)])
@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_keep_type_and_shape(shape: tuple[int, ...], dtype: Any, channels: int, run_directory: Runs) -> None:
    model = instar.load(run_directory("cyclegan", channels=channels), "cpu")
    top = np.iinfo(dtype).max
    array = rng.integers(0, top, shape, dtype=dtype, endpoint=True)
    out = model.translate(array)
    assert (out.shape, out.dtype) == (array.shape, array.dtype)
    assert out.std() > 0.01 * top


def test_all_kinds_agree(model: Translator) -> None:
    array = model.translate(PIXELS)
    image = np.asarray(model.translate(Image.fromarray(PIXELS)))
    tensor = model.translate(to_tensor(PIXELS))
    assert np.array_equal(array, image)
    assert np.array_equal(array, np.rint((tensor.permute(1, 2, 0).double().numpy() + 1) * 127.5).astype(np.uint8))
    wide = model.translate(PIXELS.astype(np.uint16) * 257)
    assert np.abs(wide / 257 - array).max() < 0.51


def test_gray_model_takes_colour_by_luminance(gray: Translator) -> None:
    luminance = to_array(Image.fromarray(PIXELS), 1)
    out = gray.translate(PIXELS)
    assert np.array_equal(out[..., 0], out[..., 2])
    assert np.abs(out[..., :1].astype(int) - gray.translate(luminance)).max() <= 3  # luminance is rounded to 8 bit


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
@pytest.mark.parametrize("shape", [(3, 21, 34), (2, 3, 21, 34)])
def test_tensors_keep_type_and_shape(shape: tuple[int, ...], dtype: torch.dtype, model: Translator) -> None:
    out = model.translate((torch.rand(shape) * 2 - 1).to(dtype))
    assert (out.shape, out.dtype) == (shape, dtype)
    assert out.abs().max() <= 1
    out.add_(1)  # an inference tensor would not let itself be changed


@pytest.mark.parametrize("name", ["cyclegan", "cut", "pix2pix"])
def test_any_size(name: str, run_directory: Runs) -> None:
    model = instar.load(run_directory(name), "cpu")
    for height, width in [(1, 1), (1, 40), (3, 4), (5, 17), (16, 31), (37, 53)]:
        out = model.translate(torch.rand(3, height, width))
        assert out.shape == (3, height, width)
        assert out.isfinite().all()


def test_padding_is_cut_off_again(model: Translator) -> None:
    """The right and bottom edge must not shift the picture: inside, odd and even sizes agree."""
    calm = torch.nn.functional.interpolate(torch.rand(1, 3, 4, 4) * 2 - 1, (64, 64), mode="bilinear")
    whole, cut = model.tensors(calm, "b"), model.tensors(calm[..., :63, :61], "b")
    assert (whole[..., :40, :40] - cut[..., :40, :40]).abs().mean() < 0.25 * whole.std()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((8, 8, 3), np.float32), "uint8 or uint16"),
        (np.zeros((8, 8, 3), bool), "uint8 or uint16"),
        (np.zeros((8, 8, 4), np.uint8), r"\(8, 8, 4\)"),
        (np.zeros((3, 8, 8), np.uint8), r"\(3, 8, 8\)"),
        (np.zeros(8, np.uint8), r"\(8,\)"),
        (np.zeros((0, 8, 8, 3), np.uint8), r"\(0, 8, 8, 3\)"),
        (torch.zeros(8, 8), r"\(8, 8\)"),
        (torch.zeros(1, 8, 8), r"\(1, 8, 8\)"),
        (torch.zeros(8, 8, 3), r"3, H, W\)"),
        (torch.zeros(1, 1, 3, 8, 8), r"3, H, W\)"),
        (torch.zeros(0, 3, 8, 8), r"\(0, 3, 8, 8\)"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), "torch.uint8.*; pixels 0 to 255 are made so by x / 127.5 - 1"),
        (torch.zeros(3, 8, 8, dtype=torch.complex64), "torch.complex64"),
        (np.zeros((8, 8, 3)), r"got float64; floats go in as a tensor \(N, C, H, W\) in \[-1, 1\]"),
        (torch.full((3, 8, 8), 200.0), r"expected a tensor in \[-1, 1\], got values from 200 to 200; x / 127.5 - 1"),
        (torch.full((3, 8, 8), 1.01), r"got values from 1.01 to 1.01"),
        (torch.full((3, 8, 8), -1.01), r"got values from -1.01 to -1.01"),
        (torch.full((3, 8, 8), torch.nan), "this one holds NaN"),
        (torch.full((3, 8, 8), torch.inf, dtype=torch.float16), "got values from inf to inf"),
    ],
)
def test_wrong_arrays_and_tensors(wrong: Any, message: str, model: Translator) -> None:
    with pytest.raises(ValueError, match=message):
        model.translate(wrong)


@pytest.mark.parametrize("wrong", [None, 3, [3], [PIXELS], {"a": 1}])
def test_what_is_no_image(wrong: Any, model: Translator) -> None:
    with pytest.raises(TypeError, match="give a PIL image, a numpy array or a tensor"):
        model.translate(wrong)


def test_rounding_may_leave_the_range(model: Translator) -> None:
    assert model.translate(torch.full((3, 8, 8), 1.0005)).isfinite().all()


def test_paths(model: Translator, tmp_path: Path) -> None:
    image = Image.fromarray(PIXELS)
    image.save(tmp_path / "1.png")
    expected = np.asarray(model.translate(image))
    for path in (tmp_path / "1.png", str(tmp_path / "1.png")):
        assert np.array_equal(np.asarray(model.translate(path)), expected)
    both = model.translate([tmp_path / "1.png", image])
    assert [np.abs(np.asarray(one).astype(int) - expected).max() <= 1 for one in both] == [True, True]
    with pytest.raises(UserError, match=r"^photo\.jpg: there is no such file$"):
        model.translate("photo.jpg")


def test_a_list_goes_in_batches_of_equal_sizes(model: Translator) -> None:
    images = [Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)) for h, w in [(20, 30), (30, 20)] * 3]
    seen: list[int] = []
    network = model.method.translate
    model.method.translate = lambda x, to: seen.append(len(x)) or network(x, to=to)  # type: ignore[method-assign]
    together = model.translate(images)
    assert seen == [3, 3]
    assert [one.size for one in together] == [one.size for one in images]
    for image, made in zip(images, together, strict=True):
        alone = np.asarray(model.translate(image)).astype(int)
        assert np.abs(alone - np.asarray(made)).max() <= 1  # sums in another order, then rounded
    seen.clear()
    model.translate(images, batch=2)
    assert seen == [2, 2, 1, 1]


@pytest.mark.parametrize("name", ["pix2pix", "munit", "cut"])
def test_batches_are_what_single_images_are(name: str, run_directory: Runs) -> None:
    """Whatever is given, and however it is cut up."""
    model = instar.load(run_directory(name), "cpu")
    x = torch.rand(5, 3, 24, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    alone = torch.stack([model.translate(one, seed=3) for one in x])
    for batch in (1, 2, 8):
        torch.testing.assert_close(model.translate(x, seed=3, batch=batch), alone, rtol=0, atol=1e-4)
    arrays = ((x + 1) * 127.5).round().permute(0, 2, 3, 1).byte().numpy()
    single = np.stack([model.translate(one, seed=3) for one in arrays]).astype(int)
    assert np.abs(model.translate(arrays, seed=3).astype(int) - single).max() <= 1


def test_large_tensors_are_cut_up(model: Translator) -> None:
    seen: list[int] = []
    model.method.translate = lambda x, to: seen.append(len(x)) or x  # type: ignore[method-assign]
    model.translate(torch.zeros(4, 3, 128, 128))
    model.translate(torch.zeros(3, 3, 256, 256))
    assert seen == [2, 2, 1, 1, 1]  # 2 ** 15 pixels at a time on a processor


@pytest.mark.parametrize("kind", ["image", "array", "tensor"])
def test_size(kind: str, model: Translator) -> None:
    """Networks work at the short side, and results are as large as what was given."""
    image = Image.fromarray(rng.integers(0, 256, (80, 120, 3), dtype=np.uint8))
    given: Any = {"image": image, "array": np.asarray(image), "tensor": to_tensor(np.asarray(image))}[kind]
    seen = []
    network = model.method.translate
    model.method.translate = lambda x, to: seen.append(x.shape) or network(x, to=to)  # type: ignore[method-assign]
    out = model.translate(given, size=20)
    assert seen == [(1, 3, 20, 32)]  # 20 x 30, padded
    assert to_array(out, 3).shape == (80, 120, 3) if kind == "image" else out.shape == given.shape
    with pytest.raises(UserError, match=r"^size must be at least 8, not 4$"):
        model.translate(given, size=4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_size_keeps_the_type_of_tensors(dtype: torch.dtype, model: Translator) -> None:
    out = model.translate(torch.zeros(2, 3, 40, 30, dtype=dtype), size=20)
    assert (out.shape, out.dtype) == ((2, 3, 40, 30), dtype)


def test_seeds_and_batches_out_of_bounds(model: Translator) -> None:
    with pytest.raises(UserError, match=r"^seed must be at least 0, not -1$"):
        model.translate(PIXELS, seed=-1)
    with pytest.raises(UserError, match=r"^batch must be at least 1, not 0$"):
        model.translate(PIXELS, batch=0)


def test_images_of_other_sizes_in_one_pass(model: Translator) -> None:
    with pytest.raises(ValueError, match="expected images of one size, got 38 x 23 and 5 x 6 px"):
        model.images([Image.fromarray(PIXELS), Image.new("RGB", (5, 6))])
    with pytest.raises(ValueError, match="give at least one"):
        model.images([])
    with pytest.raises(ValueError, match="0 x 5 px has no pixels"):
        model.translate(Image.new("RGB", (0, 5)))


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("name", ["cyclegan", "pix2pix", "munit", "transgaga"])
def test_any_mode_of_the_caller(name: str, mode: Any, run_directory: Runs) -> None:
    """Nothing is recorded, results may be changed in place, and the model stays in eval mode."""
    with mode():
        model = instar.load(run_directory(name), "cpu")
        given = (to_tensor(PIXELS) * 0.5).requires_grad_(mode is torch.enable_grad)
        before = given.detach().clone()
        out = model.translate(given)
    with torch.enable_grad():
        assert not out.requires_grad
        out.add_(1)
        assert torch.equal(given, before)
        torch.testing.assert_close(model.translate(before), out - 1, rtol=0, atol=1e-6)
        if name == "munit":
            model.style_of(Image.fromarray(PIXELS)).add_(1)
            model.styles(1).add_(1)
    assert not any(module.training for module in model.method.modules())


def test_directions(model: Translator, run_directory: Runs) -> None:
    there, back = model.translate(PIXELS), model.translate(PIXELS, "horse")
    assert not np.array_equal(there, back)
    for to, expected in (("zebra", there), ("Zebra", there), ("b", there), ("B", there), ("a", back), ("HORSE", back)):
        assert np.array_equal(model.translate(PIXELS, to), expected)
    with pytest.raises(UserError, match=r"^to=donkey: this model translates to horse or zebra$"):
        model.translate(PIXELS, to="donkey")
    with pytest.raises(UserError, match="translates to zebra"):
        instar.load(run_directory("cut"), "cpu").translate(PIXELS, "horse")


def test_the_global_generators_are_left_alone(run_directory: Runs) -> None:
    model = instar.load(run_directory("pix2pix"), "cpu")
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1]
    model.translate(PIXELS, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)


def test_noise_follows_the_seed_and_not_the_batch(run_directory: Runs) -> None:
    model = instar.load(run_directory("pix2pix"), "cpu")
    first, second = PIXELS, PIXELS[::-1]
    out = model.translate(first, seed=1)
    assert np.array_equal(out, model.translate(first, seed=1))
    assert not np.array_equal(out, model.translate(first, seed=2))
    assert np.array_equal(model.translate(np.stack([second, first]), seed=1)[1], out)


def test_images_at_a_short_side(model: Translator) -> None:
    seen = []
    network = model.method.translate
    model.method.translate = lambda x, to: seen.append(x.shape) or network(x, to=to)  # type: ignore[method-assign]
    image = Image.fromarray(PIXELS).resize((120, 80))
    (small,) = model.images([image], size=20)
    assert small.size == image.size
    model.images([image.convert("P")], size=100)
    assert seen == [(1, 3, 20, 32), (1, 3, 100, 152)]


def test_label_maps_are_not_blended_at_a_short_side(model: Translator) -> None:
    labels = Image.fromarray(np.kron(np.eye(8, dtype=np.uint8), np.ones((9, 9), np.uint8)), "P")
    labels.putpalette([255, 0, 0, 0, 0, 255])
    seen: list[torch.Tensor] = []
    model.method.translate = lambda x, to: seen.append(x) or x  # type: ignore[method-assign]
    model.images([labels], size=32)
    assert set(map(tuple, seen[0][0].flatten(1).T.tolist())) == {(1, -1, -1), (-1, -1, 1)}


def test_names_of_domains(model: Translator, run_directory: Runs) -> None:
    assert (model.domains, model.targets) == (("horse", "zebra"), ("horse", "zebra"))
    assert (model.source_of(None), model.source_of("horse")) == ("horse", "zebra")
    assert instar.load(run_directory("cut"), "cpu").targets == ("zebra",)


def test_averaged_weights_translate(run_directory: Runs) -> None:
    run = run_directory()
    model = instar.load(run, "cpu")
    averages = load_file(run / "checkpoints" / "step-000000001" / "averages.safetensors")
    state = model.method.state_dict()
    assert averages
    assert all(torch.equal(state[name], value) for name, value in averages.items())
    raw = Translator(*load_method(run, averaged=False), device="cpu")
    assert not np.array_equal(model.translate(PIXELS), raw.translate(PIXELS))


def test_a_checkpoint_carried_away(run_directory: Runs, tmp_path: Path) -> None:
    run = run_directory()
    shutil.copytree(run / "checkpoints" / "step-000000001", tmp_path / "mine")
    model = instar.load(str(tmp_path / "mine"), "cpu")
    assert np.array_equal(model.translate(PIXELS), instar.load(run, "cpu").translate(PIXELS))


def test_no_run_and_no_checkpoint(run_directory: Runs, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config\.yaml"):
        instar.load(tmp_path)
    shutil.copy(run_directory() / "config.yaml", tmp_path)
    with pytest.raises(UserError, match="no checkpoint yet"):
        instar.load(tmp_path)


def test_another_process_gives_the_same(run_directory: Runs, tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", PIXELS)
    code = (
        "import sys, numpy, instar; run, here = sys.argv[1:]; "
        "numpy.save(here + '/out.npy', instar.load(run, 'cpu').translate(numpy.load(here + '/in.npy'), seed=4))"
    )
    run = run_directory("pix2pix")
    subprocess.run([sys.executable, "-c", code, str(run), str(tmp_path)], check=True)
    assert np.array_equal(np.load(tmp_path / "out.npy"), instar.load(run, "cpu").translate(PIXELS, seed=4))
