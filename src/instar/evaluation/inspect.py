"""What a model with styles makes of images: the domains it found in them, their styles, and translations into these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from instar.core.abilities import Clustered, Styled, supports
from instar.core.batch import Domain
from instar.core.config import RunConfig
from instar.core.errors import Message, UserError, setting
from instar.core.evenly import evenly
from instar.core.events import Listener, ignore
from instar.core.formats import DomainFormat
from instar.core.listing import left_out_notes
from instar.core.reading import UnreadableImage
from instar.core.registry import get
from instar.core.run import find_checkpoint, read_config, read_training
from instar.data import ImageRef, find
from instar.data.labels import some_classes, square
from instar.evaluation.held_out import BATCH
from instar.evaluation.inspect_history import Window, history, recent
from instar.evaluation.progress import counted
from instar.evaluation.sanity import lost_notes
from instar.inference.translator import Translator

COLUMNS = 12
"""Most styles in a grid."""
REFERENCES = 8
"""Images whose styles are in the grid of a model without domains of its own."""


@dataclass(frozen=True)
class Seen:
    """Images, and what the model reads from them."""

    refs: list[ImageRef]
    held: list[bool]
    """Whether each is of a test folder."""
    styles: Tensor
    """(N, S)."""
    probabilities: Tensor
    """(N, K), of the domains that the model found; (N, 0) if it looks for none."""

    @property
    def domains(self) -> Tensor:
        """The likeliest domain of each image, (N,)."""
        return self.probabilities.argmax(1)

    @property
    def sizes(self) -> list[int]:
        """How many images are in each domain."""
        k = self.probabilities.shape[1]
        return torch.bincount(self.domains, minlength=k).tolist() if k else []

    @property
    def classes(self) -> list[str]:
        """The names of the classes that images have; none where there are fewer than two."""
        names = some_classes(self.refs)
        return names if len(names) > 1 else []

    def typical(self, domain: int) -> list[int]:
        """Return the places of the images of a domain, the most typical first: the likeliest ones.

        Many are equally likely, to a thousandth: of these the nearest to the mean style of the domain come first.
        """
        places = (self.domains == domain).nonzero()[:, 0].tolist()
        mean = self.styles[places].mean(0)
        far = {i: float((self.styles[i] - mean).norm()) for i in places}
        return sorted(places, key=lambda i: (-round(float(self.probabilities[i, domain]), 3), far[i]))


@dataclass(frozen=True)
class Grid:
    """The same inputs in several styles."""

    title: str
    headings: list[str]
    references: list[ImageRef]
    """The image of each style; none if they are of no image."""
    inputs: Tensor
    """(N, C, H, W) in [-1, 1]."""
    columns: list[Tensor]
    """For each style the translations (N, C, H, W)."""


@dataclass(frozen=True)
class Inspection:
    """What a model makes of images."""

    run: str
    method: str
    step: int
    size: int
    """Of the squares that the model has seen."""
    form: DomainFormat
    """Of the images of `seen`."""
    available: int
    """Images of which those of `seen` were drawn."""
    seen: Seen
    history: list[Window]
    reachable: list[int]
    """Numbers of the domains that have a style to translate to."""
    grids: list[Grid]
    notes: list[Message]

    def warnings(self) -> list[Message]:
        """Return a sentence for each way in which domains are empty."""
        here = _empty(self.seen.sizes)
        found = [f"{_are(here)} empty: none of the {len(self.seen.refs):,} images on this page."] if here else []
        last = recent(self.history)
        if last and (empty := _empty(last.sizes)):
            said = f"had none of the last {sum(last.sizes):,} images (steps {last.start + 1:,} to {last.end:,})"
            found.append(f"In training, {_named(empty).lower()} {said}.")
        styleless = sorted(set(range(len(self.seen.sizes))) - set(self.reachable))
        if styleless and self.reachable:
            found.append(f"{_named(styleless)} cannot be translated to: no image of late in training had such a style.")
        return [Message(line) for line in found]


def inspect_run(
    path: Path,
    roots: Sequence[Path] = (),
    *,
    count: int = 1000,
    inputs: int = 6,
    to: str | None = None,
    device: str = "auto",
    on_event: Listener = ignore,
) -> Inspection:
    """Look at images with a trained model, all cut to their centre square at the size of the training.

    Args:
        path: a run (its last checkpoint) or one checkpoint.
        roots: the images, laid out as for training, those of its test folder too; the run's own if empty.
        count: most images to look at, drawn evenly.
        inputs: images that are translated into each style, of the test folder if there is one.
        to: for methods with two domains, that of the styles; the target of the training if None.
        device: where to compute.
        on_event: told what is being done (`Worked`).

    Raises:
        UserError: the method has no styles, or no image can be read.
    """
    folder = find_checkpoint(path)
    config = read_config(folder / "config.yaml")
    if not issubclass(get(config.name), Styled):
        raise UserError(f"{path}: {config.name} has no styles and finds no domains: there is nothing to inspect")
    translator = Translator.load(folder, device)
    if to is not None and to.isdecimal():
        raise UserError(f"{setting('to', to)}: all domains that the model found are shown; leave out {setting('to')}")
    domain = translator.domain(to)
    sources, train, test, notes = _images(config, tuple(roots), domain)
    everything = [(ref, False) for ref in train] + [(ref, True) for ref in test]
    drawn = evenly(everything, count)
    seen = _seen(translator, drawn, domain, on_event)
    reachable = translator.own_domains() if supports(translator.method, Clustered) else []
    x = _squares(sources, inputs, translator, translator.keys.opposite(domain))
    step = read_training(folder)["step"]
    return Inspection(
        run=str(path),
        method=config.name,
        step=step,
        size=config.data.size,
        form=translator.format_of(domain),
        available=len(everything),
        seen=seen,
        history=history(folder, step),
        reachable=reachable,
        grids=_grids(translator, seen, x, domain, reachable, on_event),
        notes=[Message(note) for note in [*notes, *_lost(drawn, seen)]],
    )


def _images(
    config: RunConfig, roots: tuple[Path, ...], to: Domain
) -> tuple[Sequence[ImageRef], Sequence[ImageRef], Sequence[ImageRef], list[str]]:
    """Return inputs to translate, then the images of training and of test whose styles are read, and notes."""
    kind = get(config.name).kind_of(config.method)
    cfg = replace(config.data, roots=roots or config.data.roots, holdout=0, validation=0)
    one = len(kind.sources()) == 1
    found = find(cfg.unnamed() if one else cfg, kind)  # one folder may have any name
    source = next(domain for domain in kind.parts if domain != to)
    notes = [] if one else [f"Styles are read from the images of {found.names[to]}."]
    return found.shown[source], found.train[to], found.test[to], [*notes, *left_out_notes(found.left_out)]


def _seen(translator: Translator, drawn: Sequence[tuple[ImageRef, bool]], domain: Domain, on_event: Listener) -> Seen:
    method: Any = translator.method
    found: list[tuple[ImageRef, bool]] = []
    styles, probabilities = [], []
    parts = [drawn[start : start + BATCH] for start in range(0, len(drawn), BATCH)]
    for part in counted(parts, len, "reading styles", len(drawn), on_event):
        rows = [(one, x) for one in part if (x := _square(one[0], translator, domain)) is not None]
        if not rows:
            continue
        with torch.inference_mode():
            x = torch.stack([x for _, x in rows]).to(translator.device)
            styles.append(method.encode_style(x, domain=domain).float().cpu())
            none = x.new_empty(len(x), 0)
            probabilities.append((method.cluster(x) if supports(method, Clustered) else none).float().cpu())
        found += [one for one, _ in rows]
    if not found:
        raise UserError(f"none of the {len(drawn)} images can be read; the first is {drawn[0][0].name}")
    return Seen([ref for ref, _ in found], [held for _, held in found], torch.cat(styles), torch.cat(probabilities))


def _lost(drawn: Sequence[tuple[ImageRef, bool]], seen: Seen) -> list[str]:
    read = set(seen.refs)
    return lost_notes([ref for ref, _ in drawn], {i for i, (ref, _) in enumerate(drawn) if ref in read}, "images")


def _square(ref: ImageRef, translator: Translator, domain: Domain) -> Tensor | None:
    try:
        return square(ref, translator.format_of(domain), translator.trained_at)
    except UnreadableImage:
        return None


def _squares(refs: Sequence[ImageRef], count: int, translator: Translator, domain: Domain) -> Tensor:
    found = [x for ref in evenly(refs, count) if (x := _square(ref, translator, domain)) is not None]
    if not found:
        raise UserError(f"none of the images to translate can be read; the first is {refs[0].name}")
    return torch.stack(found)


def _grids(
    translator: Translator, seen: Seen, x: Tensor, to: Domain, reachable: list[int], on_event: Listener
) -> list[Grid]:
    """Translate inputs (N, C, H, W) into the style of each domain and of its most typical image, or of some images."""

    def grid(title: str, headings: list[str], styles: Tensor, references: list[ImageRef]) -> Grid:
        each = counted(styles, lambda _: 1, "translating", len(styles), on_event)
        return Grid(title, headings, references, x, [translator.tensors(x, to, style=style).cpu() for style in each])

    method = translator.method
    if not supports(method, Clustered):
        places = evenly(range(len(seen.refs)), REFERENCES)
        headings = [f"image {i + 1}" for i in range(len(places))]
        return [grid("The styles of some images", headings, seen.styles[places], [seen.refs[i] for i in places])]
    largest = sorted(sorted(reachable, key=lambda n: -seen.sizes[n])[:COLUMNS])
    if not largest:
        return []
    grids = [grid("Every domain's style", [f"domain {n}" for n in largest], method.cluster_styles()[largest], [])]
    full = [n for n in largest if seen.sizes[n]]
    first = [seen.typical(n)[0] for n in full]
    title = "The style of each domain's most typical image"
    return [*grids, grid(title, [f"domain {n}" for n in full], seen.styles[first], [seen.refs[i] for i in first])]


def _empty(sizes: Sequence[int]) -> list[int]:
    return [i for i, size in enumerate(sizes) if not size]


def _named(numbers: Sequence[int]) -> str:
    *rest, last = map(str, numbers)
    return f"Domains {', '.join(rest)} and {last}" if rest else f"Domain {last}"


def _are(numbers: Sequence[int]) -> str:
    return f"{_named(numbers)} {'are' if len(numbers) > 1 else 'is'}"
