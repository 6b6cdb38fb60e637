import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import models

from instar.core.errors import UserError
from instar.metrics.extractors import Extractor, TorchvisionFeatures, _tensorflow_bilinear, load_extractor
from instar.metrics.features import resize
from instar.metrics.frechet import frechet_distance
from instar.metrics.kid import kernel_distance_subsets

INCEPTION = "weights-inception-2015-12-05-6726825d.pth"


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    """An empty folder of fetched weights, and no network."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))

    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.OpenerDirector.open", refuse)
    return tmp_path / "hub"


def images(n, side=20, seed=0):
    """Of 8-bit values, as files have them."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, side, side), generator=generator) / 127.5 - 1


class Mean(nn.Module):
    """The mean colours, and their squares."""

    def __init__(self, shape=()):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.shape = shape

    def forward(self, x):
        means = x.mean((2, 3)) * self.weight
        return torch.cat([means, means**2], 1).view(len(x), -1, *self.shape)


def test_words_beside_a_number():
    own = Extractor(Mean(), "MobileNet", "224 px PIL bilinear")
    assert [own.title(kind) for kind in ("FD", "KID")] == ["MobileNet-FD", "MobileNet-KID"]
    assert own.describe((100, 98)) == "MobileNet, 224 px PIL bilinear; 100 against 98 images"
    assert own.describe() == "MobileNet, 224 px PIL bilinear"
    standard = Extractor(Mean(), "Inception 2015-12-05", "299 px", standard=True)
    assert [standard.title(kind) for kind in ("FD", "KID")] == ["FID", "KID"]


def test_fingerprint_knows_weights_and_words():
    one = Extractor(Mean(), "a", "b")
    assert one.fingerprint() == Extractor(Mean(), "a", "b").fingerprint()
    assert one.fingerprint() != Extractor(Mean(), "a", "c").fingerprint()
    other = Mean()
    with torch.no_grad():
        other.weight[1] += 1e-6
    assert one.fingerprint() != Extractor(other, "a", "b").fingerprint()


def test_a_callable_of_the_user(tmp_path, monkeypatch):
    (tmp_path / "my_features.py").write_text(
        "import torch\n"
        "class Colours(torch.nn.Module):\n"
        "    def __init__(self, path=None):\n"
        "        super().__init__()\n"
        "        self.layer = torch.nn.Dropout(0.5)\n"
        "        self.path = path\n"
        "    def forward(self, x):\n"
        "        return self.layer(x.mean((2, 3)))\n"
        "def maps():\n    return torch.nn.Identity()\n"
        "def none():\n    return 3\n"
    )
    monkeypatch.chdir(tmp_path)
    places = list(sys.path)
    found = load_extractor("my_features:Colours")
    assert sys.path == places
    assert found.title("FD") == "my_features:Colours-FD"
    x = images(5)
    np.testing.assert_allclose(found.features(x.split(2)), x.mean((2, 3)), rtol=1e-6)  # no dropout: eval mode
    assert load_extractor("my_features:Colours", tmp_path / "w.pt").network.path == tmp_path / "w.pt"
    with pytest.raises(UserError, match=r"features of 5 images must be \(5, D\), got \(5, 3, 20, 20\)"):
        load_extractor("my_features:maps").features([x])
    with pytest.raises(UserError, match="it returns a int, not an nn"):
        load_extractor("my_features:none")
    with pytest.raises(UserError, match="No module named 'my_featurs'"):
        load_extractor("my_featurs:Colours")
    with pytest.raises(UserError, match="no attribute 'Colour'"):
        load_extractor("my_features:Colour")


def test_names_that_are_none():
    with pytest.raises(UserError, match="extractor=mobilnet: there is no such extractor; did you mean 'mobilenet'"):
        load_extractor("mobilnet")
    with pytest.raises(UserError, match="torchvision:resnet5: there is no such classifier; did you mean 'resnet50'"):
        load_extractor("torchvision:resnet5")
    with pytest.raises(UserError, match="needs its file: weights=mobilenet"):
        load_extractor("mobilenet")


