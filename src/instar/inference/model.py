"""A trained method on a device: tensors of any size in, their translations out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from typing_extensions import Self

from instar.core.abilities import Clustered, supports
from instar.core.batch import Domain
from instar.core.config import RunConfig
from instar.core.device import pick_device
from instar.core.errors import UserError, setting
from instar.core.formats import DomainFormat
from instar.core.method import Method
from instar.core.raster import Picture
from instar.core.run import load_method
from instar.core.seed import generator
from instar.inference.arrays import images_to_tensor
from instar.inference.domains import Domains
from instar.inference.fitting import Fitting, Pass, fits, fitted, in_tiles
from instar.inference.memory import Cost, cost
from instar.inference.onnx_model import SUFFIX, OnnxMethod, load_onnx
from instar.inference.padding import cropped, enlarged, padded, padded_size, resized
from instar.inference.tiles.pixels import Box, Extended, Source, Target

WHOLE = Fitting()
"""As a whole, if the memory is enough."""
COST_SIDE = 256
"""Of the image with which it is measured what a pass takes."""


@contextmanager
def without_gradients() -> Iterator[None]:
    """Record nothing and give tensors that may be changed in place, also within `torch.inference_mode`."""
    with torch.inference_mode(False), torch.no_grad():
        yield


class Model:
    """A method with its averaged weights on a device. It carries its architecture: nothing else is needed.

    Attributes:
        method: in eval mode.
        config: settings of its run.
        device: where it computes.
        keys: its domains.
    """

    def __init__(self, method: Method[Any], config: RunConfig, device: str = "auto") -> None:
        self.device = torch.device(pick_device(device))
        self.method = method.eval().requires_grad_(False).to(self.device)
        self.config = config
        self.keys = Domains.of(config, method.data.parts, method.targets)
        self._costs: dict[Domain, Cost] = {}

    @classmethod
    def load(cls, path: Path, device: str = "auto") -> Self:
        """Load a run directory's last checkpoint, one checkpoint, or a file that `instar.export` has written."""
        if path.suffix.lower() == SUFFIX:
            return cls(*load_onnx(path, device), device="cpu")
        return cls(*load_method(path), device=device)

    @property
    def name(self) -> str:
        """Name of the method."""
        return self.config.name

    @property
    def channels(self) -> int:
        """Of the images that its networks take, on the way into the target domain."""
        return self.format_into(self.keys.target).channels

    def format_of(self, domain: Domain) -> DomainFormat:
        """Return what the images of a domain are, by its key."""
        return self.config.format_of(domain, tuple(self.keys.names))

    def format_into(self, to: Domain) -> DomainFormat:
        """Return what the images are that are translated into a domain, by its key."""
        return self.format_of(self.keys.opposite(to))

    @property
    def trained_at(self) -> int:
        """Side of the training crops in pixels."""
        return self.config.data.size

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the domains, the one that was translated from in training first."""
        return tuple(self.keys.names.values())

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the domains into which it translates."""
        return tuple(self.keys.names[key] for key in self.keys.targets)

    def domain(self, name: str | None, given_as: str = "to") -> Domain:
        """Return the method's key of a domain into which it translates.

        Args:
            name: in any case; A and B are the first and the second domain, unless domains have these names. None is the
                target of the training, and so is the number of a domain that the model found, which is a style in it.
            given_as: the setting, for the message.

        Raises:
            UserError: the model does not translate into it.
        """
        if name is None or (name.isdecimal() and supports(self.method, Clustered)):
            return self.keys.target
        key = self.keys.key(name)
        if key is None or key not in self.keys.targets:
            raise UserError(f"{setting(given_as, name)}: this model translates to {self._reachable()}")
        return key

    def source_of(self, to: str | None) -> str:
        """Return the name of the domain whose images are translated into `to` where none is named."""
        return self.keys.names[self.keys.opposite(self.domain(to))]

    def own_domains(self) -> list[int]:
        """Return the numbers of the domains that the model found itself and that have images."""
        if not supports(self.method, Clustered):
            raise UserError(f"{self.name} has found no domains of its own")
        return [number for number, style in enumerate(self.method.cluster_styles()) if style.isfinite().all()]

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
        """Translate a tensor in one pass, or in tiles.

        What an image becomes does not depend on the others of its batch: noise is drawn anew from `seed` for each.

        Args:
            x: (N, C, H, W) in [-1, 1], of any H and W, with as many channels as the networks take.
            to: key of a domain, from `domain`.
            size: short side to work at; the images' own if None.
            seed: of the model's noise or style.
            style: (S,) for all, or (N, S), on any device.
            fitting: what to do with images that are large.

        Returns:
            The same shape, but for the channels of the domain, range, type and device.

        Raises:
            UserError: there is too little memory; nothing was computed.
        """
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

    def working_size(self, height: int, width: int, size: int | None = None) -> tuple[int, int]:
        """Return height and width at which the networks work on an image: of a short side, or the only ones they take.

        Networks of a fixed size see the whole image, squeezed, as their authors do it.
        """
        if self.method.fixed_size:
            return self.method.fixed_size, self.method.fixed_size
        return enlarged(height, width, size)

    def planes(self, batch: Sequence[Picture], domain: Domain, size: int | None = None) -> Tensor:
        """Return pictures of one size and domain as a tensor (N, C, H, W) on the device, as the networks take it."""
        height, width = self.working_size(batch[0].height, batch[0].width, size)
        return images_to_tensor(batch, self.format_of(domain), height, width).to(self.device)

    def padded(self, x: Tensor) -> Tensor:
        """Pad (N, C, H, W) right and below, to the multiples that the networks need; exported graphs pad themselves."""
        return x if isinstance(self.method, OnnxMethod) else padded(x, self.method.size_divisor)

    def _pass(self, x: Tensor, to: Domain, seed: int, style: Tensor | None, fitting: Fitting) -> Tensor:
        if fitting.one_by_one(*x.shape[-2:]) and isinstance(self.method, OnnxMethod):
            tile = setting("tile", fitting.tile)
            raise UserError(f"{tile}: an exported graph takes whole images; take the run, or a lower {setting('size')}")
        image = f"{x.shape[-1]} x {x.shape[-2]} px"
        out = fitted(self._way(to, seed, style), self.padded(x.float()), fitting, image)
        return cropped(out, *x.shape[-2:])

    def needs_tiles(self, height: int, width: int, to: Domain, fitting: Fitting) -> bool:
        """Tell whether `translate_windows` is to translate an image of a size: tiles are asked for and needed."""
        if fitting.tile is None or self.method.fixed_size or isinstance(self.method, OnnxMethod):
            return False
        high, wide = padded_size(height, width, self.method.size_divisor)
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
        extended = Extended(source, *padded_size(height, width, self.method.size_divisor))
        way = self._way(to, seed, None if style is None else style.to(self.device)[None])

        def cropped_target(box: Box, part: Tensor) -> None:
            inside = Box(box.top, box.left, min(box.bottom, height), min(box.right, width))
            if inside.height > 0 and inside.width > 0:
                target(inside, cropped(part, inside.height, inside.width))

        in_tiles(way, extended, fitting, f"{width} x {height} px", cropped_target)

    def _way(self, to: Domain, seed: int, style: Tensor | None) -> Pass:
        run = partial(self._run, to, seed, style)
        return Pass(run, self.device, partial(self._cost, to), self.method.size_divisor)

    def _run(self, to: Domain, seed: int, style: Tensor | None, planes: Tensor) -> Tensor:
        options: dict[str, Any] = {} if style is None else {"style": style}
        if self.method.stochastic:
            options["generator"] = generator(seed, 0)  # of this call alone, so that threads do not share any
        translate: Callable[..., Tensor] = self.method.translate
        return translate(planes, to=to, **options)

    def _cost(self, to: Domain) -> Cost:
        """Return what a pass takes for each pixel, measured once."""
        if to not in self._costs:
            blank = self.padded(torch.zeros(1, self.format_into(to).channels, COST_SIDE, COST_SIDE, device=self.device))
            self._costs[to] = cost(partial(self._run, to, 0, None), blank)
        return self._costs[to]

    def _reachable(self) -> str:
        names = " or ".join(self.targets)
        if not supports(self.method, Clustered):
            return names
        return f"{names}, and its own domains are {', '.join(map(str, self.own_domains())) or 'empty'}"
