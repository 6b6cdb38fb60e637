"""A trained model as something to call: images of any kind and size in, the same kind and size out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor
from torch.nn import functional as nnf

from instar.core.batch import Domain
from instar.core.config import RunConfig
from instar.core.device import pick_device
from instar.core.errors import UserError
from instar.core.images import Array, resampling, resize, to_array, to_image, to_tensor
from instar.core.method import Method
from instar.core.run import load_method
from instar.core.seed import seed_step

ImageT = TypeVar("ImageT", Image, NDArray[Any], Tensor)

SMALLEST = 16
"""Sides are padded to at least this: generators pad by reflection inside, which a map of 1 pixel does not allow."""


class Translator:
    """A method with its averaged weights on a device. It carries its architecture: nothing else is needed.

    The whole image is translated at its own size: padded to what the network needs (by reflection), cropped back.
    """

    def __init__(self, method: Method[Any], config: RunConfig, device: str = "auto") -> None:
        self.device = torch.device(pick_device(device))
        self.method = method.eval().requires_grad_(False).to(self.device)
        self.channels: int = config.method.channels
        self.domains = {"a": config.data.source or "A", "b": config.data.target or "B"}
        """Names of the two domains."""

    @classmethod
    def load(cls, path: Path, device: str = "auto") -> Translator:
        """Load a run directory's last checkpoint, or one checkpoint."""
        return cls(*load_method(path), device=device)

    def domain(self, to: str | None) -> Domain:
        """Return the domain meant by a name, by "a" or "b", or by None (b). One it cannot reach is a `UserError`."""
        if to is None:
            return "b"
        named = {name.lower(): domain for domain, name in self.domains.items()}
        found = named.get(to.lower(), to.lower())
        if found not in self.method.targets:
            reachable = " or ".join(self.domains[domain] for domain in sorted(self.method.targets))
            raise UserError(f"--to {to}: this model translates to {reachable}")
        return found

    def translate(self, image: ImageT | Sequence[Image], to: str | None = None, *, seed: int = 0) -> Any:
        """Translate one image or a batch.

        Args:
            image: a PIL image of any mode or a list of them; a numpy array (H, W), (H, W, C) or (N, H, W, C), uint8
                or uint16; or a tensor (C, H, W) or (N, C, H, W), float in [-1, 1].
            to: domain to translate into, by name; the target domain of training if None.
            seed: of the model's noise, if it has any.

        Returns:
            The same kind, size, mode, type and batch shape as `image`.
        """
        domain = self.domain(to)
        if isinstance(image, Tensor):
            return self._tensor(image, domain, seed)
        if isinstance(image, np.ndarray):
            return self._array(image, domain, seed)
        if isinstance(image, Image):
            return self.images([image], domain, seed=seed)[0]
        if isinstance(image, Sequence) and all(isinstance(one, Image) for one in image):
            return [self.images([one], domain, seed=seed)[0] for one in image]
        raise TypeError(f"cannot translate a {type(image).__name__}; give a PIL image, a numpy array or a tensor")

    def images(
        self, batch: Sequence[Image], to: Domain, *, short_side: int | None = None, seed: int = 0
    ) -> list[Image]:
        """Translate PIL images of one size in one pass.

        Args:
            batch: images of equal size.
            to: domain to translate into.
            short_side: work at this short side and resize the result back; the images' own size if None.
            seed: of the model's noise.
        """
        arrays = [to_array(image, self.channels) for image in batch]
        height, width = arrays[0].shape[:2]
        if short_side is not None:
            scale = short_side / min(height, width)
            shape = round(width * scale), round(height * scale)
            arrays = [resize(array, *shape, resampling(image)) for array, image in zip(arrays, batch, strict=True)]
        out = self.tensors(torch.stack([to_tensor(array) for array in arrays]), to, seed=seed)
        if short_side is not None:
            out = nnf.interpolate(out, (height, width), mode="bicubic", antialias=True).clamp(-1, 1)
        return [to_image(one, image) for one, image in zip(out, batch, strict=True)]

    def tensors(self, x: Tensor, to: Domain, *, seed: int = 0) -> Tensor:
        """Translate a tensor (N, C, H, W) in [-1, 1] of any H and W; same shape, range, type and device.

        What an image becomes does not depend on the others of its batch: noise is drawn anew from `seed` for each.
        """
        height, width = x.shape[-2:]
        # A method that draws one noise for the batch would give an image another one at each place in it.
        parts = [one[None] for one in x] if "batch_independent" in self.method.waive else [x]
        out = torch.cat([self._pass(part, to, seed) for part in parts])
        return out[..., :height, :width].to(x.device, x.dtype)

    def _pass(self, x: Tensor, to: Domain, seed: int) -> Tensor:
        # Seeding reaches the generators of all CUDA devices, so all are put back. Not inference mode: the caller
        # may want to change the result in place.
        started = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        devices = range(torch.cuda.device_count()) if started else ()
        with torch.random.fork_rng(devices), torch.no_grad():
            seed_step(seed, 0)
            return self.method.translate(_padded(x.to(self.device, torch.float32), self.method.multiple), to=to)

    def _tensor(self, x: Tensor, to: Domain, seed: int) -> Tensor:
        single = x.dim() == 3
        fits = x.dim() in (3, 4) and x.shape[-3] == self.channels and x.numel()
        if not fits or not x.is_floating_point():
            raise ValueError(f"expected float ([N,] {self.channels}, H, W) in [-1, 1], got {x.dtype} {tuple(x.shape)}")
        out = self.tensors(x[None] if single else x, to, seed=seed)
        return out[0] if single else out

    def _array(self, x: NDArray[Any], to: Domain, seed: int) -> NDArray[Any]:
        if x.dtype not in (np.uint8, np.uint16):
            raise ValueError(f"expected uint8 or uint16 pixels, got {x.dtype}; floats in [-1, 1] go in as a tensor")
        batch = x[None, ..., None] if x.ndim == 2 else x[None] if x.ndim == 3 else x
        if batch.ndim != 4 or batch.shape[3] not in (1, 3) or not batch.size:
            raise ValueError(f"expected (H, W), (H, W, C) or (N, H, W, C) with C 1 or 3, got {x.shape}")
        planes = torch.stack([to_tensor(cast(Array, one)) for one in batch])
        out = _with_channels(self.tensors(_with_channels(planes, self.channels), to, seed=seed), batch.shape[3])
        top = np.iinfo(x.dtype).max
        pixels = out.permute(0, 2, 3, 1).double().clamp(-1, 1).add(1).mul(top / 2).round().numpy()
        return pixels.astype(x.dtype).reshape(x.shape)


def _with_channels(x: Tensor, channels: int) -> Tensor:
    """Make colour gray (ITU-R 601) or gray colour, as the files' reader does; x is (N, C, H, W)."""
    if x.shape[1] == channels:
        return x
    if channels == 3:
        return x.expand(-1, 3, -1, -1)
    return (x * x.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)


def _padded(x: Tensor, multiple: int) -> Tensor:
    """Pad right and bottom to multiples, by reflection, or by repeating the edge where the image is too small."""
    height, width = x.shape[-2:]
    down, right = (-(-max(side, SMALLEST) // multiple) * multiple - side for side in (height, width))
    if not down and not right:
        return x
    mode = "reflect" if down < height and right < width else "replicate"
    return nnf.pad(x, (0, right, 0, down), mode=mode)
