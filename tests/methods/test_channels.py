"""Images of other numbers of channels than photographs have, the same in both domains or not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from instar.core import registry
from instar.core.config import RunConfig
from instar.core.errors import UserError
from instar.core.seed import generator
from instar.core.settings import with_changes
from instar.testing.runs import build, source_for, tiny, trainer
from methods.parts import CLASSIFIERS

DIGITS = ("unit-adaptation", *CLASSIFIERS)
EQUAL = ("cut", "funit", "i2sb", "quick", "santa", "starganv2", "transgaga", "tunit", "unsb", *DIGITS)
OPTIONS: dict[str, dict[str, Any]] = {
    "cyclegan": {"identity": 0.0},
    "dclgan": {"identity": 0.0},
    "distancegan": {"identity": 0.0},
    "gcgan": {"identity": 0.0, "cycle": 10.0},
    "stegogan": {"identity": 0.0},
    "ugatit": {"identity": 0.0, "cam": 0.0},
}
"""What takes the terms away that compare images of both domains."""


def config_of(name: str, **options: Any) -> RunConfig:
    base = tiny(name)
    return replace(base, method=with_changes(base.method, options))


def trained(config: RunConfig, folder: Path) -> Any:
    play = trainer(config, folder, build(config), source_for(config))
    play.train_step(play.source.batch(0))
    assert play.bad_steps == 0
    return play.method.eval()


@pytest.mark.parametrize("name", [name for name in registry.names() if name not in DIGITS])
@pytest.mark.parametrize("channels", [2, 4])
def test_all_methods_train_on_bands(name: str, channels: int, tmp_path: Path) -> None:
    config = config_of(name, channels=channels)
    method = trained(config, tmp_path)
    x = torch.rand(2, channels, 32, 32, generator=generator(0)) * 2 - 1
    with torch.no_grad():
        for to in method.targets:
            assert method.translate(x, to=to).shape == x.shape


@pytest.mark.parametrize("name", [name for name in registry.names() if name not in EQUAL])
@pytest.mark.parametrize("channels", [(4, 1), (1, 3)])
def test_domains_of_different_channels(name: str, channels: tuple[int, int], tmp_path: Path) -> None:
    a, b = channels
    config = config_of(name, channels=a, target_channels=b, **OPTIONS.get(name, {}))
    method = trained(config, tmp_path)
    with torch.no_grad():
        for to in method.targets:
            given, made = (a, b) if to == "b" else (b, a)
            x = torch.rand(2, given, 32, 32, generator=generator(0)) * 2 - 1
            assert method.translate(x, to=to).shape == (2, made, 32, 32)


@pytest.mark.parametrize("name", EQUAL)
def test_methods_that_need_equal_channels_say_why(name: str) -> None:
    with pytest.raises(UserError, match=r"method.target_channels=1: .* needs as many as channels=3 in both domains: "):
        build(config_of(name, channels=3, target_channels=1))
    build(config_of(name, channels=3, target_channels=3))


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_terms_that_compare_domains_are_named(name: str) -> None:
    kind = registry.get(name)
    options = {**OPTIONS[name], "identity": 5.0}
    with pytest.raises(UserError, match=r"identity=5 compares .*; set method.identity=0"):
        kind(with_changes(tiny(name).method, {**options, "target_channels": 1}))


def test_digits_are_gray_or_in_colour() -> None:
    with pytest.raises(UserError, match=r"channels=4: this method takes digits"):
        config_of("unit-adaptation", channels=4)


@pytest.mark.parametrize("name", ["cyclegan", "gcgan"])
def test_a_skip_needs_equal_channels(name: str) -> None:
    options = {**OPTIONS[name], "skip": True, "target_channels": 1}
    with pytest.raises(UserError, match=r"method.skip"):
        build(config_of(name, **options))