def test_mobilenet_file(weights, tmp_path):
    found = load_extractor("mobilenet", weights)
    assert (found.title("KID"), found.resize) == ("MobileNet-KID", "224 px PIL bilinear")
    assert found.maps(images(1)).shape == (1, 192, 14, 14)
    with pytest.raises(UserError, match=r"weights: .*none\.npz is not there; expected"):
        load_extractor("mobilenet", tmp_path / "none.npz")


def test_torchvision_features_are_the_input_of_the_last_layer(tmp_path):
    torch.manual_seed(0)
    network = models.mobilenet_v3_small(weights=None).eval()
    torch.save(network.state_dict(), tmp_path / "w.pth")
    found = load_extractor("torchvision:mobilenet_v3_small", tmp_path / "w.pth")
    assert found.title("FD") == "torchvision mobilenet_v3_small w.pth-FD"
    assert found.resize == "224 px PIL bilinear"
    x = images(2)
    features = found.features([x])
    assert features.shape == (2, 1024)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    wanted = network((resize(x, 224) / 255 - mean[:, None, None]) / std[:, None, None])
    head = network.classifier[3]
    made = torch.from_numpy(features).float() @ head.weight.T + head.bias
    torch.testing.assert_close(made, wanted, rtol=1e-4, atol=1e-5)


def test_torchvision_without_a_linear_head():
    with pytest.raises(ValueError, match="does not end in a linear layer"):
        TorchvisionFeatures(nn.Sequential(nn.Conv2d(3, 3, 1)), 8, (0, 0, 0), (1, 1, 1))


def test_torchvision_offline_and_foreign_files(tmp_path, offline):
    with pytest.raises(UserError, match="neither read nor fetched") as error:
        load_extractor("torchvision:mobilenet_v3_small")
    said = str(error.value)
    assert f"put the file mobilenet_v3_small-047dcff4.pth into {offline / 'checkpoints'}" in said
    assert "://" not in said
    assert "\n" not in said
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"other.pth: not the weights of torchvision:mobilenet_v3_small .* expected"):
        load_extractor("torchvision:mobilenet_v3_small", tmp_path / "other.pth")


def test_inception_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(UserError, match=r"needs a library: pip install '\.\[evaluate\]'"):
        load_extractor("inception")


