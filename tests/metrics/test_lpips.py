import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from instar.core.errors import UserError
from instar.metrics import lpips
from instar.metrics.lpips import LPIPS

BOTH = [(backbone, version) for backbone in ("alex", "vgg", "squeeze") for version in ("0.0", "0.1")]
CHANNELS = {
    "alex": (64, 192, 384, 256, 256),
    "vgg": (64, 128, 256, 512, 512),
    "squeeze": (64, 128, 256, 384, 384, 512, 512),
}


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))

    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.OpenerDirector.open", refuse)
    return tmp_path / "hub"


def random_images(n, side=48):
    return torch.rand(n, 3, side, side) * 2 - 1


def activations(network, images):
    """The outputs of the layers that the paper compares, found by what they are: the last ReLU before a pooling, or
    every ReLU (alex); SqueezeNet's first ReLU and its Fire modules before a pooling or at the end."""
    kept, x = [], images
    children = list(network.layers)
    for i, layer in enumerate(children):
        x = layer(x.clone())
        following = children[i + 1] if i + 1 < len(children) else nn.MaxPool2d(2)
        is_stage = isinstance(following, nn.MaxPool2d) and not isinstance(layer, nn.MaxPool2d)
        if network.backbone == "alex":
            is_stage = isinstance(layer, nn.ReLU)
        if network.backbone == "squeeze":
            is_stage = is_stage or i >= 9  # every Fire module at the last resolution
        if is_stage:
            kept.append(x)
    return kept


def by_the_formula(network, heads, x, y):
    """Zhang et al. 2018, eq. 1, in numpy and loops over layers and images."""
    if network.version == "0.1":
        mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
        std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        x, y = (((image + 1) / 2 - mean) / std for image in (x, y))
    totals = np.zeros(len(x))
    pairs = zip(activations(network, x), activations(network, y), strict=True)
    for layer, (a, b) in enumerate(pairs):
        for i in range(len(x)):
            fa, fb = a[i].double().numpy(), b[i].double().numpy()
            difference = fa / np.linalg.norm(fa, axis=0) - fb / np.linalg.norm(fb, axis=0)
            totals[i] += np.einsum("c,chw->hw", heads[layer], difference**2).mean()
    return totals


@pytest.mark.parametrize(("backbone", "version"), BOTH)
def test_against_the_formula(backbone, version):
    torch.manual_seed(0)
    network = LPIPS(backbone, version)
    with np.load(lpips._HEADS) as file:
        heads = [file[f"v{version}_{backbone}_{i}"].astype(np.float64) for i in range(len(CHANNELS[backbone]))]
    assert tuple(map(len, heads)) == CHANNELS[backbone]
    for parameter in network.layers.parameters():
        if parameter.ndim > 1:  # so that the last layers still differ
            nn.init.kaiming_normal_(parameter)
    x, y = random_images(2), random_images(2)
    wanted = by_the_formula(network, heads, x, y)
    assert wanted.min() > 0.01
    # the authors' constants of v0.1 are ImageNet's, rounded to three places
    np.testing.assert_allclose(network(x, y), wanted, rtol=2e-3 if version == "0.1" else 1e-4)
    squares = (network.embed(x) - network.embed(y)).square().sum(1)
    torch.testing.assert_close(squares, network(x, y), rtol=1e-4, atol=1e-6)


def test_heads_are_those_that_were_published(real_data):
    with np.load(lpips._HEADS) as shipped:
        assert len(shipped.files) == 2 * (5 + 5 + 7)
        for backbone, version in BOTH:
            file = real_data / "weights" / f"lpips_v{version}" / f"{backbone}.pth"
            published = torch.load(file, map_location="cpu", weights_only=True)
            for name, weight in published.items():
                ours = shipped[f"v{version}_{backbone}_{name[3]}"]
                np.testing.assert_array_equal(ours, weight.numpy().ravel())
                assert ours.min() >= 0  # else there were no root of it
    assert lpips._HEADS.stat().st_size < 60_000
    assert "Richard Zhang" in lpips._HEADS.with_suffix(".LICENSE").read_text()


def test_a_distance():
    torch.manual_seed(0)
    network = LPIPS()
    assert network.name == "LPIPS v0.1 (alex)"
    x, y = random_images(3), random_images(3)
    assert network(x, x).tolist() == [0, 0, 0]
    torch.testing.assert_close(network(x, y), network(y, x))
    torch.testing.assert_close(network(x, y)[1:2], network(x[1:2], y[1:2]))
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    with pytest.raises(ValueError, match="of one shape"):
        network(x, y[:1])
    with pytest.raises(ValueError, match=r"\(N, 3, H, W\) of 32 px or more, got \(3, 1, 48, 48\)"):
        network(x[:, :1], y[:, :1])
    with pytest.raises(ValueError, match=r"got \(3, 3, 31, 48\)"):
        network(x[:, :, :31], y[:, :, :31])
    for backbone in CHANNELS:
        assert LPIPS(backbone)(x[:, :, :32, :32], y[:, :, :32, :32]).min() > 0


def test_backbone_of_a_file_of_torchvision(tmp_path):
    torch.manual_seed(1)
    whole = models.squeezenet1_1(weights=None)
    torch.save(whole.state_dict(), tmp_path / "s.pth")
    network = LPIPS.load("squeeze", "0.0", tmp_path / "s.pth")
    x = random_images(1)
    torch.testing.assert_close(network.layers(x.clone()), whole.features(x))
    with pytest.raises(UserError, match=r"LPIPS v0.1 \(alex\): the weights of its backbone"):
        LPIPS.load("alex", "0.1", tmp_path / "s.pth")


def test_offline_says_which_file_to_put_where(offline):
    with pytest.raises(UserError) as error:
        LPIPS.load("alex")
    said = str(error.value)
    assert f"put the file alexnet-owt-7be5be79.pth into {offline / 'checkpoints'}" in said
    assert "://" not in said
    assert "\n" not in said
    with pytest.raises(UserError, match=r"LPIPS 0.2 with alex: there is alex, vgg, squeeze and 0.0, 0.1"):
        LPIPS("alex", "0.2")
