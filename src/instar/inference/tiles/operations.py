"""How operations of PyTorch are done by rows. The table holds those that networks of images are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from instar.inference.tiles.local import (
    Convolution,
    Enlarged,
    Given,
    Joined,
    Padded,
    Part,
    Pointwise,
    Pooled,
    Reshaped,
    Rows,
    Shuffled,
    TransposedConvolution,
    Unshuffled,
)
from instar.inference.tiles.work import Work

aten = torch.ops.aten
Operation = Callable[..., Any]
Translate = Callable[[Tensor], Tensor]


class NotLocal(Exception):  # noqa: N818 (an answer, not a fault)
    """An operation that cannot be done by rows."""


def done(work: Work, function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Do an operation of which some arguments are `Rows`, and return rows or tensors.

    Raises:
        NotLocal: it is not known how.
    """
    handler = TABLE.get(function.overloadpacket)
    if handler is not None:
        return handler(work, function, args, kwargs)
    if torch.Tag.pointwise in function.tags or function.overloadpacket in POINTWISE:
        return pointwise(work, function, args, kwargs)
    raise NotLocal(str(function.overloadpacket).removeprefix("aten."))


def pointwise(work: Work, function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Rows:
    """Apply a function to each number."""
    like = outline(function, args, kwargs)
    parts = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Rows)]
    if any(one.shape[-2:] != like.shape[-2:] for one in parts):
        raise NotLocal(f"{function.overloadpacket} of unequal sizes")
    out = Pointwise(like.shape, like.dtype, function, tuple(args), dict(kwargs))
    # Sums of sums would read more and more: what has two sources becomes a source itself.
    return work.kept(out) if len(out.sources()) > 1 else out


