"""Runs are not scored in the features that they were trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from identity import Identity

import instar
from instar.core import registry
from instar.core.config import MethodConfig
from instar.core.errors import UserError
from instar.core.method import defaults
from instar.core.settings import with_changes
from instar.evaluation.own_features import refuse_own_features

from .parts import data_set

JUDGE = "evaluation.parts:colours"


@pytest.fixture(autouse=True)
def only_what_a_test_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})


class Flattered(Identity):
    """Says that it trains on the extractor of these tests."""

    @classmethod
    def trains_on(cls, cfg: MethodConfig) -> tuple[str, ...]:
        return (JUDGE,)


def config(name: str, preset: str = "tiny", **changes: Any) -> Any:
    found = defaults(name, registry.get(name), preset)
    return type(found)(**{**vars(found), "method": with_changes(found.method, changes)})


@pytest.mark.parametrize(
    "extractor", ["torchvision:vgg16", "timm:vgg16.tv_in1k", "timm:vgg16", "torchvision:VGG16=a.pth"]
)
def test_munit_with_a_perceptual_loss_is_not_scored_by_vgg16(extractor: str) -> None:
    said = rf"extractor={extractor}: munit with these settings trains on the features of torchvision:vgg16, which would"
    with pytest.raises(UserError, match=said):
        refuse_own_features(config("munit", perceptual=1.0), extractor)
    refuse_own_features(config("munit"), extractor)


@pytest.mark.parametrize(
    "extractor", ["mobilenet=a.npz", "torchvision:vgg16_bn", "timm:vgg16_bn.tv_in1k", "my.vgg16:net"]
)
def test_other_networks_are_free(extractor: str) -> None:
    """Nothing is raised, of names that resemble the one that is refused above."""
    refuse_own_features(config("munit", perceptual=1.0), extractor)


def test_textures_in_features_of_vgg16() -> None:
    with pytest.raises(UserError, match="transgaga with these settings trains on"):
        refuse_own_features(config("transgaga", texture="vgg", gram=1.0), "torchvision:vgg16")
    refuse_own_features(config("transgaga", texture="random"), "torchvision:vgg16")
    refuse_own_features(config("transgaga", texture="vgg", gram=0.0), "torchvision:vgg16")


def test_a_method_of_ones_own(tmp_path: Path) -> None:
    """It is refused where it is scored, in one line: while training, by evaluate, compare and benchmark."""
    data, said = data_set(tmp_path / "set", 20), rf"{JUDGE}: flattered with these settings trains on the features of"
    short: dict[str, Any] = {"preset": "tiny", "size": 32, "steps": 2, "device": "cpu"}
    run = instar.train(Flattered, data, out=tmp_path / "run", **short).run
    other = instar.train("cut", data, out=tmp_path / "other", **short).run
    with pytest.raises(UserError, match=said) as caught:
        instar.evaluate(run, extractor=JUDGE)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=said):
        instar.compare([other, run], tmp_path / "table", extractor=JUDGE)
    assert not (tmp_path / "table").exists()
    scored = {"score_every": 1, "score_with": JUDGE}
    with pytest.raises(UserError, match=said):
        instar.train(Flattered, data, out=tmp_path / "scored", **short, data={"validation": 8}, train=scored)
    assert not (tmp_path / "scored").exists()
    spec = {
        "out": "runs",
        "data": {"set": str(data)},
        "runs": {"flattered": {"preset": "tiny", "data": {"size": 32}}},
        "images": 2,
    }
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump({**spec, "score": {"extractor": JUDGE}}))
    with pytest.raises(UserError, match=rf"runs\.flattered: extractor={said}"):
        instar.benchmark(tmp_path / "spec.yaml", dry_run=True, allow_code=True)
    assert instar.evaluate(other, extractor=JUDGE).columns
