"""What of a method is exported: one direction of `translate`, between pixels in [0, 1], with its chance as inputs."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from instar.core.abilities import Styled, supports
from instar.core.batch import Domain
from instar.core.errors import UserError
from instar.core.method import Method
from instar.core.seed import generator
from instar.inference.card import NoiseInput
from instar.inference.padding import SMALLEST
from instar.modules.dropout import Masks

BLOCKS = (3, 4)
"""Height and width of the example, in multiples of what the networks need: of 1, a size is taken for a constant."""
BATCH = 2


class Networks(nn.Module):
    """A direction of a method on planes of which both sides are multiples of `size_divisor`."""

    def __init__(self, method: Method[Any], to: Domain) -> None:
        super().__init__()
        self.method, self.to_domain = _without_unused(method), to

    def forward(self, planes: Tensor, style: Tensor | None = None, noise: tuple[Tensor, ...] = ()) -> Tensor:
        """Map pixels (N, C, H, W) in [0, 1], styles (N, S) and masks of dropout to pixels in [0, 1]."""
        options: dict[str, Any] = {} if style is None else {"style": style}
        if noise:
            options["generator"] = Masks(iter(noise))
        out: Tensor = self.method.translate(planes * 2 - 1, to=self.to_domain, **options)
        return ((out + 1) / 2).clamp(0, 1)


@dataclass(frozen=True)
class Example:
    """Inputs with which networks are traced.

    Attributes:
        planes: (N, C, H, W).
        style: (N, S), for methods with styles.
        noise: masks of dropout, in the order in which they are drawn.
        described: the same as inputs of the graph.
    """

    planes: Tensor
    style: Tensor | None
    noise: tuple[Tensor, ...]
    described: tuple[NoiseInput, ...]

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What `Networks` is called with."""
        if self.noise:
            return self.planes, None, self.noise
        return (self.planes,) if self.style is None else (self.planes, self.style)

    def dynamic(self, divisor: int, *, fixed: bool) -> dict[str, Any]:
        """Return which sizes are free, for `torch.export`: the batch, and the sides in multiples of `divisor`."""
        dim = torch.export.Dim
        batch, height, width = dim("batch"), dim("h", min=1, max=1 << 14), dim("w", min=1, max=1 << 14)

        def sides(step: int) -> dict[int, Any]:
            return {0: batch} if fixed else {0: batch, 2: _times(step, height), 3: _times(step, width)}

        found: dict[str, Any] = {"planes": sides(divisor)}
        if self.style is not None:
            found["style"] = {0: batch}
        if self.noise:
            found.setdefault("style", None)
            found["noise"] = tuple(sides(divisor // one.divisor) for one in self.described)
        return found


class _Recorded(Masks):
    """Draws the masks, and keeps them."""

    def __init__(self, chance: Generator) -> None:
        super().__init__(iter(()))
        self.chance = chance
        self.masks: list[Tensor] = []
        self.p: list[float] = []

    def applied(self, x: Tensor, p: float) -> Tensor:
        self.masks.append(torch.empty_like(x).bernoulli_(1 - p, generator=self.chance).div_(1 - p))
        self.p.append(p)
        return x * self.masks[-1]


def example(name: str, method: Method[Any], to: Domain, channels: int) -> Example:
    """Return inputs for a method.

    Raises:
        UserError: it draws random numbers that are neither a style nor dropout.
    """
    divisor = method.size_divisor
    blocks = max(1, -(-SMALLEST // divisor))
    height, width = [method.fixed_size or divisor * blocks * count for count in BLOCKS]
    planes = torch.rand(BATCH, channels, height, width, generator=generator(0))
    if supports(method, Styled):
        return Example(planes, method.sample_style(BATCH, generator(0), to=to), (), ())
    if not method.stochastic:
        return Example(planes, None, (), ())
    recorded = _Recorded(generator(0))
    translate: Any = method.translate
    try:
        translate(planes * 2 - 1, to=to, generator=recorded)
    except (TypeError, AttributeError, RuntimeError) as error:  # it hands the generator to a function of PyTorch
        raise UserError(_chance(name)) from error
    if not recorded.masks:
        raise UserError(_chance(name))
    described = tuple(
        NoiseInput(f"noise_{number}", mask.shape[1], height // mask.shape[2], p)
        for number, (mask, p) in enumerate(zip(recorded.masks, recorded.p, strict=True))
    )
    return Example(planes, None, tuple(recorded.masks), described)


def _without_unused(method: Method[Any]) -> Method[Any]:
    """Return the method without the networks that only training needs, which a trace would go through as well."""
    lean = copy(method)
    lean._modules = {  # of the copy: the method keeps its own
        name: child
        for name, child in method._modules.items()
        if any(used.split(".")[0] == name for used in method.translators)
        or child is None
        or next(child.parameters(), None) is None
    }
    return lean


def _chance(name: str) -> str:
    return f"{name} cannot be exported: it draws random numbers while translating that are neither a style nor dropout"


def _times(step: int, side: Any) -> Any:
    return side if step == 1 else step * side
