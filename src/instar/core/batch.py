"""What a training step is given. A kind of batch says what it needs of a data set and how it is made from that.

A kind of three domains, in a file of its own anywhere:

    @dataclass(frozen=True)
    class Three(Batch):
        a: Tensor
        b: Tensor
        c: Tensor
        names: tuple[str, ...] = ()

        needs = "three folders, unpaired"
        parts = {"a": Part(order=0, crop=0), "b": Part(order=1, crop=1), "c": Part(order=2, crop=2)}

A method with `data = Three` is then given such batches; nothing else has to know of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from itertools import chain
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from typing_extensions import Self

if TYPE_CHECKING:  # seconds, which naming domains and parts can do without
    import torch
    from torch import Tensor

_UNSEEN = (0, -1)
"""Stands for a range of labels that nobody has looked at."""
Domain = str
"""Key of a domain: "a", "b", then "c", ... What it is called in words is the data set's choice."""


@dataclass(frozen=True)
class Part:
    """Where the images of one domain of a batch come from.

    A row is what is drawn at once: one image, or several that belong together and are decoded to the same size.

    Attributes:
        order: number of the random order in which rows are drawn, from 0. Parts of one order see the same rows.
        side: which image of the row.
        crop: number of the random crop and mirroring, from 0. Parts with the same one are cut alike.
    """

    order: int = 0
    side: int = 0
    crop: int = 0


