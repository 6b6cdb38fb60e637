"""Operations done by rows: a strip of the result from the strip of the input that it depends on, and no other rows.

Borders are padded where the image ends, never where a strip ends. Shapes are (..., H, W), mostly (1, C, H, W).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as nnf
from torch.utils._pytree import tree_leaves, tree_map
from typing_extensions import override

from instar.inference.tiles.storage import Storage


@dataclass(frozen=True, eq=False)
class Rows(ABC):
    """Features (..., H, W) of which any strip of rows can be had.

    Attributes:
        shape: of all of them.
        dtype: of all of them.
    """

    shape: torch.Size
    dtype: torch.dtype

    @abstractmethod
    def rows(self, first: int, last: int) -> Tensor:
        """Return rows `first` to `last` - 1: (..., last - first, W), on the device that computes.

        It may share memory with what is kept, so it is not to be changed.
        """

    @property
    @abstractmethod
    def inputs(self) -> tuple[Rows, ...]:
        """What it is computed from."""

    @property
    def height(self) -> int:
        """H."""
        return self.shape[-2]

    @property
    def row_bytes(self) -> int:
        """Bytes of a row with all channels."""
        return self.shape.numel() // self.height * self.dtype.itemsize

    def sources(self) -> set[Rows]:
        """Return what is read, all in all, when a strip is computed."""
        return {source for one in self.inputs for source in one.sources()} if self.inputs else {self}

    def passed(self) -> set[Rows]:
        """Return what is read when a strip is computed, and convolutions on the way."""
        found = {one for below in self.inputs for one in below.passed()}
        return found if self.inputs and not self.multiplications else {*found, self}

    @property
    def multiplications(self) -> float:
        """How many each number takes, without those of what it is computed from."""
        return 0.0

    @property
    def cost(self) -> float:
        """Multiplications for all numbers, from what is kept on."""
        return self.multiplications * self.shape.numel() + sum(one.cost for one in self.inputs)


@dataclass(frozen=True, eq=False)
class Given(Rows):
    """A tensor that is there as a whole."""

    tensor: Tensor
    device: torch.device

    @property
    @override
    def inputs(self) -> tuple[Rows, ...]:
        return ()

    @override
    def rows(self, first: int, last: int) -> Tensor:
        return self.tensor[..., first:last, :].to(self.device)


@dataclass(frozen=True, eq=False)
class Stored(Rows):
    """Features (1, C, H, W), or of another shape with as many, that were computed and are kept."""

    storage: Storage
    device: torch.device

    @property
    @override
    def inputs(self) -> tuple[Rows, ...]:
        return ()

    @override
    def rows(self, first: int, last: int) -> Tensor:
        strip = self.storage.read(first, last).to(self.device)
        return strip.view(*self.shape[:-2], last - first, self.shape[-1])


@dataclass(frozen=True, eq=False)
class _OfOne(Rows):
    of: Rows

    @property
    @override
    def inputs(self) -> tuple[Rows, ...]:
        return (self.of,)


@dataclass(frozen=True, eq=False)
class Pointwise(Rows):
    """A function of each number. Tensors among its arguments have the same rows, or one for all."""

    function: Callable[..., Tensor]
    args: Sequence[Any]
    kwargs: dict[str, Any]

    @property
    @override
    def inputs(self) -> tuple[Rows, ...]:
        return tuple(one for one in tree_leaves((self.args, self.kwargs)) if isinstance(one, Rows))

    @override
    def rows(self, first: int, last: int) -> Tensor:
        def strip(value: Any) -> Any:
            if isinstance(value, Rows):
                return value.rows(first, last)
            if isinstance(value, Tensor) and value.dim() > 1 and value.shape[-2] > 1:
                return value[..., first:last, :]
            return value

        return self.function(*tree_map(strip, self.args), **tree_map(strip, self.kwargs))


@dataclass(frozen=True, eq=False)
class Convolution(_OfOne):
    """A convolution with zero padding."""

    weight: Tensor
    bias: Tensor | None
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int

    @property
    @override
    def multiplications(self) -> float:
        return self.weight[0].numel()

    @override
    def rows(self, first: int, last: int) -> Tensor:
        reach = self.dilation[0] * (self.weight.shape[2] - 1) + 1
        top = first * self.stride[0] - self.padding[0]
        bottom = (last - 1) * self.stride[0] - self.padding[0] + reach
        x = self.of.rows(max(top, 0), min(bottom, self.of.height))
        x = nnf.pad(x, (0, 0, max(-top, 0), max(bottom - self.of.height, 0)))
        across = (0, self.padding[1])
        return nnf.conv2d(x, self.weight, self.bias, self.stride, across, self.dilation, self.groups)


@dataclass(frozen=True, eq=False)
class TransposedConvolution(_OfOne):
    """A transposed convolution."""

    weight: Tensor
    bias: Tensor | None
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    output_padding: tuple[int, int]

    @property
    @override
    def multiplications(self) -> float:
        return self.weight[:, 0].numel() / (self.groups * self.stride[0] * self.stride[1])

    @override
    def rows(self, first: int, last: int) -> Tensor:
        step, reach = self.stride[0], self.dilation[0] * (self.weight.shape[2] - 1) + 1
        top = max(-((reach - 1 - first - self.padding[0]) // step), 0)
        bottom = min((last - 1 + self.padding[0]) // step + 1, self.of.height)
        x = nnf.conv_transpose2d(
            self.of.rows(top, bottom),
            self.weight,
            None,
            self.stride,
            (0, self.padding[1]),
            (0, self.output_padding[1]),
            self.groups,
            self.dilation,
        )
        before = first - (top * step - self.padding[0])
        out = nnf.pad(x, (0, 0, -before, last - first + before - x.shape[-2]))  # a negative number cuts off
        return out if self.bias is None else out + self.bias[:, None, None]


@dataclass(frozen=True, eq=False)
class Padded(_OfOne):
    """Rows and columns around the image: reflect, replicate or constant."""

    sides: tuple[int, int, int, int]
    """Left, right, top, bottom, none negative."""
    mode: str
    value: float = 0.0

    @override
    def rows(self, first: int, last: int) -> Tensor:
        left, right, top, _ = self.sides
        height = self.of.height
        places = torch.arange(first - top, last - top)
        if self.mode == "constant":
            return self._constant(first - top, last - top)
        wanted = places.clamp(0, height - 1)
        if self.mode == "reflect":
            wanted = (height - 1 - (height - 1 - places.abs()).abs()).abs()
        low, high = int(wanted.min()), int(wanted.max()) + 1
        x = self.of.rows(low, high)
        if len(wanted) != high - low or not torch.equal(wanted, torch.arange(low, high)):
            x = x.index_select(-2, (wanted - low).to(x.device))
        return nnf.pad(x, (left, right, 0, 0), mode=self.mode) if left or right else x

    def _constant(self, first: int, last: int) -> Tensor:
        left, right, _, _ = self.sides
        low, high = (min(max(place, 0), self.of.height) for place in (first, last))
        if low == high:
            shape = (*self.shape[:-2], last - first, self.shape[-1])
            return self.of.rows(0, 1).new_full(shape, self.value)
        return nnf.pad(self.of.rows(low, high), (left, right, low - first, last - high), value=self.value)


@dataclass(frozen=True, eq=False)
class Enlarged(_OfOne):
    """Interpolation by whole factors: nearest or bilinear, without aligned corners."""

    factors: tuple[int, int]
    mode: str

    @override
    def rows(self, first: int, last: int) -> Tensor:
        factor = self.factors[0]
        low, high = max(first // factor - 1, 0), min(-(-last // factor) + 1, self.of.height)
        scales = tuple(map(float, self.factors))
        out = nnf.interpolate(self.of.rows(low, high), scale_factor=scales, mode=self.mode)
        return out[..., first - low * factor : last - low * factor, :]


@dataclass(frozen=True, eq=False)
class Pooled(_OfOne):
    """A function of windows that lie inside the image."""

    window: int
    stride: int
    function: Callable[[Tensor], Tensor]

    @override
    def rows(self, first: int, last: int) -> Tensor:
        return self.function(self.of.rows(first * self.stride, (last - 1) * self.stride + self.window))


@dataclass(frozen=True, eq=False)
class Shuffled(_OfOne):
    """`pixel_shuffle`."""

    factor: int

    @override
    def rows(self, first: int, last: int) -> Tensor:
        low, high = first // self.factor, -(-last // self.factor)
        out = nnf.pixel_shuffle(self.of.rows(low, high), self.factor)
        return out[..., first - low * self.factor : last - low * self.factor, :]


@dataclass(frozen=True, eq=False)
class Unshuffled(_OfOne):
    """`pixel_unshuffle`."""

    factor: int

    @override
    def rows(self, first: int, last: int) -> Tensor:
        return nnf.pixel_unshuffle(self.of.rows(first * self.factor, last * self.factor), self.factor)


@dataclass(frozen=True, eq=False)
class Reshaped(_OfOne):
    """Another shape with the same rows and columns."""

    @override
    def rows(self, first: int, last: int) -> Tensor:
        return self.of.rows(first, last).reshape(*self.shape[:-2], last - first, self.shape[-1])


@dataclass(frozen=True, eq=False)
class Joined(Rows):
    """`cat` or `stack` along other dimensions than rows and columns."""

    parts: tuple[Rows, ...]
    join: Callable[[list[Tensor], int], Tensor]
    dim: int

    @property
    @override
    def inputs(self) -> tuple[Rows, ...]:
        return self.parts

    @override
    def rows(self, first: int, last: int) -> Tensor:
        return self.join([part.rows(first, last) for part in self.parts], self.dim)


@dataclass(frozen=True, eq=False)
class Part(_OfOne):
    """A part along one dimension."""

    dim: int
    """Counted from the last one: -2 for rows."""
    start: int

    @override
    def rows(self, first: int, last: int) -> Tensor:
        if self.dim == -2:
            return self.of.rows(first + self.start, last + self.start)
        return self.of.rows(first, last).narrow(self.dim, self.start, self.shape[self.dim])


@dataclass(frozen=True, eq=False)
class Patched(_OfOne):
    """Features of which a part along one dimension is replaced."""

    patch: Rows
    dim: int
    """Counted from the last one: -2 for rows."""
    start: int

    @property
    @override
    def inputs(self) -> tuple[Rows, ...]:
        return (self.of, self.patch)

    @override
    def rows(self, first: int, last: int) -> Tensor:
        out, start, size = self.of.rows(first, last), self.start, self.patch.shape[self.dim]
        if self.dim != -2:
            out = out.clone()
            out.narrow(self.dim, start, size).copy_(self.patch.rows(first, last))
            return out
        low, high = max(first, start), min(last, start + size)
        if low < high:
            out = out.clone()
            out[..., low - first : high - first, :] = self.patch.rows(low - start, high - start)
        return out
