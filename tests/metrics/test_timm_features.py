"""Networks of timm as extractors; none of it asks the network."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from instar.core.config import names_code
from instar.core.errors import UserError
from instar.metrics.extractors import load_extractor
from instar.metrics.features import resize


def images(n: int, side: int = 20) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, side, side), generator=torch.Generator().manual_seed(0)) / 127.5 - 1


def test_it_is_no_code_of_the_users() -> None:
    assert not names_code("timm:resnet18")
    assert names_code("timms:resnet18")


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match=r"extractor=timm:resnet18 needs a library: pip install '\.\[timm\]'"):
        load_extractor("timm:resnet18")


def test_an_unknown_network_names_the_nearest() -> None:
    pytest.importorskip("timm")
    with pytest.raises(UserError, match=r"timm:resnet18x: there is no such network; did you mean 'resnet18"):
        load_extractor("timm:resnet18x")
    with pytest.raises(UserError, match=r"there is no such network; timm\.list_models\(\) names them"):
        load_extractor("timm:???")


@pytest.mark.parametrize(("name", "suffix"), [("test_resnet", "pth"), ("test_vit.r160_in1k", "safetensors")])
def test_features_are_the_pooled_ones(tmp_path: Path, name: str, suffix: str) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(3)
    network = timm.create_model(name, pretrained=False).eval()
    file = tmp_path / f"w.{suffix}"
    if suffix == "pth":
        torch.save(network.state_dict(), file)
    else:
        save_file(network.state_dict(), file)
    before = torch.get_rng_state()
    found = load_extractor(f"timm:{name}", file)
    assert torch.equal(torch.get_rng_state(), before)
    assert found.title("KID") == f"timm {name} w.{suffix}-KID"
    assert found.asked == f"timm:{name}"
    features = found.features([images(3), images(3, 64)])
    x = (resize(images(3), 160) / 255 - 0.5) / 0.5
    with torch.inference_mode():
        wanted = network.forward_head(network.forward_features(x), pre_logits=True)
    assert torch.from_numpy(features[:3]).equal(wanted)
    assert features.shape == (6, network.num_features)


def test_weights_of_another_network(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    torch.save({"a": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"w\.pth: not the weights of timm:test_resnet \(.*expected what timm"):
        load_extractor("timm:test_resnet", tmp_path / "w.pth")
    (tmp_path / "w.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match="not the weights of timm:test_resnet"):
        load_extractor("timm:test_resnet", tmp_path / "w.safetensors")


def test_offline_it_says_where_weights_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm")
    make = timm.create_model

    def offline(name: str, pretrained: bool = False, **options: object) -> object:
        if pretrained:
            raise OSError("no network\nand more lines")
        return make(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(UserError) as caught:
        load_extractor("timm:test_resnet")
    said = str(caught.value)
    assert said.startswith("extractor=timm:test_resnet: its weights can be neither read nor fetched (no network): ")
    assert "weights=model.safetensors" in said
    assert "\n" not in said
