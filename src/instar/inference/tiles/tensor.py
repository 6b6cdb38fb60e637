"""A tensor that stands for the features of a whole image, of which only strips of rows are ever there."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from instar.inference.tiles.local import Given, Patched, Rows
from instar.inference.tiles.operations import VIEWS, NotLocal, done, outline, part
from instar.inference.tiles.work import THIN, Work

aten = torch.ops.aten
FRESH = {aten.empty_like, aten.new_empty, aten.new_zeros, aten.new_ones, aten.zeros_like, aten.ones_like}
"""That take only shape and type of a tensor."""


class _Memory:
    """What views of one tensor share: how often it was changed in place."""

    def __init__(self) -> None:
        self.changes = 0


class _Place(NamedTuple):
    """Where a slice lies in the tensor that it is one of."""

    of: TiledTensor
    dim: int
    start: int


class TiledTensor(Tensor):
    """Shape, type and device of a tensor, and how its rows are computed. Methods run with it as with any tensor."""

    features: Rows
    work: Work
    memory: _Memory
    changes: int
    place: _Place | None

    @staticmethod
    def __new__(
        cls, features: Rows, work: Work, memory: _Memory | None = None, place: _Place | None = None
    ) -> TiledTensor:
        """Make a tensor without numbers."""
        made: TiledTensor = Tensor._make_wrapper_subclass(cls, features.shape, dtype=features.dtype, device=work.device)
        made.features, made.work, made.place = features, work, place
        made.memory = memory or _Memory()
        made.changes = made.memory.changes
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        """Do an operation by rows."""
        kwargs = kwargs or {}
        work = next(one.work for one in tree_leaves((args, kwargs)) if isinstance(one, TiledTensor))
        packet = function.overloadpacket
        if packet in FRESH:
            like = outline(function, *_unwrapped((args, kwargs)))
            device = kwargs.get("device") or work.device
            return torch.zeros(work.whole(like.shape), dtype=like.dtype, device=device).fill_(
                packet in (aten.new_ones, aten.ones_like)
            )
        if packet is aten.slice:
            return _sliced(*args, **kwargs)
        if function._schema.is_mutable:
            return _changed(work, function, args, kwargs)
        if packet not in VIEWS:
            args, kwargs = _with_thin_parts(work, (args, kwargs))
            if not any(isinstance(one, TiledTensor) for one in tree_leaves((args, kwargs))):
                return function(*args, **kwargs)
        memory = args[0].memory if packet in VIEWS else None
        out = done(work, function, *_here(work, _unwrapped((args, kwargs))))
        return tree_map(lambda one: TiledTensor(one, work, memory) if isinstance(one, Rows) else one, out)

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        """Return shape and type, without the numbers."""
        return f"TiledTensor({tuple(self.shape)}, {self.dtype})"

    def current(self) -> Rows:
        """Return its features.

        Raises:
            NotLocal: its memory was changed through another view.
        """
        if self.changes != self.memory.changes:
            raise NotLocal("a change in place that is seen through another view")
        return self.features

    def change(self, features: Rows) -> None:
        """Take other features, also within the tensor that this is a slice of."""
        self.memory.changes += 1
        target: TiledTensor | None = self
        while target is not None:
            target.features, target.changes, place = features, self.memory.changes, target.place
            if place is not None:
                of = place.of.features
                features = Patched(of.shape, of.dtype, of, features, place.dim, place.start)
            target = place.of if place is not None else None


def _unwrapped(value: Any) -> Any:
    return tree_map(lambda one: one.current() if isinstance(one, TiledTensor) else one, value)


def _here(work: Work, value: Any) -> Any:
    return work.here(value, [one for one in tree_leaves(value) if isinstance(one, Rows)])


def _with_thin_parts(work: Work, value: Any) -> Any:
    """Return arguments in which some rows or columns are plain tensors, with which everything can be done."""

    def plain(one: Any) -> Any:
        thin = isinstance(one, TiledTensor) and one.place is not None and min(one.shape[-2:]) <= THIN
        return work.tensor(one.current()) if thin else one

    return tree_map(plain, value)


def _sliced(x: TiledTensor, *where: Any, **named: Any) -> TiledTensor:
    found = part(x.current(), *where, **named)
    return TiledTensor(found, x.work, x.memory, _Place(x, found.dim, found.start))


def _changed(work: Work, function: Any, args: Any, kwargs: Any) -> Any:
    """Do an operation in place by the operation that is not."""
    target, *others = args
    if not isinstance(target, TiledTensor):
        raise NotLocal(f"{function.overloadpacket} of a tensor with a map")
    before = target.current()
    if target.place is not None:
        target.place.of.current()
    if function.overloadpacket is aten.copy_:
        if _same_part(target, others[0]):
            return target
        (value,) = others
        new = value.current() if isinstance(value, TiledTensor) else Given(value.shape, value.dtype, value, work.device)
    else:
        plain = _not_in_place(function)
        others, kwargs = _with_thin_parts(work, (others, kwargs))
        inputs, kwargs = _here(work, _unwrapped(((before, *others), kwargs)))
        new = done(work, plain, inputs, kwargs)
    if new.shape != before.shape or new.dtype != before.dtype:
        raise NotLocal(f"{function.overloadpacket} with another shape or type")
    if target.place is not None and min(new.shape[-2:]) <= THIN:
        tensor = work.tensor(new)
        new = Given(new.shape, new.dtype, tensor, work.device)
    target.change(new)
    return target


def _not_in_place(function: Any) -> Any:
    """Return the operation with the same arguments that changes none of them."""
    name = function.overloadpacket.__name__
    packet = getattr(aten, name.removesuffix("_"), None) if name.endswith("_") else None
    wanted = [str(one.type) for one in function._schema.arguments]
    for overload in packet.overloads() if packet else ():
        found = getattr(packet, overload)
        if [str(one.type) for one in found._schema.arguments] == wanted and not found._schema.is_mutable:
            return found
    raise NotLocal(name)


def _same_part(one: TiledTensor, other: Any) -> bool:
    """Tell whether both are the same slice of one tensor: `x[i] += y` ends with such a copy."""
    if not isinstance(other, TiledTensor) or one.place is None or other.place is None:
        return False
    same = one.place.of is other.place.of and one.place[1:] == other.place[1:] and one.shape == other.shape
    return same and other.changes == other.memory.changes
