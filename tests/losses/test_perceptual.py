import pickle
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.errors import UserError
from instar.losses.perceptual import VGG16, Layer, domain_invariant

NAME = "vgg16-397923af.pth"
WIDTHS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512)
"""Simonyan and Zisserman's configuration D; 0 is a pooling."""


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of weights, and no network."""

    def offline(*_: Any, **__: Any) -> None:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    return tmp_path / "checkpoints"


@pytest.fixture(scope="module")
def stand_in() -> dict[str, Tensor]:
    """Random weights under the names of torchvision's file, with a stub of its classifier."""
    torch.manual_seed(0)
    with torch.device("meta"):
        layers = torchvision.models.vgg16().features
    state = {f"features.{name}": torch.randn(p.shape) * 0.05 for name, p in layers.state_dict().items()}
    return {**state, "classifier.0.weight": torch.zeros(3)}


@pytest.fixture(scope="module")
def saved(stand_in: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vgg") / NAME
    torch.save(stand_in, path)
    return path


@pytest.fixture
def file(hub: Path, saved: Path) -> Path:
    hub.mkdir(parents=True)
    (hub / NAME).symlink_to(saved)
    return hub / NAME


def by_table(state: dict[str, Tensor], x: Tensor, stage: int, last_pool: bool) -> Tensor:
    """VGG-16 up to the last ReLU of a stage (1 to 5), layer by layer."""
    x = (x + 1) / 2
    x = (x - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    weights = iter([value for name, value in state.items() if name.startswith("features.")])
    for width in WIDTHS:
        if width:
            x = nnf.conv2d(x, next(weights), next(weights), padding=1).relu()
            continue
        stage -= 1
        if stage == 0:
            break
        x = nnf.max_pool2d(x, 2) if stage > 1 or last_pool else x
    return x


@pytest.mark.parametrize(
    ("layer", "stage", "shape"),
    [("relu2_2", 2, (128, 16, 20)), ("relu4_3", 4, (512, 4, 5)), ("relu5_3", 5, (512, 4, 5))],
)
def test_features(file: Path, stand_in: dict[str, Tensor], layer: Layer, stage: int, shape: tuple[int, ...]) -> None:
    """relu5_3 without the pooling before it, as in MUNIT's code: at 1/8 of the size."""
    x = torch.rand(2, 3, 32, 40) * 2 - 1
    out = VGG16(layer)(x)
    assert out.shape == (2, *shape)
    torch.testing.assert_close(out, by_table(stand_in, x, stage, last_pool=layer != "relu5_3"))


def test_levels_are_the_layers_on_the_way(file: Path) -> None:
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    layers: tuple[Layer, ...] = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
    for last in (3, 4):
        levels = VGG16(layers[last]).levels(x)
        assert len(levels) == last + 1
        for layer, level in zip(layers, levels, strict=False):
            torch.testing.assert_close(level, VGG16(layer)(x))


def test_gray_is_taken_as_colour(file: Path) -> None:
    vgg, x = VGG16("relu1_2"), torch.rand(1, 1, 8, 8)
    torch.testing.assert_close(vgg(x), vgg(x.expand(-1, 3, -1, -1)))


def test_frozen_but_open_to_gradients(file: Path) -> None:
    vgg = VGG16("relu1_2")
    x = torch.rand(1, 3, 8, 8, requires_grad=True)
    vgg.distance(x, torch.rand(1, 3, 8, 8)).backward()
    assert x.grad is not None
    assert x.grad.any()
    assert vgg.net
    assert not any(p.requires_grad for p in vgg.net.parameters())


def test_what_was_translated_is_fixed(file: Path) -> None:
    source = torch.rand(1, 3, 8, 8, requires_grad=True)
    assert not VGG16("relu1_2").distance(torch.rand(1, 3, 8, 8), source).requires_grad


def test_read_only_once_and_only_when_needed(file: Path) -> None:
    vgg = VGG16("relu1_2")
    assert vgg.net is None
    vgg(torch.rand(1, 3, 8, 8))
    file.unlink()
    vgg(torch.rand(1, 3, 8, 8))


def test_follows_the_images_type(file: Path) -> None:
    vgg = VGG16("relu1_2")
    assert vgg(torch.rand(1, 3, 8, 8).bfloat16()).dtype == torch.float32
    assert vgg(torch.rand(1, 3, 8, 8).double()).dtype == torch.float64


def test_not_a_module() -> None:
    """As an attribute of a module it is no part of its weights."""
    owner = nn.Module()
    owner.vgg = VGG16()
    owner.vgg.net = nn.Conv2d(3, 4, 3)
    assert not list(owner.parameters())
    assert not list(owner.named_children())


def damage(path: Path, how: str) -> None:
    path.parent.mkdir(parents=True)
    if how == "half":
        torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, path)
    elif how == "other shape":
        torch.save({"features.0.weight": torch.zeros(1), "features.0.bias": torch.zeros(64)}, path)
    elif how == "pickle":
        path.write_bytes(pickle.dumps(Path(), protocol=2))
    elif how == "text":
        path.write_text("not found")


@pytest.mark.parametrize("how", ["missing", "half", "other shape", "pickle", "text", "empty"])
def test_without_weights_one_line_says_which_file_to_put_where(hub: Path, how: str) -> None:
    if how != "missing":
        damage(hub / NAME, how)
    if how == "empty":
        (hub / NAME).touch()
    with pytest.raises(UserError) as raised:
        VGG16()(torch.rand(1, 3, 32, 32))
    message = str(raised.value)
    assert "\n" not in message
    assert str(hub / NAME) in message
    assert f"/{NAME} at" in message
    assert "method.perceptual=0" in message


def test_note(hub: Path) -> None:
    assert str(hub) in VGG16().note()
    hub.mkdir(parents=True)
    (hub / NAME).touch()
    assert VGG16().note() == ""


def test_domain_invariant_by_hand() -> None:
    x, y = torch.randn(2, 3, 4, 5, dtype=torch.float64), torch.randn(2, 3, 4, 5, dtype=torch.float64)
    total = 0.0
    for i in range(2):
        for c in range(3):
            u, v = x[i, c], y[i, c]
            u, v = ((f - f.mean()) / (f.var(correction=0) + 1e-5).sqrt() for f in (u, v))
            total += float(((u - v) ** 2).sum())
    assert domain_invariant(x, y).item() == pytest.approx(total / x.numel())


def test_scale_and_shift_of_a_channel_do_not_matter() -> None:
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    other = x * torch.rand(2, 3, 1, 1).add(0.5) + torch.randn(2, 3, 1, 1)
    assert domain_invariant(x, x).item() == 0
    assert domain_invariant(x, other).item() == pytest.approx(0, abs=1e-8)
    assert domain_invariant(x, x.flip(3)).item() > 0.5


def test_in_full_precision() -> None:
    x, y = torch.randn(1, 3, 8, 8), torch.randn(1, 3, 8, 8)
    coarse = domain_invariant(x.bfloat16(), y.bfloat16())
    assert coarse.dtype == torch.float32
    assert coarse.item() == pytest.approx(domain_invariant(x, y).item(), rel=1e-2)
