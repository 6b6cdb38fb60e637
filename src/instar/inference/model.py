"""A trained method on a device: tensors of any size in, their translations out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import Self

from instar.core.batch import Domain
from instar.core.config import Precision, RunConfig
from instar.core.device import has_bf16, pick_device
from instar.core.errors import setting
from instar.core.method import Method
from instar.core.raster import Picture
from instar.core.run import load_method
from instar.core.seed import generator
from instar.inference.arrays import Planes, images_to_planes
from instar.inference.base import BaseTranslator
from instar.inference.domains import Domains
from instar.inference.fitting import WHOLE, Fitting, Pass, fits, fitted, in_tiles
from instar.inference.memory import Cost, cost
from instar.inference.padding import cropped, padded, padded_sides, resized
from instar.inference.tiles.pixels import Box, Extended, Source, Target
from instar.inference.tiles.sizes import Tile

APART = 3.0
"""Grey levels, on average, by which the first image in bfloat16 may be off: 0.18 for a trained model, 1.26 for one of
random weights."""
LEVELS = 127.5
"""Grey levels of a difference of 1."""
COST_SIDE = 256
"""Of the image with which it is measured what a pass takes."""


@contextmanager
def without_gradients() -> Iterator[None]:
    """Record nothing and give tensors that may be changed in place, also within `torch.inference_mode`."""
    with torch.inference_mode(False), torch.no_grad():
        yield


class Model(BaseTranslator):
    """A method with its averaged weights on a device. It carries its architecture: nothing else is needed.

    Attributes:
        method: in eval mode.
        config: settings of its run.
        device: where it computes.
        keys: its domains.
    """

    method: Method[Any]
    reads_windows = True

    def __init__(
        self, method: Method[Any], config: RunConfig, device: str = "auto", precision: Precision = "32"
    ) -> None:
        super().__init__(config, Domains.of(config, method.kind_of(config.method).parts, method.targets))
        self.device = torch.device(pick_device(device))
        self.method = method.eval().requires_grad_(False).to(self.device)
        self.precision = precision
        if precision == "auto":
            self.precision = "bf16" if has_bf16(self.device.type) else "32"
            self.chosen = f"{setting('precision', 'auto')} takes {self.precision}"
        self._unsure = precision == "auto" and self.precision == "bf16"
        if self.precision == "bf16":  # in float32 kernels of this layout round otherwise, and gain little
            self.method.to(memory_format=torch.channels_last)
        self._costs: dict[Domain, Cost] = {}

    @classmethod
    def load(cls, path: Path, device: str = "auto", precision: Precision = "32") -> Self:
        """Load a run directory's last checkpoint, or one checkpoint."""
        return cls(*load_method(path), device=device, precision=precision)

    def check_tile(self, tile: Tile | None) -> None:
        """Refuse tiles beside bfloat16, unless the precision may still be another one."""
        if tile is not None and self._unsure:
            self._take_float32("tiles are computed in it alone")
        super().check_tile(tile)

    def _take_float32(self, why: str) -> None:
        self.precision, self._unsure = "32", False
        self.method.to(memory_format=torch.contiguous_format)
        self.chosen = f"{setting('precision', 'auto')} takes 32: {why}"

    @property
    def computes_on(self) -> str:
        """Kind of device: cpu, cuda or mps."""
        return self.device.type

    @property
    def bytes(self) -> int:
        """Of its weights."""
        return sum(one.nbytes for one in [*self.method.parameters(), *self.method.buffers()])

    @without_gradients()
    def domain_styles(self) -> list[Tensor | None]:
        """Return the mean style (S,) of each domain that the model found; None for one without images."""
        method: Any = self.method
        return [style if style.isfinite().all() else None for style in method.cluster_styles()]

    @without_gradients()
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
        """Translate arrays in one pass, or in tiles; see `BaseTranslator`."""
        styles = None if style is None else torch.from_numpy(style)
        out = self.tensors(torch.from_numpy(x), to, size=size, seed=seed, style=styles, fitting=fitting)
        made: Planes = (out if shape is None else resized(out, *shape)).numpy()
        return made

    @without_gradients()
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
        height, width = x.shape[-2:]
        given = resized(x, *self.working_size(height, width, size))
        styles = None if style is None else style.to(self.device).expand(len(x), -1)
        # A method that draws one noise for the batch would give an image another one at each place in it.
        alone = "batch_independent" in self.method.exempt or fitting.one_by_one(*given.shape[-2:])
        step = 1 if alone else len(x)
        parts = [slice(start, start + step) for start in range(0, len(x), step)]
        made = [self._pass(given[i], to, seed, None if styles is None else styles[i], fitting) for i in parts]
        out = made[0] if len(made) == 1 else torch.cat(made)
        return resized(out, height, width).to(x.device, x.dtype)

    def planes(self, batch: Sequence[Picture], domain: Domain, size: int | None = None) -> Tensor:
        """Return pictures of one size and domain as a tensor (N, C, H, W) on the device, as the networks take it."""
        height, width = self.working_size(batch[0].height, batch[0].width, size)
        return torch.from_numpy(images_to_planes(batch, self.format_of(domain), height, width)).to(self.device)

    def padded(self, x: Tensor) -> Tensor:
        """Pad (N, C, H, W) right and below, to the multiples that the networks need."""
        return padded(x, self.method.size_divisor)

    def _pass(self, x: Tensor, to: Domain, seed: int, style: Tensor | None, fitting: Fitting) -> Tensor:
        self.check_tile(fitting.tile)
        image = f"{x.shape[-1]} x {x.shape[-2]} px"
        out = fitted(self._way(to, seed, style), self.padded(x.float()), fitting, image)
        return cropped(out, *x.shape[-2:])

    def needs_tiles(self, height: int, width: int, to: Domain, fitting: Fitting) -> bool:
        """Tell whether `translate_windows` is to translate an image of a size: tiles are asked for and needed."""
        if fitting.tile is None or self.method.fixed_size:
            return False
        high, wide = padded_sides(height, width, self.method.size_divisor)
        return not fits(self._way(to, 0, None), high * wide, fitting)

    @without_gradients()
    def translate_windows(
        self, source: Source, to: Domain, target: Target, *, seed: int, style: Tensor | None, fitting: Fitting
    ) -> None:
        """Translate an image in tiles, of which only windows are read and given.

        Args:
            source: the image.
            to: key of a domain.
            target: takes each part of the result.
            seed: of the model's noise or style.
            style: (S,), on any device.
            fitting: which tiles.

        Raises:
            UserError: the method cannot be run in tiles, or there is too little memory, or disk; nothing was computed.
        """
        height, width = source.shape[-2:]
        extended = Extended(source, *padded_sides(height, width, self.method.size_divisor))
        way = self._way(to, seed, None if style is None else style.to(self.device)[None])

        def cropped_target(box: Box, part: Tensor) -> None:
            inside = Box(box.top, box.left, min(box.bottom, height), min(box.right, width))
            if inside.height > 0 and inside.width > 0:
                target(inside, cropped(part, inside.height, inside.width))

        in_tiles(way, extended, fitting, f"{width} x {height} px", cropped_target)

    def _way(self, to: Domain, seed: int, style: Tensor | None) -> Pass:
        run = partial(self._compared_run, to, seed, style)
        return Pass(run, self.device, partial(self._cost, to), self.method.size_divisor)

    def _run(self, to: Domain, seed: int, style: Tensor | None, planes: Tensor, precision: str = "") -> Tensor:
        options: dict[str, Any] = {} if style is None else {"style": style}
        if self.method.stochastic:
            options["generator"] = generator(seed, 0)  # of this call alone, so that threads do not share any
        translate: Callable[..., Tensor] = self.method.translate
        if (precision or self.precision) == "32":
            return translate(planes, to=to, **options)
        with torch.autocast(self.device.type, torch.bfloat16):
            return translate(planes.contiguous(memory_format=torch.channels_last), to=to, **options).float()

    def _compared_run(self, to: Domain, seed: int, style: Tensor | None, planes: Tensor) -> Tensor:
        """Run; as long as it is not sure that bfloat16 will do, compare with float32."""
        made = self._run(to, seed, style, planes)
        if not self._unsure:
            return made
        self._unsure = False
        apart = LEVELS * float((made - self._run(to, seed, style, planes, "32")).abs().mean())
        if apart <= APART:
            self.chosen += f": the first image is {apart:.2f} grey levels from that of float32 on average"
            return made
        self._take_float32(f"in bfloat16 the first image is {apart:.1f} grey levels off on average")
        return self._run(to, seed, style, planes)

    def _cost(self, to: Domain) -> Cost:
        """Return what a pass takes for each pixel, measured once."""
        if to not in self._costs:
            blank = self.padded(torch.zeros(1, self.format_into(to).channels, COST_SIDE, COST_SIDE, device=self.device))
            self._costs[to] = cost(partial(self._run, to, 0, None), blank)
        return self._costs[to]