def outline(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Return what a function would return, without numbers."""

    def empty(value: Any) -> Any:
        if isinstance(value, (Rows, Tensor)):
            return torch.empty(value.shape, dtype=value.dtype, device="meta")
        return value

    return function(*tree_map(empty, args), **{k: v for k, v in tree_map(empty, kwargs).items() if k != "device"})


def _convolution(work: Work, function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Rows:
    x, weight, bias, stride, padding, dilation, transposed, output_padding, groups = args[:9]
    like = outline(function, args, kwargs)
    if not isinstance(x, Rows) or weight.dim() != 4:
        raise NotLocal("convolution with a map as its kernel, or not of images")
    stride, padding, dilation, output_padding = map(_pair, (stride, padding, dilation, output_padding))
    if transposed:
        out: Rows = TransposedConvolution(
            like.shape, like.dtype, x, weight, bias, stride, padding, dilation, groups, output_padding
        )
    else:
        out = Convolution(like.shape, like.dtype, x, weight, bias, stride, padding, dilation, groups)
    return work.kept(out)


def _pad(mode: str, work: Work, function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Rows:
    x, sides = args[:2]
    sides = (*sides, 0, 0)[:4] if len(sides) < 4 else tuple(sides)
    if len(sides) > 4 or min(sides) < 0:
        raise NotLocal("padding that cuts off, or of channels")
    like = outline(function, args, kwargs)
    return Padded(like.shape, like.dtype, x, sides, mode, float(args[2]) if len(args) > 2 else 0.0)


def _enlarge(mode: str, work: Work, function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Rows:
    x, like = args[0], outline(function, args, kwargs)
    factors = tuple(new / old for new, old in zip(like.shape[-2:], x.shape[-2:], strict=True))
    aligned = mode == "bilinear" and (args[2] if len(args) > 2 else kwargs.get("align_corners", False))
    if aligned or any(factor != int(factor) for factor in factors):
        raise NotLocal("interpolation by a factor that is not whole, or with aligned corners")
    return Enlarged(like.shape, like.dtype, x, (int(factors[0]), int(factors[1])), mode)


def _pool(work: Work, function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    x, kernel, *rest = args
    kernel, stride = _pair(kernel), _pair(rest[0] if rest and rest[0] else kernel)
    like = outline(function, args, kwargs)
    several = isinstance(like, tuple)
    like = like[0] if several else like
    inside = all(
        (n - k) // s + 1 == m for n, k, s, m in zip(x.shape[-2:], kernel, stride, like.shape[-2:], strict=True)
    )
    if not inside or any(rest[1:]) or kwargs:
        raise NotLocal("pooling with padding")

    def pooled(strip: Tensor) -> Tensor:
        out = function(strip, kernel, stride)
        first: Tensor = out[0] if several else out
        return first

    out = Pooled(like.shape, like.dtype, x, kernel[0], stride[0], pooled)
    return (out, None) if several else out


def _shuffle(
    kind: type[Shuffled] | type[Unshuffled], work: Work, function: Any, args: Sequence[Any], kwargs: dict[str, Any]
) -> Rows:
    like = outline(function, args, kwargs)
    return kind(like.shape, like.dtype, args[0], args[1])


def _reshape(work: Work, function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Rows:
    x, like = args[0], outline(function, args, kwargs)
    if like.shape[-2:] != x.shape[-2:]:
        raise NotLocal("a reshaping of rows and columns")
    return Reshaped(like.shape, like.dtype, x)


def _join(work: Work, function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Rows:
    parts, dim = args[0], args[1] if len(args) > 1 else kwargs.get("dim", 0)
    like = outline(function, args, kwargs)
    dim = dim if dim < 0 else dim - like.dim()
    if dim >= -2:
        raise NotLocal("a joining of rows or columns")
    rows = tuple(one if isinstance(one, Rows) else Given(one.shape, one.dtype, one, work.device) for one in parts)
    join = torch.stack if function.overloadpacket is aten.stack else torch.cat
    return Joined(like.shape, like.dtype, rows, join, dim)


def _split(work: Work, function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Rows]:
    x, dim = args[0], args[2] if len(args) > 2 else kwargs.get("dim", 0)
    dim = dim if dim < 0 else dim - len(x.shape)
    found: list[Rows] = []
    start = 0
    for like in outline(function, args, kwargs):
        found.append(Part(like.shape, like.dtype, x, dim, start))
        start += like.shape[dim]
    return found


def part(x: Rows, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Part:
    """Return a slice of features."""
    if step != 1:
        raise NotLocal("a slice with steps")
    dim = dim if dim < 0 else dim - len(x.shape)
    first, last, _ = slice(start, end).indices(x.shape[dim])
    shape = list(x.shape)
    shape[dim] = max(last - first, 0)
    return Part(torch.Size(shape), x.dtype, x, dim, first)


def _group_norm(work: Work, function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Rows, None, None]:
    x, weight, bias, count, channels, _, groups, eps = args
    if count != 1:
        raise NotLocal("a group norm of several images")
    moments = work.moments(x)
    grouped = moments.reshaped(groups, channels // groups).over((1,))
    size = (groups, channels // groups)
    mean = grouped.mean.expand(size).reshape(channels)
    scale = (grouped.squares / grouped.count + eps).rsqrt().expand(size).reshape(channels)
    return _scaled(work, x, mean, scale, weight, bias), None, None


def _batch_norm(work: Work, function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Rows, None, None]:
    x, weight, bias, mean, var, training, _, eps = args[:8]
    if training:
        moments = work.moments(x)
        mean, var = moments.mean[0], (moments.squares / moments.count)[0]
    return _scaled(work, x, mean.double().cpu(), (var.double().cpu() + eps).rsqrt(), weight, bias), None, None


def _scaled(work: Work, x: Rows, mean: Tensor, scale: Tensor, weight: Tensor | None, bias: Tensor | None) -> Rows:
    """Return (x - mean) · scale · weight + bias; a tensor has a number a channel."""
    if weight is not None:
        scale = scale * weight.double().cpu()
    shift = -mean * scale
    if bias is not None:
        shift = shift + bias.double().cpu()
    a, b = (one[:, None, None].to(work.device, x.dtype) for one in (scale, shift))
    return pointwise(work, aten.addcmul.default, (b, x, a), {})


def _summed(kind: str, work: Work, function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Reduce features over rows, columns and perhaps channels."""
    x, like = args[0], outline(function, args, kwargs)
    several = isinstance(like, tuple)
    one = like[0] if several else like
    given = _dims(kind, args, kwargs)
    dims = sorted({d if d < 0 else d - len(x.shape) for d in given}) if given else list(range(-len(x.shape), 0))
    if not {-1, -2} <= set(dims) or one.dtype != x.dtype:
        raise NotLocal(f"{kind} over some of rows, columns and channels")
    moments = work.moments(x).over(tuple(d + 2 for d in dims if d < -2))
    count = moments.count
    mean, var = moments.mean, moments.squares / (count - _correction(args, kwargs))
    # Methods divide sums by the size of what they see, which may be a part of the image.
    seen = moments.counted(x.shape.numel() // moments.mean.numel())
    made: dict[str, tuple[Tensor, ...]] = {
        "mean": (mean,),
        "sum": (mean * seen.count,),
        "amax": (moments.largest,),
        "vector_norm": ((seen.squares + seen.count * mean.square()).sqrt(),),
        "var": (var,),
        "std": (var.sqrt(),),
        "var_mean": (var, mean),
    }
    out = tuple(value.reshape(one.shape).to(work.device, one.dtype) for value in made[kind])
    return out if several else out[0]


def _dims(kind: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Sequence[int] | None:
    place = 2 if kind == "vector_norm" else 1
    if kind == "vector_norm" and (args[1] if len(args) > 1 else 2) != 2:
        raise NotLocal("a norm other than the Euclidean")
    dims = args[place] if len(args) > place else kwargs.get("dim")
    return [dims] if isinstance(dims, int) else dims


def _correction(args: Sequence[Any], kwargs: dict[str, Any]) -> float:
    correction = kwargs.get("correction", 1)
    return 1.0 if correction is None else float(correction)


def _pair(value: Any) -> tuple[int, int]:
    values = (value, value) if isinstance(value, int) else tuple(value)
    return (values[0], values[-1])


POINTWISE = {aten._to_copy, aten._prelu_kernel, aten.hardswish}
"""Of each number, without PyTorch saying so."""
TABLE: dict[Any, Operation] = {
    aten.convolution: _convolution,
    aten.reflection_pad2d: partial(_pad, "reflect"),
    aten.replication_pad2d: partial(_pad, "replicate"),
    aten.constant_pad_nd: partial(_pad, "constant"),
    aten.upsample_nearest2d: partial(_enlarge, "nearest"),
    aten.upsample_bilinear2d: partial(_enlarge, "bilinear"),
    aten.avg_pool2d: _pool,
    aten.max_pool2d_with_indices: _pool,
    aten.pixel_shuffle: partial(_shuffle, Shuffled),
    aten.pixel_unshuffle: partial(_shuffle, Unshuffled),
    aten.cat: _join,
    aten.stack: _join,
    aten.split: _split,
    aten.split_with_sizes: _split,
    aten.native_group_norm: _group_norm,
    aten.native_batch_norm: _batch_norm,
    aten.cudnn_batch_norm: _batch_norm,
    aten.mean: partial(_summed, "mean"),
    aten.sum: partial(_summed, "sum"),
    aten.amax: partial(_summed, "amax"),
    aten.linalg_vector_norm: partial(_summed, "vector_norm"),
    aten.var: partial(_summed, "var"),
    aten.std: partial(_summed, "std"),
    aten.var_mean: partial(_summed, "var_mean"),
}
VIEWS = {
    aten.view,
    aten._unsafe_view,
    aten._reshape_alias,
    aten.select,
    aten.unsqueeze,
    aten.squeeze,
    aten.alias,
    aten.detach,
}
"""Of the same memory in another shape."""
TABLE |= dict.fromkeys(VIEWS, _reshape)
