"""Styles of a model, as tensors or arrays: checked, and walked between."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Union

import numpy as np
from numpy.typing import NDArray

from instar.core.abilities import Clustered, supports
from instar.core.errors import UserError, setting
from instar.inference.checks import is_tensor

if TYPE_CHECKING:
    from torch import Tensor

    from instar.inference.base import BaseTranslator

Style = Union["Tensor", NDArray[Any]]
"""One (S,) for all images, or one (N, S) for each."""


def checked_style(model: BaseTranslator, style: Style, count: int) -> NDArray[np.float32]:
    """Return a style for each of `count` images, (count, S).

    Raises:
        UserError: the model has no styles.
        ValueError: the style has another shape, or numbers that are not finite.
    """
    length = model.style_size
    given = as_array(style)
    if given.dtype.kind != "f" or given.shape not in ((length,), (count, length)):
        each = f" or ({count}, {length})" if count > 1 else ""
        raise ValueError(f"expected a float style ({length},){each}, got {_kind(style)}")
    if not np.isfinite(given).all():
        raise ValueError("a style must be of finite numbers; this one holds NaN or infinity")
    rows: NDArray[np.float32] = np.array(np.broadcast_to(given, (count, length)), np.float32)
    return rows


def _kind(style: Style) -> str:
    return f"{style.dtype} {tuple(style.shape)}" if is_tensor(style) or isinstance(style, np.ndarray) else "a list"


def as_array(style: Style) -> NDArray[Any]:
    """Return a style as an array, wherever and of whatever type it is."""
    if not is_tensor(style):
        return np.asarray(style)
    tensor = style.detach().cpu()
    array: NDArray[Any] = (tensor.double() if tensor.is_floating_point() else tensor).numpy()  # NumPy has no bfloat16
    return array


def style_of_own_domain(model: BaseTranslator, to: str | None) -> Style | None:
    """Return the mean style (S,) of a domain that the model found, by its number; None for other names."""
    if to is None or not to.isdecimal() or not supports(model.method, Clustered):
        return None
    known = model.own_domains()
    if int(to) not in known:
        listed = ", ".join(map(str, known)) or "none: it was not trained far enough"
        raise UserError(f"{setting('to', to)}: this model found no such domain; those with images: {listed}")
    return model.domain_styles()[int(to)]


def style_path(model: BaseTranslator, first: Any, last: Any, count: int) -> list[Any]:
    """Return `count` styles (S,) on the way from one to another, both ends among them.

    Under a normal prior it is an arc, on which all are as likely as the ends. Styles that are read from images, or that
    a network has made, are not normal: the way between two of them is straight.
    """
    curve = slerp if model.method.normal_styles else lerp
    return [curve(first, last, number / (count - 1)) for number in range(count)]


def lerp(first: Any, last: Any, t: float) -> Any:
    """Return the style (S,) at t in [0, 1] on the straight line between two."""
    way = last - first
    return first + way * t if t < 0.5 else last - way * (1 - t)  # both ends are met exactly


def slerp(first: Any, last: Any, t: float) -> Any:
    """Return the style (S,) at t in [0, 1] on the arc between two: as likely under the prior as its ends.

    The straight line passes nearer to 0 than a normal vector ever is. Between parallel ends it is the arc.
    """
    lengths = math.sqrt(float(first @ first)) * math.sqrt(float(last @ last))
    angle = math.acos(min(1.0, max(-1.0, float(first @ last) / max(lengths, 1e-12))))
    if math.sin(angle) < 1e-4:
        return lerp(first, last, t)
    return first * (math.sin((1 - t) * angle) / math.sin(angle)) + last * (math.sin(t * angle) / math.sin(angle))
