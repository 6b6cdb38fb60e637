"""A step that is done as far as this process knows: the device may not have said yet if its gradients were finite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from instar.core.batch import Batch
from instar.core.objective import Objective
from instar.engine.reading import Reading


@dataclass(frozen=True)
class Tried:
    """An objective of a step, as it was before it is known whether its gradient could be taken."""

    name: str
    terms: tuple[tuple[str, Tensor], ...]
    """Names and values, without their graphs; of each part of the batch."""
    usable: Tensor
    """Whether its gradient can be taken."""
    before: Callable[[], None]
    """Makes the means and counts that are logged what they were before it."""

    def not_finite(self) -> list[str]:
        """Return the names of the terms that are not finite; waits for them."""
        return list(dict.fromkeys(name for name, value in self.terms if not bool(value.isfinite().all())))


@dataclass
class Attempt:
    """A step, and the way back."""

    step: int
    """Steps done before it."""
    batch: Batch
    back: Callable[[], None]
    """Undoes all that it changed but the weights, which an objective that is not finite does not move."""
    tried: list[Tried] = field(default_factory=list)
    verdict: Reading | None = None
    """1 if an objective was not finite."""

    def add(self, parts: Sequence[Objective], usable: Tensor, before: Callable[[], None]) -> None:
        """Note an objective, of each part of the batch."""
        terms = tuple((term.name, term.value.detach()) for one in parts for term in one.loss.terms)
        self.tried.append(Tried(parts[0].name, terms, usable, before))

    @property
    def failed(self) -> bool:
        """Whether an objective was not finite; waits until that is known."""
        return self.verdict is not None and self.verdict.read() > 0

    def undo(self) -> Tried:
        """Go back to before the step, in all but the weights; return the first objective that was not finite."""
        self.back()
        first = next(one for one in self.tried if not bool(one.usable))
        first.before()
        return first
