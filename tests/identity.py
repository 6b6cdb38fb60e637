"""A method that changes nothing, to see what is lost around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from instar.core.batch import Domain, Unpaired
from instar.core.config import DataConfig, MethodConfig, Preset, RunConfig, TrainConfig
from instar.core.formats import DomainFormat
from instar.core.method import Method, Objectives
from instar.core.objective import Objective, term
from instar.core.progress import Progress
from instar.inference.translator import Translator


class Identity(Method[Unpaired]):
    """G(x) = x."""

    options = MethodConfig
    data = Unpaired
    targets = ("a", "b")
    translators = ("G",)
    presets = {"tiny": Preset(about="tests"), "small": Preset(about="tests")}

    def __init__(self, cfg: MethodConfig) -> None:
        super().__init__(cfg)
        self.G = nn.Conv2d(1, 1, 1)

    def objectives(self, batch: Unpaired, at: Progress) -> Objectives:
        yield Objective("G", over=(self.G,), loss=term("x", self.G(batch.a[:, :1]).square().mean()))

    def translate(self, x: Tensor, *, to: Domain = "b") -> Tensor:
        return x


def identity(channels: int = 3, formats: Sequence[DomainFormat] = ()) -> Translator:
    """A model that changes nothing, trained on images of some formats."""
    method = MethodConfig(channels=channels)
    config = RunConfig(name="identity", preset="", method=method, data=DataConfig(), train=TrainConfig())
    return Translator(Identity(method), replace(config, formats=tuple(formats)), "cpu")