def test_inception_offline_and_foreign_files(tmp_path, offline):
    pytest.importorskip("torch_fidelity")
    with pytest.raises(UserError) as error:
        load_extractor("inception")
    said = str(error.value)
    assert f"put the file {INCEPTION} into {offline / 'checkpoints'}, or name it with weights" in said
    assert "://" not in said
    assert "\n" not in said
    (tmp_path / "text.pth").write_text("no weights")
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pth")
    torch.save(nn.Linear(1, 1), tmp_path / "module.pth")  # a pickled object, which is not opened
    for name in ("text.pth", "other.pth", "module.pth", "none.pth"):
        with pytest.raises(UserError, match=rf"{name}: not the weights of inception .* expected the file {INCEPTION}"):
            load_extractor("inception", tmp_path / name)


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory):
    """A file like the published one, with random weights under which the features differ from image to image."""
    library = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    torch.manual_seed(0)
    state = {}
    with torch.device("meta"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(library.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        patch.setattr(library, "load_state_dict_from_url", lambda *_, **__: None)
        shapes = library.FeatureExtractorInceptionV3("meta", ["2048"]).state_dict()
    for name, value in shapes.items():
        if name.endswith("running_var"):
            state[name] = torch.rand(value.shape) + 0.5
        elif value.ndim > 1:
            state[name] = torch.randn(value.shape) * (2 / value[0].numel()) ** 0.5
        else:
            state[name] = torch.zeros(value.shape, dtype=value.dtype)
            if name.endswith("bn.weight"):
                state[name] += 1
            elif name.endswith(("bn.bias", "running_mean")):
                state[name] += torch.randn(value.shape) * 0.1
    path = tmp_path_factory.mktemp("weights") / "stand-in.pth"
    torch.save(state, path)
    return path


def test_inception_gives_the_library_s_features(stand_in):
    library = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    found = load_extractor("inception", stand_in)
    # Other weights than the published ones: not FID.
    assert found.title("FD") == "Inception with stand-in.pth-FD"
    assert found.resize == "299 px bilinear as TensorFlow 1"
    x = images(2)
    own = library.FeatureExtractorInceptionV3("own", ["2048"], str(stand_in))
    wanted = own(((x + 1) * 127.5).round().to(torch.uint8))[0].numpy()
    features = found.features([x])
    assert features.shape == (2, 2048)
    assert features.std(0).mean() > 1e-3
    np.testing.assert_allclose(features, wanted, atol=1e-5 * np.abs(wanted).mean(), rtol=1e-4)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in found.network.modules())  # folded


def test_published_weights_are_called_fid(stand_in, monkeypatch, offline):
    (offline / "checkpoints").mkdir(parents=True)
    (offline / "checkpoints" / INCEPTION).symlink_to(stand_in)
    assert not load_extractor("inception").standard
    monkeypatch.setattr("instar.metrics.extractors._sha256", lambda path: "6726825d" + "0" * 56)
    found = load_extractor("inception")
    assert (found.title("FD"), found.title("KID")) == ("FID", "KID")
    assert found.describe((5, 4)).startswith("Inception 2015-12-05, 299 px bilinear as TensorFlow 1; 5 against 4")


def test_distances_equal_the_library_s():
    """On features, as the library computes them from its own."""
    fid = pytest.importorskip("torch_fidelity.metric_fid")
    kid = pytest.importorskip("torch_fidelity.metric_kid")
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(60, 40, generator=generator).abs(), torch.randn(90, 40, generator=generator).abs() * 1.2
    statistics = [fid.fid_features_to_statistics(features) for features in (x, y)]
    wanted = fid.fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]
    assert frechet_distance(x.numpy(), y.numpy()) == pytest.approx(wanted, rel=1e-4)
    found = kid.kid_features_to_metric(x, y, kid_subsets=20, kid_subset_size=50, verbose=False)
    ours = kernel_distance_subsets(x.numpy(), y.numpy(), subsets=20, size=50)
    assert ours == pytest.approx(tuple(found.values()), rel=1e-4)


@pytest.mark.slow
def test_fid_and_kid_of_files_equal_the_library_s(stand_in, tmp_path):
    """From the same files to the same numbers; the library's eigenvalues of 2048² take most of the time."""
    fidelity = pytest.importorskip("torch_fidelity")
    sides = {"x": images(12, 64), "y": images(10, 64, seed=1) * 0.7}
    for name, batch in sides.items():
        (tmp_path / name).mkdir()
        for i, image in enumerate(batch):
            pixels = ((image + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()
            Image.fromarray(pixels).save(tmp_path / name / f"{i:02}.png")
    wanted = fidelity.calculate_metrics(
        input1=str(tmp_path / "x"), input2=str(tmp_path / "y"), fid=True, kid=True, kid_subset_size=10, cuda=False,
        feature_extractor_weights_path=str(stand_in), verbose=False, cache=False, kid_subsets=10,
    )  # fmt: skip
    found = load_extractor("inception", stand_in)
    x, y = (found.features(batch.split(4)) for batch in sides.values())
    assert frechet_distance(x, y) == pytest.approx(wanted["frechet_inception_distance"], rel=1e-4)
    ours = kernel_distance_subsets(x, y, subsets=10, size=10)
    assert ours[0] == pytest.approx(wanted["kernel_inception_distance_mean"], rel=1e-4)
    assert ours[1] == pytest.approx(wanted["kernel_inception_distance_std"], rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(("height", "width"), [(20, 64), (256, 256), (299, 301), (640, 480)])
def test_images_are_resized_as_the_library_does(height, width):
    library = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    x = torch.randint(0, 256, (1, 3, height, width), generator=torch.Generator().manual_seed(0)).float()
    wanted = library.interpolate_bilinear_2d_like_tensorflow1x(x, size=(299, 299), align_corners=False)
    rows, columns = (_tensorflow_bilinear(length, 299) for length in (height, width))
    torch.testing.assert_close(rows @ x @ columns.T, wanted, rtol=0, atol=2e-3)
