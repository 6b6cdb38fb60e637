"""A trained model as something to call: images of any kind and size in, the same kind and size out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ImageOps
from PIL.Image import Image
from torch import Tensor
from torch.nn import functional as nnf

from instar.core.abilities import Attentive, Clustered, Coded, Landmarked, Styled
from instar.core.batch import Domain
from instar.core.config import RunConfig
from instar.core.device import pick_device
from instar.core.errors import UserError
from instar.core.images import resampling, resize, to_array, to_image, to_tensor
from instar.core.method import Method
from instar.core.run import load_method
from instar.core.seed import seed_step
from instar.inference.arrays import array_like, padded, pictures, pixels, planes_of, share

ImageT = TypeVar("ImageT", Image, NDArray[Any], Tensor)


class Translator:
    """A method with its averaged weights on a device. It carries its architecture: nothing else is needed.

    The whole image is translated at its own size: padded to what the network needs (by reflection), cropped back.
    """

    def __init__(self, method: Method[Any], config: RunConfig, device: str = "auto") -> None:
        self.device = torch.device(pick_device(device))
        self.method = method.eval().requires_grad_(False).to(self.device)
        self.name = config.name
        self.channels: int = config.method.channels
        self.trained_at = config.data.size
        self.domains = {"a": config.data.source or "A", "b": config.data.target or "B"}
        """Names of the two domains."""

    @classmethod
    def load(cls, path: Path, device: str = "auto") -> Translator:
        """Load a run directory's last checkpoint, or one checkpoint."""
        return cls(*load_method(path), device=device)

    def domain(self, to: str | None, flag: str = "--to") -> Domain:
        """Return the domain meant by a name, by "a" or "b", or by None (b). One it cannot reach is a `UserError`.

        It names the flag. The number of a domain that the model found is a style in b: `style_to` returns it.
        """
        if to is None or (to.isdecimal() and isinstance(self.method, Clustered)):
            return "b"
        named = {name.lower(): domain for domain, name in self.domains.items()}
        found = named.get(to.lower(), to.lower())
        if found not in self.method.targets:
            reachable = " or ".join(self.domains[domain] for domain in sorted(self.method.targets))
            if isinstance(self.method, Clustered):
                reachable += f", and its own domains are {', '.join(map(str, self.own_domains())) or 'empty'}"
            raise UserError(f"{flag} {to}: this model translates to {reachable}")
        return found

    def style_to(self, to: str | None) -> Tensor | None:
        """Return the mean style (S,) of a domain that the model found, by its number; None for other names.

        Raises:
            UserError: there is no such domain, or no image was in it.
        """
        if to is None or not to.isdecimal() or not isinstance(self.method, Clustered):
            return None
        known = self.own_domains()
        if int(to) not in known:
            listed = ", ".join(map(str, known)) or "none: it was not trained far enough"
            raise UserError(f"--to {to}: this model found no such domain; those with images: {listed}")
        return self.method.cluster_styles()[int(to)]

    def own_domains(self) -> list[int]:
        """Return the numbers of the domains that the model found and that have images."""
        if not isinstance(self.method, Clustered):
            raise UserError(f"{self.name} has found no domains of its own")
        return [number for number, style in enumerate(self.method.cluster_styles()) if style.isfinite().all()]

    def translate(
        self, image: ImageT | Sequence[Image], to: str | None = None, *, seed: int = 0, style: Tensor | None = None
    ) -> Any:
        """Translate one image or a batch.

        Args:
            image: a PIL image of any mode or a list of them; a numpy array (H, W), (H, W, C) or (N, H, W, C), uint8
                or uint16; or a tensor (C, H, W) or (N, C, H, W), float in [-1, 1].
            to: domain to translate into, by name; the target domain of training if None. For a model that found
                domains itself the number of one, whose mean style is taken.
            seed: of the model's noise or style, if it has any.
            style: one (S,) from `styles` or `style_of`, for all images; drawn from `seed` if None.

        Returns:
            The same kind, size, mode, type and batch shape as `image`.
        """
        domain = self.domain(to)
        style = self.style_to(to) if style is None else style
        if isinstance(image, Tensor):
            return self._tensor(image, domain, seed, style)
        if isinstance(image, np.ndarray):
            return self._array(image, domain, seed, style)
        if isinstance(image, Image):
            return self.images([image], domain, seed=seed, style=style)[0]
        if isinstance(image, Sequence) and all(isinstance(one, Image) for one in image):
            return [self.images([one], domain, seed=seed, style=style)[0] for one in image]
        raise TypeError(f"cannot translate a {type(image).__name__}; give a PIL image, a numpy array or a tensor")

    def styles(self, count: int, *, seed: int = 0) -> Tensor:
        """Draw styles (count, S). The first is the one that `translate` draws from this seed."""
        method = self._styled()
        drawn = []
        for number in range(count):
            with self._chance(seed, number):
                drawn.append(method.sample_style(1))
        return torch.cat(drawn)

    def style_of(self, reference: Image, to: str | None = None) -> Tensor:
        """Return the style (S,) of a picture of the domain translated into, at the size of the training."""
        with self._chance(0):
            x = self._planes([reference], self.trained_at)
            return self._styled().encode_style(x, domain=self.domain(to))[0]

    def cluster(self, image: Image) -> Tensor:
        """Return the probabilities (K,) of the domains that the model found, for an image at the size of training."""
        if not isinstance(self.method, Clustered):
            raise UserError(f"{self.name} has found no domains of its own")
        with self._chance(0):
            return self.method.cluster(self._planes([image], self.trained_at))[0].cpu()

    def attention(self, image: Image, to: str | None = None) -> NDArray[np.float32]:
        """Return where the model looks in an image (W x H): an array (H, W) in [0, 1]."""
        if not isinstance(self.method, Attentive):
            raise UserError(f"{self.name} has no map of its attention")
        x = self._planes([image])
        with self._chance(0):
            maps = self.method.attention(x, to=self.domain(to))[:, None]
        height, width = (self.method.fixed_size,) * 2 if self.method.fixed_size else (image.height, image.width)
        whole = nnf.interpolate(maps.float(), x.shape[-2:], mode="bilinear")[..., :height, :width]
        if self.method.fixed_size:
            whole = nnf.interpolate(whole, (image.height, image.width), mode="bilinear")
        return whole[0, 0].clamp(0, 1).cpu().numpy()

    def between(self, image: Image, other: Image, to: str | None = None, *, count: int) -> list[Image]:
        """Return `count` translations on the way from the code of one image to that of another, at the first's size."""
        if not isinstance(self.method, Coded):
            raise UserError(f"{self.name} has no code that both domains share")
        target = self.domain(to)
        source: Domain = "a" if target == "b" else "b"
        x = self._planes([image, ImageOps.fit(other, image.size)])
        with self._chance(0):
            first, last = self.method.encode(x, domain=source).chunk(2)
            steps = torch.linspace(0, 1, count, device=self.device)
            frames = torch.cat([self.method.decode(first.lerp(last, t), to=target) for t in steps])
        return [to_image(frame, image) for frame in frames[..., : image.height, : image.width]]

    def images(
        self,
        batch: Sequence[Image],
        to: Domain,
        *,
        short_side: int | None = None,
        seed: int = 0,
        style: Tensor | None = None,
    ) -> list[Image]:
        """Translate PIL images of one size in one pass.

        Args:
            batch: images of equal size.
            to: domain to translate into.
            short_side: work at this short side and resize the result back; the images' own size if None.
            seed: of the model's noise.
            style: (S,), for a model that has styles.
        """
        return pictures(self.tensors(self._planes(batch, short_side, pad=False), to, seed=seed, style=style), batch)

    def landmarks(self, image: Image, of: str | None = None, *, short_side: int | None = None) -> NDArray[np.float32]:
        """Return the landmarks of an image.

        Args:
            image: of a domain.
            of: the domain's name; the source domain of training if None.
            short_side: as of `images`.

        Returns:
            (K, 2), from the left and from the upper border in pixels of the image.
        """
        x = self._planes([image], short_side, pad=False)
        planes = padded(x.to(self.device), self.method.size_divisor)
        with self._chance(0):
            found = self._landmarked().landmarks(planes, domain="a" if of is None else self.domain(of))
        points: NDArray[np.float32] = pixels(found, x, planes, image.size)[0]
        return points

    def moved(
        self,
        batch: Sequence[Image],
        to: Domain,
        by: NDArray[np.float32] | float = 0.0,
        *,
        source: Domain | None = None,
        short_side: int | None = None,
        style: Tensor | None = None,
    ) -> tuple[list[Image], NDArray[np.float32]]:
        """Translate PIL images of one size with their landmarks moved.

        Args:
            batch: images of equal size.
            to: domain to draw in.
            by: (K, 2) or (N, K, 2), to the right and down, in half sides of the images.
            source: domain of the images; the other than `to` if None. If it is `to`, they are drawn anew.
            short_side: as of `images`.
            style: (S,), an appearance; each image's own if None.

        Returns:
            The images, and the landmarks (N, K, 2) that they are drawn from, as `landmarks` gives them.
        """
        x = self._planes(batch, short_side, pad=False)
        planes = padded(x.to(self.device), self.method.size_divisor)
        shift = torch.as_tensor(by, dtype=torch.float32, device=self.device) * share(x, planes)
        style = None if style is None else style.to(self.device).expand(len(batch), -1)
        with self._chance(0):
            out, points = self._landmarked().move(planes, shift, to=to, style=style, source=source)
        height, width = x.shape[-2:]
        return pictures(out[..., :height, :width], batch), pixels(points, x, planes, batch[0].size)

    def tensors(self, x: Tensor, to: Domain, *, seed: int = 0, style: Tensor | None = None) -> Tensor:
        """Translate a tensor (N, C, H, W) in [-1, 1] of any H and W; same shape, range, type and device.

        What an image becomes does not depend on the others of its batch: noise is drawn anew from `seed` for each.
        """
        height, width = x.shape[-2:]
        side = self.method.fixed_size
        given = x
        if side and (height, width) != (side, side):  # as its authors do: the whole image, squeezed
            given = nnf.interpolate(x.float(), (side, side), mode="bicubic", antialias=True).clamp(-1, 1)
        # A method that draws one noise for the batch would give an image another one at each place in it.
        parts = [one[None] for one in given] if "batch_independent" in self.method.exempt else [given]
        out = torch.cat([self._pass(part, to, seed, style) for part in parts])
        if out.shape[-2:] != (height, width) and side:
            out = nnf.interpolate(out, (height, width), mode="bicubic", antialias=True).clamp(-1, 1)
        return out[..., :height, :width].to(x.device, x.dtype)

    def _pass(self, x: Tensor, to: Domain, seed: int, style: Tensor | None) -> Tensor:
        planes = padded(x.to(self.device, torch.float32), self.method.size_divisor)
        with self._chance(seed):
            if style is None:
                return self.method.translate(planes, to=to)
            return self._styled().translate(planes, to=to, style=style.to(self.device).expand(len(x), -1))

    def _planes(self, batch: Sequence[Image], short_side: int | None = None, *, pad: bool = True) -> Tensor:
        """Return images of one size as a tensor (N, C, H, W), resized to a short side or to the method's squares."""
        width, height = batch[0].size
        if self.method.fixed_size and pad:
            width = height = self.method.fixed_size
        elif short_side is not None:
            scale = short_side / min(width, height)
            width, height = round(width * scale), round(height * scale)
        arrays = [resize(to_array(image, self.channels), width, height, resampling(image)) for image in batch]
        x = torch.stack([to_tensor(array) for array in arrays])
        return padded(x.to(self.device), self.method.size_divisor) if pad else x

    @contextmanager
    def _chance(self, seed: int, number: int = 0) -> Iterator[None]:
        # Seeding reaches the generators of all CUDA devices, so all are put back. Not inference mode: the caller
        # may want to change the result in place.
        started = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        devices = range(torch.cuda.device_count()) if started else ()
        with torch.random.fork_rng(devices), torch.no_grad():
            seed_step(seed, number)
            yield

    def _styled(self) -> Styled:
        if not isinstance(self.method, Styled):
            raise UserError(f"{self.name} has no styles: it has one translation for an image")
        return self.method

    def _landmarked(self) -> Landmarked:
        if not isinstance(self.method, Landmarked):
            raise UserError(f"{self.name} has no landmarks")
        return self.method

    def _tensor(self, x: Tensor, to: Domain, seed: int, style: Tensor | None) -> Tensor:
        single = x.dim() == 3
        fits = x.dim() in (3, 4) and x.shape[-3] == self.channels and x.numel()
        if not fits or not x.is_floating_point():
            raise ValueError(f"expected float ([N,] {self.channels}, H, W) in [-1, 1], got {x.dtype} {tuple(x.shape)}")
        out = self.tensors(x[None] if single else x, to, seed=seed, style=style)
        return out[0] if single else out

    def _array(self, x: NDArray[Any], to: Domain, seed: int, style: Tensor | None) -> NDArray[Any]:
        return array_like(self.tensors(planes_of(x, self.channels), to, seed=seed, style=style), x)
