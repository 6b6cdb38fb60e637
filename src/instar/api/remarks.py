"""What a user should know when a training starts: of the images, and of how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from statistics import median

from instar.core.batch import Domain
from instar.core.config import LARGE, RunConfig
from instar.core.device import has_bf16
from instar.core.errors import call, setting
from instar.core.evenly import evenly
from instar.core.events import Event, Listener, Noted, Started, Stepped, note, warning
from instar.core.raster import Array
from instar.core.reading import UnreadableImage
from instar.data import Data
from instar.data.likeness import MOST, UNLIKE, unlike
from instar.evaluation.between import CHANGE
from instar.evaluation.verdict import NEARLY_A_COPY, is_copy

LONG = 86_400.0
"""Seconds from which a training on a CPU is said to be long."""
MEASURED = 4
"""Steps after which its length is known; the first one is slower than the others."""
_STEP_OF_SIZE = 32


def about_images(data: Data, config: RunConfig) -> Iterator[Noted]:
    """Yield lines about the images of a training."""
    found = data.found
    for domain in found.kind.sources():
        train, test = data.train.stores[domain], found.test[domain]
        yield note(f"{found.names[domain]}: {_count(len(train), 'image')} to train on, {len(test)} held out")
    for first, *others in found.kind.rows():
        for other in others:
            yield from _about_pairs(data, config, first, other)
    kept = next(iter(found.val.values()))
    if kept:
        yield note(f"{len(kept)} more of each kept to score the run while it trains")
    yield from map(note, data.notes)
    yield from _about_pixels(data, config)
    if data.bad:
        yield warning(f"{len(data.bad)} unreadable file(s) left out:")
        for path, reason in data.bad:
            yield warning(f"  {path}: {reason}")


def about_precision(precision: str, device: str) -> str:
    """Return a line if a processor has no instructions for the precision."""
    if precision == "32" or has_bf16(device) is not False:
        return ""
    asked = setting("train.precision", "bf16")
    return f"note: {asked}: this processor has no instructions for it; steps are many times faster without"


def about_result(
    names: Mapping[Domain, str], verdicts: Mapping[Domain, str], measured: Mapping[Domain, Mapping[str, float]]
) -> Iterator[Noted]:
    """Yield lines about what a training has come to: its verdicts, or that it still copies its inputs.

    Args:
        names: of the domains.
        verdicts: on the validation images, by the domain translated into; empty if the run was not scored.
        measured: of translations of other held-out images at the end, likewise; empty if it was stopped before.
    """
    for to, words in verdicts.items():
        yield note(f"validation images to {names[to]}: {words}")
    if not verdicts:
        for to, values in measured.items():
            if is_copy(values):
                shown = f"the mean change is {values[CHANGE]:.1f} of 255 grey levels on the sample pictures"
                yield warning(f"translations to {names.get(to, to)} are {NEARLY_A_COPY}: {shown}")


class Losses:
    """Listens to a training, and names files of a large set that are found unreadable."""

    def __init__(self, lost: Callable[[], list[tuple[Path, str]]], tell: Listener) -> None:
        """Know what returns the files found since it was asked the last time; `tell` hears the lines."""
        self._lost, self._tell = lost, tell

    def __call__(self, event: Event) -> None:
        """Ask after each step."""
        if isinstance(event, Stepped):
            for path, reason in self._lost():
                self._tell(warning(f"{path}: {reason}; the next image stands in for it"))


class Estimate:
    """Listens to a training on a CPU, and says after a few steps if it will take days."""

    def __init__(self, config: RunConfig, tell: Listener) -> None:
        """Know the training; `tell` hears the line."""
        self._config, self._tell = config, tell
        self._first, self._began = 0, 0.0

    def __call__(self, event: Event) -> None:
        """Count the steps."""
        if isinstance(event, Started):
            self._first = event.step + 1
        elif isinstance(event, Stepped):
            if event.step == self._first:
                self._began = time.monotonic()
            elif event.step == self._first + MEASURED:
                self._say(event.step, (time.monotonic() - self._began) / MEASURED)

    def _say(self, step: int, seconds: float) -> None:
        left = (self._config.train.steps - step) * seconds
        if left < LONG:
            return
        small = setting("preset", "small")
        remedy = f"; {small} is made for CPUs" if self._config.preset not in ("small", "tiny") else ""
        if self._config.train.precision == "32" and has_bf16("cpu"):
            remedy += f"; {setting('train.precision', 'auto')} takes bf16, which this one computes faster"
        self._tell(warning(f"{seconds:.1f} s a step: this takes about {left / LONG:.0f} days on a CPU{remedy}"))


def _about_pairs(data: Data, config: RunConfig, first: Domain, other: Domain) -> Iterator[Noted]:
    """Yield how many pairs there are, and a warning if they do not look like some."""
    names, one, partner = data.found.names, data.train.stores[first], data.train.stores[other]
    yield note(f"{names[first]} and {names[other]}: {_count(len(one), 'pair')} to train on")
    places = evenly(range(len(one)), MOST)
    plain = one.form.plain and partner.form.plain  # what other instruments show need not look alike
    if plain and unlike([one.looked_at(i) for i in places], [partner.looked_at(i) for i in places]):
        roots = config.data.roots
        look = f"; look at them with: {call('check', roots[0], pairs='pairs.png')}" if len(roots) == 1 else ""
        yield warning(
            f"{names[first]} and {names[other]} may be no pairs: {UNLIKE} ({len(places)} were looked at){look}; "
            "cyclegan, cut and others need no pairs"
        )


def _about_pixels(data: Data, config: RunConfig) -> Iterator[Noted]:
    """Yield lines about gray images that are read as colour ones, and about small images that are enlarged."""
    found, stores = data.found, data.train.stores
    looked = {domain: evenly(range(len(stores[domain])), MOST) for domain in found.kind.sources()}
    three = all(form.channels == 3 for form in data.formats.values())
    if three and all(_gray(stores[domain].looked_at(i)) for domain, places in looked.items() for i in places):
        one = setting("method.channels", 1)
        yield note(
            f"all images are gray ({sum(map(len, looked.values()))} were looked at): {one} trains on them as such"
        )
    for domain in looked:
        sides = []
        for ref in evenly(found.train[domain], MOST):
            with suppress(UnreadableImage):
                sides.append(min(ref.probe()[:2]))
        if sides and median(sides) * LARGE < config.data.size:
            side = int(median(sides))
            fits = setting("data.size", max(_STEP_OF_SIZE, side // _STEP_OF_SIZE * _STEP_OF_SIZE))
            yield note(
                f"{found.names[domain]}: images of {side} px (the median of their short sides) are enlarged for "
                f"{setting('data.size', config.data.size)}; {fits} shows as much and is faster"
            )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _gray(pixels: Array) -> bool:
    return bool((pixels == pixels[:, :, :1]).all())
