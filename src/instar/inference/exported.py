"""An exported model as something to call, as a run is: without PyTorch, which takes seconds to load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from instar.core.abilities import Clustered, Styled
from instar.core.batch import Domain, Unpaired
from instar.core.config import DataConfig, MethodConfig, RunConfig, TrainConfig
from instar.core.errors import UserError, setting
from instar.core.raster import Picture
from instar.core.settings import Bounds
from instar.inference.arrays import Planes, padded_planes, resized_planes
from instar.inference.base import BaseTranslator
from instar.inference.card import Card
from instar.inference.chance import Chance
from instar.inference.checks import Given
from instar.inference.domains import Domains
from instar.inference.fitting import WHOLE, Fitting
from instar.inference.padding import padded_sides
from instar.inference.runtimes.graph import Graph
from instar.inference.runtimes.onnx import OnnxGraph
from instar.inference.runtimes.openvino import OpenVinoGraph
from instar.inference.runtimes.torch import TorchGraph
from instar.inference.styles import Style

if TYPE_CHECKING:
    from torch import Tensor

    from instar.inference.landmarks import Points

RUNTIMES: dict[str, Callable[[Path], Graph]] = {".onnx": OnnxGraph, ".xml": OpenVinoGraph, ".pt2": TorchGraph}
"""By the suffix of files, in small letters."""


def is_exported(path: Path) -> bool:
    """Tell whether a path is that of an exported model, by its name."""
    return path.suffix.lower() in RUNTIMES


class ExportedMethod:
    """What a method that was exported can still do, as `core.abilities` asks for it. Its domains are `a` and `b`."""

    def __init__(self, card: Card) -> None:
        self.size_divisor, self.fixed_size = card.size_divisor, card.fixed_size
        self.normal_styles = card.style_prior == "normal"
        lacking = [*([] if card.style_size else [Styled]), *([] if any(card.domain_styles) else [Clustered])]
        self.without = frozenset(lacking)

    def translate(self, *_: Any) -> NoReturn:
        """Refuse: that it is there tells what the graph can do, and the translator does it."""
        raise TypeError("ask the translator: an exported method has no networks of its own")

    sample_style = cluster = cluster_styles = translate


class ExportedTranslator(BaseTranslator):
    """A graph that Instar has exported. It pads images itself, and computes on the CPU.

    Attributes:
        card: what its file says of it.
    """

    computes_on = "cpu"

    def __init__(self, graph: Graph) -> None:
        card = graph.card
        masks = card.masks or None
        data = DataConfig(source=card.source, target=card.target, size=card.size, zoom=card.zoom, masks=masks)
        method = MethodConfig(channels=card.channels, target_channels=card.out_channels or None)
        train, formats = TrainConfig(), card.formats
        config = RunConfig(name=card.method, preset="", method=method, data=data, train=train, formats=formats)
        super().__init__(config, Domains.of(config, Unpaired.parts, ("b",)))
        self.method, self.card, self._graph = ExportedMethod(card), card, graph

    @classmethod
    def load(cls, path: Path, device: str = "auto") -> Self:
        """Open a file.

        Args:
            path: ends with one of `RUNTIMES`.
            device: auto or cpu.

        Raises:
            UserError: there is no such file, its runtime is not installed, it is not one of Instar's or is damaged, or
                another device.
        """
        if device not in ("auto", "cpu"):
            wanted, fits = setting("device", device), setting("device", "cpu")
            raise UserError(f"{wanted}: exported models are translated on the CPU; give the run, or {fits}")
        if not path.is_file():
            raise UserError(f"{path}: there is no such file")
        return cls(RUNTIMES[path.suffix.lower()](path))

    @property
    def bytes(self) -> int:
        """Of its file."""
        return self._graph.bytes

    @property
    def style_size(self) -> int:
        """How many numbers a style has."""
        if not self.card.style_size:
            raise UserError(f"{self.name} has no styles: it has one translation for an image")
        return self.card.style_size

    def styles(self, count: int, *, seed: int = 0, to: str | None = None) -> NDArray[np.float32]:
        """Draw styles (count, S) of its domain. The first is the one that `translate` draws from this seed.

        Where a style is a normal vector these are the run's, up to rounding; else they are some of those in the card.
        """
        size = self.style_size
        Bounds(1).check("count", count)
        Bounds(0).check("seed", seed)
        rows = []
        for number in range(count):
            chance = Chance(seed, number)
            normal = self.card.style_prior == "normal"
            rows.append(chance.normal(size) if normal else self.card.styles[chance.below(len(self.card.styles))])
        return np.array(rows, np.float32)

    def domain_styles(self) -> list[NDArray[np.float32] | None]:
        """Return the mean style (S,) of each domain that the model found; None for one without images."""
        return [None if one is None else np.array(one, np.float32) for one in self.card.domain_styles]

    def arrays(
        self,
        x: Planes,
        to: Domain,
        *,
        size: int | None = None,
        seed: int = 0,
        style: NDArray[np.float32] | None = None,
        fitting: Fitting = WHOLE,
        shape: tuple[int, int] | None = None,
    ) -> Planes:
        """Translate arrays in one pass; see `BaseTranslator`."""
        height, width = x.shape[-2:]
        given = resized_planes(x, *self.working_size(height, width, size))
        if fitting.one_by_one(*given.shape[-2:]):
            tile = setting("tile", fitting.tile)
            raise UserError(f"{tile}: an exported graph takes whole images; take the run, or a lower {setting('size')}")
        noise = self.noise(given.shape, seed)
        styles = style
        if self.card.style_size:
            chosen = self.styles(1, seed=seed) if style is None else style
            styles = np.broadcast_to(chosen, (len(x), self.card.style_size))
        step = 1 if noise else len(x)  # each image draws the same noise
        parts = [slice(start, start + step) for start in range(0, len(x), step)]
        made = [self.passed(given[i], None if styles is None else styles[i], noise) for i in parts]
        out = made[0] if len(made) == 1 else np.concatenate(made)
        return resized_planes(out, *(shape or (height, width)))

    def passed(self, x: Planes, style: NDArray[np.float32] | None, noise: Sequence[NDArray[np.float32]]) -> Planes:
        """Return what the graph makes of images (N, C, H, W) in [-1, 1], styles (N, S) and the masks of `noise`."""
        height, width = x.shape[-2:]
        out: Planes = self._graph.run(self.given(x, style, noise))[..., :height, :width] * 2 - 1
        return out

    def given(
        self, x: Planes, style: NDArray[np.float32] | None, noise: Sequence[NDArray[np.float32]]
    ) -> dict[str, NDArray[np.float32]]:
        """Return what the graph is given for the arguments of `passed`."""
        outside = not self.card.pads and not self.card.fixed_size
        planes = padded_planes(x, self.card.size_divisor) if outside else x
        inputs: dict[str, NDArray[Any]] = {"image": (planes + 1) / 2}
        if style is not None:
            inputs["style"] = style
        inputs |= {one.name: mask for one, mask in zip(self.card.noise, noise, strict=True)}
        return {name: np.ascontiguousarray(array, np.float32) for name, array in inputs.items()}

    def noise(self, shape: Sequence[int], seed: int) -> list[NDArray[np.float32]]:
        """Draw the masks of dropout for one image of a shape (..., H, W), other ones than the run draws."""
        chance = Chance(seed, 0)
        height, width = padded_sides(shape[-2], shape[-1], self.card.size_divisor)
        found = []
        for one in self.card.noise:
            kept = chance.uniform((1, one.channels, height // one.divisor, width // one.divisor)) >= one.p
            found.append(kept.astype(np.float32) / np.float32(1 - one.p))
        return found

    def tensors(
        self,
        x: Tensor,
        to: Domain,
        *,
        size: int | None = None,
        seed: int = 0,
        style: Tensor | None = None,
        fitting: Fitting = WHOLE,
    ) -> Tensor:
        """Translate a tensor on any device as `arrays` does; shape, type and device stay."""
        import torch  # noqa: PLC0415  (whoever gives a tensor has it)

        styles = None if style is None else style.float().cpu().numpy()
        planes = x.detach().cpu().float().numpy()
        out = self.arrays(planes, to, size=size, seed=seed, style=styles, fitting=fitting)
        return torch.from_numpy(out).to(x.device, x.dtype)

    def style_of(self, reference: Given, to: str | None = None) -> NoReturn:
        """Refuse: the graph reads no styles."""
        raise self._lacks("read a style from an image")

    def cluster(self, image: Given) -> NoReturn:
        """Refuse: the graph holds what translates, not what tells domains apart."""
        raise self._lacks("tell which of its domains an image is of")

    def attention(self, image: Given, to: str | None = None) -> NoReturn:
        """Refuse: the graph shows no attention."""
        raise self._lacks("show where it looks")

    def between(self, image: Given, other: Given, to: str | None = None, *, count: int) -> NoReturn:
        """Refuse: the graph has no code to walk in."""
        raise self._lacks("walk from one image to another")

    def landmarks(self, image: Given, of: str | None = None, *, size: int | None = None) -> NoReturn:
        """Refuse: the graph shows no landmarks."""
        raise self._lacks("show landmarks")

    def moved(
        self,
        batch: Sequence[Picture],
        to: str | None = None,
        by: NDArray[np.float32] | float = 0.0,
        *,
        source: str | None = None,
        size: int | None = None,
        style: Style | None = None,
    ) -> tuple[list[Picture], Points]:
        """Refuse: the graph has no landmarks to move."""
        raise self._lacks("move landmarks")

    def _lacks(self, what: str) -> UserError:
        return UserError(f"{self.name}: an exported model cannot {what}; use the run")
