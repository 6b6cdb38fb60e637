"""What a data set holds, before a run chooses from it: domains by name, each with its images by split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from instar.core.listing import LeftOut
from instar.data.refs import ImageRef

Split = Literal["train", "test", "val"]


@dataclass(frozen=True)
class Splits:
    """The images of one domain. Where a set has validation images and no test images, they are its test images."""

    train: Sequence[ImageRef]
    test: Sequence[ImageRef] = ()
    val: Sequence[ImageRef] = ()
    left_out: list[LeftOut] = field(default_factory=list)
    """What else is in their folders."""

    def refs(self, split: Split) -> Sequence[ImageRef]:
        """Return the images of a split."""
        return {"train": self.train, "test": self.test, "val": self.val}[split]


@dataclass(frozen=True)
class DataSet:
    """Domains by name, in the order in which a run takes them if it is not told otherwise.

    Images of two domains that have the same `ImageRef.key` in the same split are a pair, for methods that need pairs.
    """

    domains: Mapping[str, Splits]
    paired_error: str = ""
    """Why it does not serve methods that need pairs, if so."""
    unpaired_error: str = ""
    """Why it does not serve other methods, if so."""
    unpaired_note: str = ""
    """What to tell a user whose method does not need the pairs, if anything."""
