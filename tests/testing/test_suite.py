"""The contract as a library: on methods that keep it, and on one for each of its checks that does not."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from instar.core import registry
from instar.core.batch import Unpaired
from instar.core.config import MethodConfig, Preset
from instar.core.method import Method, Objectives, Paper
from instar.core.objective import Objective, term
from instar.core.progress import Progress
from instar.modules.init import normal
from instar.networks.unet import UNet
from instar.testing import check_method, checks

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/l1_unet.py"


@pytest.fixture(autouse=True)
def only_what_a_test_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})


class Small(Method[Unpaired]):
    """A U-Net that makes images as bright as those of the other domain.

    Terms:
        G/level: distance of the mean brightness

    Differs from the paper:
        There is none.
    """

    options = MethodConfig
    paper = Paper("None", "Nobody", 2026, "https://example.org")
    data = Unpaired
    targets = ("b",)
    translators = ("G",)
    presets = {
        "paper": Preset(about="none"),
        "small": Preset(about="64 px", data={"size": 64}),
        "tiny": Preset(about="32 px", data={"size": 32}, train={"steps": 20, "ema": 100}),
    }

    def __init__(self, cfg: MethodConfig) -> None:
        super().__init__(cfg)
        self.G = normal(UNet(cfg.channels, 4, 5, norm="instance", dropout_at=()))
        self.size_divisor = self.G.size_divisor

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move the generator."""
        yield Objective("G", over=(self.G,), loss=term("level", self.level(batch)))

    def level(self, batch: Unpaired) -> Tensor:
        return (self.G(batch.a).float() - batch.b.mean()).square().mean()

    def translate(self, x: Tensor, *, to: str = "b") -> Tensor:
        """Translate with G."""
        out: Tensor = self.G(x)
        return out


def test_methods_that_keep_it() -> None:
    check_method(EXAMPLE)
    check_method(Small)


def test_checks_have_the_names_that_exempt_uses() -> None:
    names = [check.name for check in checks()]
    assert len(names) == len(set(names)) >= 28
    assert {"batch_independent", "resume", "bf16", "only_the_players_named_move"} <= set(names)
    assert [check.name for check in checks() if check.slow] == ["tiny_is_quick"]
    assert all((check.run.__doc__ or "").strip() for check in checks())


class Forgetful(Small):
    """A class without its blocks."""


class Forgets(Small):
    __doc__ = Small.__doc__

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move the generator, with chance that is not the step's."""
        noise = torch.rand((), generator=torch.Generator().manual_seed(torch.seed() % 2**63))
        yield Objective("G", over=(self.G,), loss=term("level", self.level(batch) * noise))


class Counts(Small):
    __doc__ = Small.__doc__

    def __init__(self, cfg: MethodConfig) -> None:
        super().__init__(cfg)
        self.steps = 0

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        """Move the generator, by a state that no checkpoint holds."""
        self.steps += 1
        yield Objective("G", over=(self.G,), loss=term("level", self.level(batch) * self.steps))


class Impure(Small):
    __doc__ = Small.__doc__

    def __init__(self, cfg: MethodConfig) -> None:
        super().__init__(cfg)
        self.register_buffer("seen", torch.zeros(()))

    def translate(self, x: Tensor, *, to: str = "b") -> Tensor:
        """Translate with G, and count."""
        self.seen += 1
        return super().translate(x, to=to)


class Draws(Small):
    __doc__ = Small.__doc__

    def translate(self, x: Tensor, *, to: str = "b") -> Tensor:
        """Translate with G, and noise that nobody was told of."""
        return (super().translate(x, to=to) + 0.1 * torch.randn_like(x)).clamp(-1, 1)


class Mixes(Small):
    __doc__ = Small.__doc__

    def translate(self, x: Tensor, *, to: str = "b") -> Tensor:
        """Translate the mean of the batch."""
        return super().translate(x.mean(0, keepdim=True).expand_as(x), to=to)


class Stray(Small):
    __doc__ = Small.__doc__

    def __init__(self, cfg: MethodConfig) -> None:
        super().__init__(cfg)
        self.D = torch.nn.Linear(1, 1)

    def prepare(self, phase: str, batches: Iterable[Unpaired]) -> None:
        """Prepare nothing."""


class Exempt(Small):
    __doc__ = Small.__doc__
    exempt = {"no_such_check": "because"}


@pytest.mark.parametrize(
    ("kind", "failing"),
    [
        (Forgetful, {"docs", "documented_terms_are_those_of_the_log"}),
        (Forgets, {"a_step_leaves_nothing_behind", "resume"}),
        (Counts, {"resume"}),
        (Impure, {"pure"}),
        (Draws, {"chance_is_handed_in"}),
        (Mixes, {"batch_independent"}),
        (Stray, {"every_network_moves_in_some_phase"}),
        (Exempt, {"waivers_name_checks_and_reasons"}),
    ],
)
def test_a_method_that_does_not(kind: type[Method[Any]], failing: set[str]) -> None:
    with pytest.raises(AssertionError) as error:
        check_method(kind)
    said = str(error.value)
    name = registry.resolve(kind)
    assert said.startswith(f"{name} fails ")
    found = {check.name for check in checks() if f"{check.name}: " in said or said.endswith(check.name)}
    assert found >= failing
    assert error.value.__cause__ is not None


def test_a_waived_check_is_not_run() -> None:
    kind = type("Waived", (Mixes,), {"exempt": {"batch_independent": "it translates the mean of the batch"}})
    kind.__doc__ = Small.__doc__
    check_method(kind)
