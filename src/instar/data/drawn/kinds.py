"""The kinds of change: which scene is drawn, what the change adds to it, and which forms of it count.

A kind's scenes of domain A and B are of one distribution but for the change. `Kind.options` are scenes with the change
in the forms that domain B has it, from which `instar.data.drawn.oracle` takes the nearest to a translation.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from instar.core.errors import UserError, nearest
from instar.data.drawn import herd, people, pets
from instar.data.drawn.canvas import Colour, drawn_from
from instar.data.drawn.faces import Mouth, open_smile
from instar.data.drawn.herd import Beast, Neck, Stripes
from instar.data.drawn.people import Person
from instar.data.drawn.pet_portraits import draw as portrait
from instar.data.drawn.pets import Pet
from instar.data.drawn.setting import Level, Pixels
from instar.data.drawn.wear import Hat, Mask

Scene = Person | Pet | Beast
Split = Literal["train", "test"]
Domain = Literal["A", "B"]

MASKS = ((104, 164, 214), (112, 190, 152), (150, 120, 196))
HATS = ((176, 36, 44), (34, 62, 140), (30, 112, 66), (226, 178, 44), (196, 84, 160))
GREYS = ((198, 202, 208), (212, 214, 218), (228, 228, 226))
CHESTNUTS = ((150, 84, 44), (120, 62, 34), (186, 118, 62))
DARK = (34, 28, 28)


@dataclass(frozen=True)
class Painted:
    """A form of the change whose colour may be any within `spread` of one of `colours`.

    `scene` makes the scene with a colour. Pictures are linear in it, so two of them tell all.
    """

    scene: Callable[[Colour], Scene]
    colours: tuple[Colour, ...]
    spread: float
    """In grey levels, for each of red, green and blue."""


@dataclass(frozen=True)
class Kind:
    """One kind of change between two domains."""

    name: str
    change: Literal["colour", "texture", "object added", "local shape", "whole shape"]
    about: str
    """Domain A to domain B, in words."""
    sample: Callable[[np.random.Generator, Level], Any]
    """Draws a scene of domain A."""
    changed: Callable[[Any, np.random.Generator], Any]
    """Returns a scene with the change, all else as it is."""
    options: Callable[[Any], tuple[Scene | Painted, ...]]
    """Returns a scene with the change in all the forms that count; none where the form is told by statistics."""
    draw: Callable[[Any, int], Pixels]
    """Draws a scene at a size."""
    of: type[Scene]

    def scene(self, level: Level, split: Split, domain: Domain, index: int) -> Any:
        """Return the scene of a picture. Those of domain A have `truth` for their exact translation."""
        rng = self._random(level, split, domain, index, 0)
        scene = self.sample(rng, level)
        return scene if domain == "A" else self.changed(scene, self._random(level, split, domain, index, 1))

    def truth(self, level: Level, split: Split, index: int) -> Any:
        """Return what scene `index` of domain A is with the change."""
        return self.changed(self.scene(level, split, "A", index), self._random(level, split, "A", index, 1))

    def _random(self, level: Level, split: Split, domain: Domain, index: int, part: int) -> np.random.Generator:
        key = zlib.crc32(f"{self.name} {level} {split} {domain}".encode())
        return np.random.default_rng([key, index, part])


def kind(name: str) -> Kind:
    """Return the kind of this name.

    Raises:
        UserError: there is none.
    """
    if name not in KINDS:
        raise UserError(f"there is no drawn set {name!r}{nearest(name, KINDS)}")
    return KINDS[name]


def _picked(rng: np.random.Generator, colours: tuple[Colour, ...], spread: float) -> tuple[float, ...]:
    colour = np.array(colours[int(rng.integers(len(colours)))]) + rng.uniform(-spread, spread, 3)
    return tuple(float(c) for c in colour.clip(0, 255))


def _chestnut(rng: np.random.Generator, level: Level) -> Beast:
    beast = herd.sample(rng, level)
    return replace(beast, coat=drawn_from(rng, CHESTNUTS))


def _greyed(beast: Beast, rng: np.random.Generator) -> Beast:
    return replace(beast, coat=drawn_from(rng, GREYS))


def _grey_coats(beast: Beast) -> tuple[Painted, ...]:
    return (Painted(lambda colour: replace(beast, coat=tuple(colour)), GREYS, 8.0),)


def _striped(beast: Beast, rng: np.random.Generator) -> Beast:
    return replace(
        beast, stripes=Stripes(float(rng.uniform(0.27, 0.34)), float(rng.random()), _picked(rng, (DARK,), 8))
    )


def _long_necked(beast: Beast, rng: np.random.Generator) -> Beast:
    return replace(beast, neck=herd.long_neck(rng))


def _long_necks(beast: Beast) -> tuple[Beast, ...]:
    necks = [Neck(length, rise) for length in (0.81, 0.875, 0.94) for rise in (1.02, 1.1, 1.19, 1.28)]
    return tuple(replace(beast, neck=neck) for neck in necks)


def _masked(person: Person, rng: np.random.Generator) -> Person:
    return replace(person, mask=Mask(_picked(rng, MASKS, 8), float(rng.uniform(-0.04, 0.08))))


def _masks(person: Person) -> tuple[Painted, ...]:
    def worn(top: float) -> Callable[[Colour], Person]:
        return lambda colour: replace(person, mask=Mask(tuple(colour), top))

    return tuple(Painted(worn(top), MASKS, 10.0) for top in (-0.02, 0.06))


def _hatted(person: Person, rng: np.random.Generator) -> Person:
    cap = rng.random() < 0.5
    low, tall = float(rng.uniform(-0.56, -0.46)), float(rng.uniform(0.06, 0.16) if cap else rng.uniform(0.12, 0.26))
    return replace(person, hat=Hat("cap" if cap else "brim", _picked(rng, HATS, 12), low, tall))


def _hats(person: Person) -> tuple[Painted, ...]:
    def worn(hat: Hat) -> Callable[[Colour], Person]:
        return lambda colour: replace(person, hat=replace(hat, colour=tuple(colour)))

    forms = [Hat("cap", DARK, low, 0.11) for low in (-0.54, -0.48)]
    forms += [Hat("brim", DARK, low, 0.19) for low in (-0.54, -0.48)]
    return tuple(Painted(worn(form), HATS, 14.0) for form in forms)


def _near(rng: np.random.Generator, level: Level) -> Person:
    """Draw a person whose mouth is large enough to be seen at 64 px."""
    person = people.sample(rng, level)
    return replace(person, head=replace(person.head, tall=max(person.head.tall, 0.28)))


def _laughing(person: Person, rng: np.random.Generator) -> Person:
    return replace(person, mouth=open_smile(rng))


def _laughs(person: Person) -> tuple[Person, ...]:
    mouths = [Mouth(wide, 0.13, opened) for wide in (0.36, 0.4) for opened in (0.23, 0.28)]
    return tuple(replace(person, mouth=mouth) for mouth in mouths)


def _hanging(pet: Pet, _: np.random.Generator) -> Pet:
    return replace(pet, ears="hanging")


def _hanging_ears(pet: Pet) -> tuple[Pet, ...]:
    return tuple(replace(pet, ears="hanging", ear_size=pet.ear_size * size) for size in (0.87, 1.0, 1.15))


def _cat(rng: np.random.Generator, level: Level) -> Pet:
    return replace(pets.sample(rng, level), species="cat")


def _dog(pet: Pet, _: np.random.Generator) -> Pet:
    return replace(pet, species="dog", ears="hanging")


def _dogs(pet: Pet) -> tuple[Pet, ...]:
    dog = replace(pet, species="dog", ears="hanging")
    heads = [replace(dog.head, wide=dog.head.wide + wider) for wider in (-0.05, 0, 0.07)]
    return tuple(replace(dog, head=head, ear_size=dog.ear_size * size) for head in heads for size in (0.9, 1.0, 1.12))


_ALL = (
    Kind("coat", "colour", "chestnut animals to grey ones", _chestnut, _greyed, _grey_coats, herd.draw, Beast),
    Kind("stripes", "texture", "plain coats to striped ones", herd.sample, _striped, lambda _: (), herd.draw, Beast),
    Kind("mask", "object added", "bare faces to masked ones", people.sample, _masked, _masks, people.draw, Person),
    Kind("hat", "object added", "bare heads to heads with hats", people.sample, _hatted, _hats, people.draw, Person),
    Kind("mouth", "local shape", "closed mouths to laughing ones", _near, _laughing, _laughs, people.draw, Person),
    Kind("ears", "local shape", "pricked ears to hanging ones", pets.sample, _hanging, _hanging_ears, portrait, Pet),
    Kind("neck", "whole shape", "short necks to long ones", herd.sample, _long_necked, _long_necks, herd.draw, Beast),
    Kind("species", "whole shape", "cats to dogs", _cat, _dog, _dogs, portrait, Pet),
)
KINDS = {kind.name: kind for kind in _ALL}
