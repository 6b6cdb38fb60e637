"""An ONNX file as a method that translates: what `Model` asks of a method, answered by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from instar.core.abilities import Clustered, Styled
from instar.core.batch import Domain, Unpaired
from instar.core.config import DataConfig, MethodConfig, RunConfig, TrainConfig
from instar.core.errors import UserError, setting
from instar.inference.card import KEY, Card
from instar.inference.padding import padded

SUFFIX = ".onnx"


class OnnxMethod(nn.Module):
    """A graph that Instar has exported. It pads images itself. Its domains are `a`, that of the images, and `b`.

    Attributes:
        card: of the graph.
    """

    data = Unpaired
    targets: tuple[Domain, ...] = ("b",)

    def __init__(self, session: Any, card: Card) -> None:
        super().__init__()
        self.session, self.card = session, card
        self.size_divisor, self.fixed_size = card.size_divisor, card.fixed_size
        self.stochastic = bool(card.noise or card.style_size)
        self.without = frozenset(
            [*([] if card.style_size else [Styled]), *([] if any(card.domain_styles) else [Clustered])]
        )
        self.exempt = {"batch_independent": "each image draws its own noise"} if card.noise else {}

    def translate(
        self, x: Tensor, *, to: Domain = "b", style: Tensor | None = None, generator: Generator | None = None
    ) -> Tensor:
        """Translate images (N, C, H, W) in [-1, 1] of any size, in styles (N, S) or one that is drawn for all."""
        inputs = {"image": (x + 1) / 2}
        if self.card.style_size:
            drawn = self.sample_style(1, generator) if style is None else style
            inputs["style"] = drawn.expand(len(x), -1)
        inputs |= self._noise(x, generator)
        arrays = {name: tensor.contiguous().numpy() for name, tensor in inputs.items()}
        (out,) = self.session.run(["translation"], arrays)
        return torch.from_numpy(out) * 2 - 1

    def sample_style(self, n: int, generator: Generator | None = None) -> Tensor:
        """Draw styles (n, S): normal numbers, or some of those that came with the graph."""
        if self.card.style_prior == "normal":
            return torch.randn(n, self.card.style_size, generator=generator)
        known = torch.tensor(self.card.styles)
        return known[torch.randint(len(known), (n,), generator=generator)]

    def cluster(self, x: Tensor) -> Tensor:
        """Refuse: the graph holds what translates, not what tells domains apart."""
        raise UserError(f"{self.name}: an exported model cannot tell which of its domains an image is of; use the run")

    def cluster_styles(self) -> Tensor:
        """Return the mean styles (K, S) of the domains found; not finite for one without images."""
        nothing = [float("nan")] * self.card.style_size
        return torch.tensor([nothing if one is None else one for one in self.card.domain_styles])

    @property
    def name(self) -> str:
        """Name of the method that was exported."""
        return self.card.method

    def _noise(self, x: Tensor, generator: Generator | None) -> dict[str, Tensor]:
        if not self.card.noise:
            return {}
        height, width = padded(x, self.card.size_divisor).shape[-2:]
        found = {}
        for one in self.card.noise:
            shape = (len(x), one.channels, height // one.divisor, width // one.divisor)
            found[one.name] = torch.empty(shape).bernoulli_(1 - one.p, generator=generator).div_(1 - one.p)
        return found


def load_onnx(path: Path, device: str = "auto") -> tuple[Any, RunConfig]:
    """Read a file that Instar has exported; return what translates, and as much of the run's settings as it tells.

    Args:
        path: of the file.
        device: auto or cpu.

    Raises:
        UserError: ONNX Runtime is not installed, the file is not one of Instar's or is damaged, or another device.
    """
    if device not in ("auto", "cpu"):
        wanted = setting("device", device)
        raise UserError(f"{wanted}: ONNX files are translated on the CPU; give the run, or {setting('device', 'cpu')}")
    session = open_session(path)
    metadata = session.get_modelmeta().custom_metadata_map
    if KEY not in metadata:
        raise UserError(f"{path}: this ONNX file was not exported by Instar; give one from `instar.export`")
    card = Card.from_json(metadata[KEY], path)
    data = DataConfig(source=card.source, target=card.target, size=card.size, zoom=card.zoom)
    method = MethodConfig(channels=card.channels, target_channels=card.out_channels or None)
    config = RunConfig(name=card.method, preset="", method=method, data=data, train=TrainConfig(), formats=card.formats)
    return OnnxMethod(session, card), config


def open_session(path: Path) -> Any:
    """Return an ONNX Runtime session with as many threads as PyTorch has.

    Raises:
        UserError: it is not installed, or the file cannot be read.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    try:
        import onnxruntime  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise UserError(f"{path} needs ONNX Runtime: pip install '.[onnx]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common class of their own
        raise UserError(f"{path}: ONNX Runtime cannot read it ({_first_line(str(error))})") from error


def _first_line(text: str) -> str:
    lines: Sequence[str] = text.strip().splitlines()
    return lines[0] if lines else "no reason given"
