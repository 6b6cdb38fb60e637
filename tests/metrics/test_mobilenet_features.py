import math
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from instar.metrics.features import CHANNELS, FoldedConvolution, InvertedResidual, MobileNetFeatures, extract, resize
from instar.metrics.frechet import frechet_distance
from instar.metrics.kid import kernel_distance


def keras_layer(random, name, norm, shape, depthwise=False):
    out = shape[2] if depthwise else shape[3]
    return {
        f"{name}__{'depthwise_kernel' if depthwise else 'kernel'}": random.normal(size=shape),
        f"{norm}__gamma": random.uniform(0.5, 2, out),
        f"{norm}__beta": random.normal(size=out) + 1,
        f"{norm}__moving_mean": random.normal(size=out),
        f"{norm}__moving_variance": random.uniform(0.001, 2, out),
    }


def same_padding(length, kernel, stride):
    """TensorFlow's rule: (before, after)."""
    total = max((math.ceil(length / stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


def brute_convolution(x, arrays, name, norm, stride=1, linear=False):
    """x (H, W, C) with loops, the batch norm applied after the convolution, as Keras does it."""
    depthwise = f"{name}__depthwise_kernel" in arrays
    kernel = arrays[f"{name}__depthwise_kernel" if depthwise else f"{name}__kernel"]
    size = kernel.shape[0]
    padded = np.pad(x, (same_padding(x.shape[0], size, stride), same_padding(x.shape[1], size, stride), (0, 0)))
    rows = []
    for i in range(0, padded.shape[0] - size + 1, stride):
        row = []
        for j in range(0, padded.shape[1] - size + 1, stride):
            window = padded[i : i + size, j : j + size]
            row.append(
                np.einsum(
                    "hwc,hwc->c" if depthwise else "hwc,hwco->o", window, kernel.squeeze(3) if depthwise else kernel
                )
            )
        rows.append(row)
    y = np.array(rows)
    y = (y - arrays[f"{norm}__moving_mean"]) / np.sqrt(arrays[f"{norm}__moving_variance"] + 1e-3)
    y = y * arrays[f"{norm}__gamma"] + arrays[f"{norm}__beta"]
    return y if linear else np.clip(y, 0, 6)


@pytest.mark.parametrize("side", [4, 14, 224])
def test_stride_two_pads_as_tensorflow_same(side):
    convolution = FoldedConvolution(3, 4, kernel=3, stride=2)
    assert convolution.margins == (*same_padding(side, 3, 2), *same_padding(side, 3, 2)) == (0, 1, 0, 1)
    assert convolution(torch.zeros(1, 3, side, side)).shape == (1, 4, side // 2, side // 2)


@pytest.mark.parametrize(("out", "expansion", "stride"), [(3, 6, 1), (3, 6, 2), (5, 6, 1), (3, 1, 1)])
def test_inverted_residual_against_loops_and_unfolded_batch_norm(out, expansion, stride):
    random = np.random.default_rng(out + expansion + stride)
    inner = 3 * expansion
    arrays = keras_layer(random, "b_depthwise", "b_depthwise_BN", (3, 3, inner, 1), depthwise=True)
    arrays |= keras_layer(random, "b_project", "b_project_BN", (1, 1, inner, out))
    if expansion > 1:
        arrays |= keras_layer(random, "b_expand", "b_expand_BN", (1, 1, 3, inner))
    block = InvertedResidual(3, out, expansion, stride)
    block.fill(arrays, "b")

    x = random.normal(size=(6, 8, 3))
    y = brute_convolution(x, arrays, "b_expand", "b_expand_BN") if expansion > 1 else x
    y = brute_convolution(y, arrays, "b_depthwise", "b_depthwise_BN", stride)
    y = brute_convolution(y, arrays, "b_project", "b_project_BN", linear=True)
    if y.shape == x.shape:
        y = y + x
    found = block.double()(torch.from_numpy(x).permute(2, 0, 1)[None])[0].permute(1, 2, 0)
    np.testing.assert_allclose(found.detach().numpy(), y, rtol=1e-4, atol=1e-4)


def test_full_convolution_against_loops():
    random = np.random.default_rng(0)
    arrays = keras_layer(random, "Conv1", "bn_Conv1", (3, 3, 3, 4))
    convolution = FoldedConvolution(3, 4, kernel=3, stride=2)
    convolution.fill(arrays, "Conv1", "bn_Conv1")
    x = random.normal(size=(8, 6, 3))
    found = convolution.double()(torch.from_numpy(x).permute(2, 0, 1)[None])[0].permute(1, 2, 0)
    wanted = brute_convolution(x, arrays, "Conv1", "bn_Conv1", stride=2)
    np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(64, 64), (32, 40), (300, 512), (256, 178), (224, 224), (5, 1)])
def test_resize_is_pil_bit_for_bit(shape):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    # Two calls, since the order of the passes within one depends on Pillow's version.
    wide = Image.fromarray(pixels).resize((224, shape[0]), Image.Resampling.BILINEAR)
    wanted = np.array(wide.resize((224, 224), Image.Resampling.BILINEAR))
    found = resize(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1, 224)
    np.testing.assert_array_equal(found[0].permute(1, 2, 0).numpy(), wanted)


def test_features_are_frozen_float32_and_extract_keeps_the_order():
    torch.manual_seed(0)
    network = MobileNetFeatures()
    images = torch.rand(5, 3, 16, 16) * 2 - 1
    one = network(images)
    assert one.shape == (5, CHANNELS)
    assert one.dtype == torch.float32
    assert not one.requires_grad
    np.testing.assert_allclose(extract(network, images.split(2)), one.numpy(), atol=1e-5)


def test_bad_images_are_refused():
    with pytest.raises(ValueError, match=r"\(N, 3, H, W\), got \(2, 1, 8, 8\)"):
        MobileNetFeatures()(torch.zeros(2, 1, 8, 8))
    with pytest.raises(ValueError, match="no images"):
        extract(MobileNetFeatures(), [])


def test_missing_and_foreign_files_give_one_clear_line(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.npz is not there; expected the Keras weights"):
        MobileNetFeatures.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("no arrays")
    (tmp_path / "empty.npz").touch()
    (tmp_path / "zip.npz").write_bytes(b"PK\x03\x04 cut off")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    np.savez(tmp_path / "wide.npz", Conv1__kernel=np.zeros((3, 3, 3, 32)))
    np.save(tmp_path / "array.npy", np.zeros(3))
    for name in ("text.npz", "empty.npz", "zip.npz", "other.npz", "wide.npz", "array.npy"):
        with pytest.raises(ValueError, match=rf"{name} does not fit \(.+\); expected the Keras weights") as error:
            MobileNetFeatures.load(tmp_path / name)
        assert "\n" not in str(error.value)


# The result sheet of the real data: features of this network taken by another implementation.
FAST = [("cat2dog", "testA", 64, 371.6, 0.726), ("day2night", "testA", 64, 383.2, 0.390)]
SLOW = [
    ("cat2dog", "testA", 32, 262.0, 0.366),
    ("cat2dog", "testA", 128, 386.9, 0.757),
    ("cat2dog", "testA", None, 370.8, 0.687),
    ("cat2dog", "trainB", 32, 98.0, -0.001),
    ("cat2dog", "trainB", 64, 83.9, -0.001),
    ("cat2dog", "trainB", 128, 77.2, 0.000),
    ("cat2dog", "trainB", None, 76.6, 0.001),
    ("day2night", "testA", 32, 306.8, 0.405),
    ("day2night", "testA", 128, 375.3, 0.335),
    ("day2night", "testA", None, 368.4, 0.364),
    ("day2night", "trainB", 32, 56.9, 0.021),
    ("day2night", "trainB", 64, 90.0, 0.029),
    ("day2night", "trainB", 128, 100.2, 0.030),
    ("day2night", "trainB", None, 92.9, 0.029),
]


@pytest.mark.parametrize(
    ("name", "folder", "size", "fd", "kid"), [*FAST, *(pytest.param(*row, marks=pytest.mark.slow) for row in SLOW)]
)
def test_baselines_of_the_real_data(real_data, network, score, name, folder, size, fd, kid):
    x, y = (extract(network, score["batches"](real_data / "unpaired" / name / f, size)) for f in (folder, "testB"))
    assert frechet_distance(x, y) == pytest.approx(fd, abs=0.1)
    assert kernel_distance(x, y) == pytest.approx(kid, abs=0.001)


def test_score_script(real_data, weights, score, monkeypatch, capsys, tmp_path):
    for side in ("testA", "testB"):
        (tmp_path / side).mkdir()
        for file in sorted((real_data / "unpaired" / "cat2dog" / side).iterdir())[:4]:
            (tmp_path / side / file.name).symlink_to(file)
    folders = ["--images", str(tmp_path / "testA"), "--reference", str(tmp_path / "testB")]
    monkeypatch.setattr(sys, "argv", ["score.py", "--features", str(weights), *folders, "--size", "64"])
    score["main"]()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split(maxsplit=1)[1] == "4 against 4, at 64"
    assert [line.split()[0] for line in lines[1:]] == ["MobileNet-FD", "MobileNet-KID"]