@dataclass(frozen=True)
class Batch:
    """Images of some domains. Which folder is `a` is the data layer's choice, never a method's.

    A kind of batch is a dataclass with a field for each domain, (N, C, H, W) float in [-1, 1], and `names`.
    """

    needs: ClassVar[str]
    """What a method of this kind needs, in words: pairs, or two folders."""
    parts: ClassVar[Mapping[Domain, Part]]
    """Where the images of each domain come from."""
    classes: ClassVar[Mapping[Domain, Literal["all", "some"]]] = {}
    """Domains whose images come with the numbers of their classes: all must have one, or some may."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        parts = cls.__dict__.get("parts", {}).values()
        for order in range(len({part.order for part in parts})):
            sides = {part.side for part in parts if part.order == order}
            if sides != set(range(max(1, len(sides)))):
                raise TypeError(f"{cls.__name__}: orders of parts, and sides of an order, are numbered from 0")

    @property
    def names(self) -> tuple[str, ...]:
        """The files that the images are from, for messages that must name an image."""
        return ()

    @property
    def images(self) -> dict[Domain, Tensor]:
        """The images by domain."""
        return {domain: getattr(self, domain) for domain in self.parts}

    def to(self, device: torch.device) -> Self:
        """Return the same batch with all its tensors on `device`."""
        from instar.core.device import moved  # noqa: PLC0415

        there: dict[str, Any] = {name: moved(value, device) for name, value in self._tensors().items()}
        return self._with(there)

    def split(self, parts: int) -> list[Self]:
        """Return the batch as so many equal parts, in order. The number of its images must be a multiple of theirs."""
        if parts == 1:
            return [self]
        tensors = {name: value.chunk(parts) for name, value in self._tensors().items()}
        named = "names" in {field.name for field in fields(self)}
        found = []
        for part in range(parts):
            mine: dict[str, Any] = {name: pieces[part] for name, pieces in tensors.items() if len(pieces) == parts}
            found.append(self._with(mine | ({"names": self._names(part, parts)} if named else {})))
        return found

    def _with(self, changes: Mapping[str, Any]) -> Self:
        """Return the same images in other tensors: what was found when the batch was made holds for them too."""
        made = replace(self, **changes)
        for one in fields(self):
            if not one.init:
                object.__setattr__(made, one.name, getattr(self, one.name))
        return made

    def _tensors(self) -> dict[str, Tensor]:
        """Return the fields that hold tensors, by name."""
        from torch import Tensor  # noqa: PLC0415

        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}

    def _names(self, part: int, parts: int) -> tuple[str, ...]:
        """Return the names of the files of one of several equal parts."""
        groups = self._name_groups
        each, rest = divmod(len(self.names), groups * parts)
        if rest:  # not one for each image
            return self.names
        starts = (each * (group * parts + part) for group in range(groups))
        return tuple(chain.from_iterable(self.names[start : start + each] for start in starts))

    @property
    def _name_groups(self) -> int:
        """How many groups of names there are one after the other, each with one name for each row of the tensors."""
        return len(self.sources())

    @classmethod
    def collate(
        cls, images: Mapping[Domain, Tensor], names: Mapping[Domain, Sequence[str]], labels: Mapping[Domain, Tensor]
    ) -> Self:
        """Make a batch of what was drawn.

        Args:
            images: (N, C, H, W) in [-1, 1].
            names: of the files that these are from.
            labels: numbers (N,) int64 of the images' classes, -1 for none, of the domains in `classes`; those of a
                single one become the field `labels`. None for sample pictures, and where no image has a class.
        """
        files = chain.from_iterable(names[domain] for domain in cls.sources())
        values: dict[str, Any] = {**images, "names": tuple(files)}
        if labels:
            (values["labels"],) = labels.values()
        return cls(**values)

    @classmethod
    def rows(cls) -> tuple[tuple[Domain, ...], ...]:
        """Return, for each order, the domains whose images make a row, side by side."""
        orders: dict[int, dict[int, Domain]] = {}
        for domain, part in cls.parts.items():
            orders.setdefault(part.order, {}).setdefault(part.side, domain)
        return tuple(tuple(sides[side] for side in range(len(sides))) for _, sides in sorted(orders.items()))

    @classmethod
    def sources(cls) -> tuple[Domain, ...]:
        """Return the domains that a data set must hold: two that show the same images are one."""
        return tuple(chain.from_iterable(cls.rows()))

    @classmethod
    def paired(cls, one: Domain, other: Domain) -> bool:
        """Tell whether images of two domains are true translations of each other."""
        here, there = cls.parts[one], cls.parts[other]
        return here.order == there.order and here.side != there.side


@dataclass(frozen=True)
class TwoDomains(Batch):
    """Images of two domains.

    Attributes:
        a: images of the source domain, (N, C, H, W) float in [-1, 1].
        b: images of the target domain, (N, C, H, W) float in [-1, 1].
        names: the files of `a`, then those of `b`, for messages that must name an image.
    """

    a: Tensor
    b: Tensor
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unpaired(TwoDomains):
    """`a[i]` and `b[i]` have nothing to do with each other."""

    needs = "two folders, unpaired"
    parts = {"a": Part(order=0, crop=0), "b": Part(order=1, crop=1)}


def _no_labels() -> Tensor:
    import torch  # noqa: PLC0415

    return torch.empty(0, dtype=torch.int64)


@dataclass(frozen=True)
class Labelled(Unpaired):
    """The images of the source domain have classes; those of the target domain may have some, but nobody is told.

    Attributes:
        labels: numbers (N,) int64 of the classes of `a`, from 0.
        label_range: the least and the largest of them; found when the batch is made, where that asks no GPU.
    """

    labels: Tensor = field(default_factory=_no_labels)
    label_range: tuple[int, int] = field(init=False, default=_UNSEEN)

    def __post_init__(self) -> None:
        if self.labels.device.type == "cpu":
            object.__setattr__(self, "label_range", _range(self.labels))

    needs = "two folders, classes"
    classes = {"a": "all"}


@dataclass(frozen=True)
class Unlabelled(TwoDomains):
    """Images of one folder: `b[i]` is what `a[i]` shows, cropped and mirrored anew. Nobody says which domain it is of.

    Attributes:
        labels: numbers (N,) int64 of the classes of the images, from 0, for scoring and for methods that may see a
            share of them; -1 where there is none, or where it is kept back.
        label_range: the least and the largest of them; found when the batch is made, where that asks no GPU.
    """

    labels: Tensor = field(default_factory=_no_labels)
    label_range: tuple[int, int] = field(init=False, default=_UNSEEN)

    def __post_init__(self) -> None:
        if self.labels.device.type == "cpu":
            object.__setattr__(self, "label_range", _range(self.labels))

    needs = "one folder"
    parts = {"a": Part(crop=0), "b": Part(crop=1)}
    classes = {"a": "some"}


@dataclass(frozen=True)
class Paired(TwoDomains):
    """`b[i]` is the true translation of `a[i]`, cropped and flipped alike."""

    needs = "pairs"
    parts = {"a": Part(side=0), "b": Part(side=1)}


FEWEST_DOMAINS = 2
"""Of a kind of any number of them, where nobody has said how many there are."""


@dataclass(frozen=True)
class ManyDomains(Batch):
    """Images of any number of domains mixed, and two references for each: images of a domain to translate it into.

    Domains are numbered from 0 in the order of `parts`. Their numbers are drawn in rounds, each of which has every
    domain once, so that batches are balanced whatever the folders hold. Those of images and of references know nothing
    of each other: an image may be given references of its own domain.

    Attributes:
        x: images (N, C, H, W) float in [-1, 1].
        y: numbers (N,) int64 of their domains.
        x_ref: references (N, C, H, W).
        x_ref2: other references (N, C, H, W) of the same domains.
        y_ref: numbers (N,) int64 of the domains of the references.
        names: the files of `x`, then those of `x_ref`, then those of `x_ref2`.
    """

    x: Tensor
    y: Tensor
    x_ref: Tensor
    x_ref2: Tensor
    y_ref: Tensor
    names: tuple[str, ...] = ()

    needs = "folders, unpaired"
    parts = {"a": Part(order=0, crop=0), "b": Part(order=1, crop=1)}

    @classmethod
    def of(cls, count: int) -> type[ManyDomains]:
        """Return this kind for so many domains, with keys a, b, c, ..., z, aa, ab, ..."""
        return _kind_of(count)

    @property
    def images(self) -> dict[Domain, Tensor]:
        """The images by domain, without the references."""
        return {domain: self.x[self.y == number] for number, domain in enumerate(self.parts)}

    @property
    def _name_groups(self) -> int:
        return 3

    @classmethod
    def collate(
        cls, images: Mapping[Domain, Tensor], names: Mapping[Domain, Sequence[str]], labels: Mapping[Domain, Tensor]
    ) -> Self:
        """Make a batch of all images of the domains, as many of each: samples, where nothing is drawn.

        The references of an image are those of the domain after its own, and the ones after them.
        """
        import torch  # noqa: PLC0415

        x, counts = torch.cat(list(images.values())), [len(of_domain) for of_domain in images.values()]
        y = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
        files = list(chain.from_iterable(names[domain] for domain in cls.parts))
        after = torch.arange(len(x)).roll(-counts[0])
        second = torch.cat([places.roll(-1) for places in torch.arange(len(x)).tensor_split(len(counts))])[after]
        places = [*range(len(x)), *after.tolist(), *second.tolist()]
        named = tuple(files[i] for i in places) if len(files) == len(x) else tuple(files)
        return cls(x, y, x[after], x[second], y[after], named)


@lru_cache
def _kind_of(count: int) -> type[ManyDomains]:
    if count < FEWEST_DOMAINS:
        raise ValueError(f"{count} domains: there must be {FEWEST_DOMAINS} or more")
    parts = {_key(number): Part(order=number, crop=number) for number in range(count)}
    return type(f"ManyDomains{count}", (ManyDomains,), {"parts": parts, "__doc__": ManyDomains.__doc__})


def _key(number: int) -> Domain:
    """Return the key of a domain by its number: a to z, then aa, ab, ..."""
    first, last = divmod(number, len(ascii_lowercase))
    return (_key(first - 1) if first else "") + ascii_lowercase[last]


BatchT = TypeVar("BatchT", bound=Batch)


def _range(labels: Tensor) -> tuple[int, int]:
    """Return the least and the largest of some numbers; -1 twice if there are none."""
    return (int(labels.min()), int(labels.max())) if len(labels) else (-1, -1)
