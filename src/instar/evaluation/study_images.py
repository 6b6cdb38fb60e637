"""The pictures of a study with people: held-out images and what each run makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_pil_image

from instar.core.config import RunConfig
from instar.core.errors import Message, UserError, setting
from instar.core.events import Listener, ignore
from instar.core.images import colour
from instar.core.reading import UnreadableImage
from instar.core.run import find_checkpoint, read_config
from instar.data.labels import square
from instar.data.refs import ImageRef
from instar.evaluation.held_out import BATCH, HeldOut, held_out
from instar.evaluation.progress import counted, part_of
from instar.inference.translator import Translator


@dataclass(frozen=True)
class StudyImages:
    """What a study shows, all of one size."""

    direction: str
    target: str
    """Name of the domain translated into."""
    names: list[str]
    """Of the inputs."""
    inputs: list[Image.Image]
    translations: list[list[Image.Image]]
    """A list for each run, a picture for each input."""
    notes: list[Message]

    @property
    def question(self) -> str:
        """What to ask, where the user does not say."""
        named = len(self.target) > 1  # A and B are no words for participants
        return f"Which one is the better {self.target}?" if named else "Which translation is the better one?"


def study_images(
    runs: Sequence[Path],
    roots: Sequence[Path] = (),
    *,
    count: int = 50,
    size: int | None = None,
    to: str | None = None,
    seed: int = 0,
    device: str = "auto",
    on_event: Listener = ignore,
) -> StudyImages:
    """Translate held-out images with each run, at the size of its training.

    Args:
        runs: run directories or checkpoints, two or more.
        roots: the images; the first run's own test images if empty.
        count: of inputs, chosen at random; all if there are fewer.
        size: side of the pictures shown; that of the training if None.
        to: domain to translate into.
        seed: of the choice, and of the models' noise or style.
        device: where to compute.
        on_event: told how far it is (`Worked`).

    Raises:
        UserError: the runs work at different sizes and `size` is None, or in different directions.
    """
    configs = [read_config(find_checkpoint(run) / "config.yaml") for run in runs]
    side = size or _one_size(runs, configs)
    shared = tuple(roots) or configs[0].data.roots
    refs: list[ImageRef] = []
    directions: dict[str, Path] = {}
    notes: list[str] = []
    translations: list[list[Image.Image]] = []
    target = ""
    looked: list[HeldOut] = []
    for run, config in zip(runs, configs, strict=True):
        translator = Translator.load(run, device)
        found = held_out(config, shared, translator.domain(to))
        directions.setdefault(f"{found.names[0]} -> {found.names[1]}", run)
        if len(directions) > 1:
            said = ", ".join(f"{run} {direction}" for direction, run in directions.items())
            raise UserError(f"runs of different directions do not compare: {said}; choose one with {setting('to')}")
        looked.append(found)
        refs = refs or _readable(found.inputs, count, seed)
        target = found.names[1]
        notes += found.notes
        made = _translations(translator, found, refs, to, seed, part_of(on_event, run))
        translations.append([_picture(y, side) for y in made])
    forms = [found.formats[0] for found in looked]
    inputs = [_picture(square(ref, max(forms, key=lambda form: form.channels), side), side) for ref in refs]
    notes += _equal(runs, translations)
    if len(refs) < count:
        notes.append(f"{count} inputs were asked for, there are {len(refs)}")
    told = [Message(note) for note in dict.fromkeys(notes)]
    return StudyImages(next(iter(directions)), target, [ref.name for ref in refs], inputs, translations, told)


def _one_size(runs: Sequence[Path], configs: Sequence[RunConfig]) -> int:
    sizes = {config.data.size: run for config, run in zip(configs, runs, strict=True)}
    if len(sizes) > 1:
        said = ", ".join(f"{run} at {side} px" for side, run in sizes.items())
        raise UserError(f"runs of different sizes: {said}; say with {setting('size')} at which all are shown")
    return configs[0].data.size


def _translations(
    translator: Translator, images: HeldOut, refs: Sequence[ImageRef], to: str | None, seed: int, on_event: Listener
) -> list[Tensor]:
    made: list[Tensor] = []
    parts = [refs[start : start + BATCH] for start in range(0, len(refs), BATCH)]
    for part in counted(parts, len, "translating", len(refs), on_event):
        x = torch.stack([square(ref, images.formats[0], images.size) for ref in part])
        made += translator.tensors(x, translator.domain(to), seed=seed)
    return made


def _readable(refs: Sequence[ImageRef], count: int, seed: int) -> list[ImageRef]:
    """Return up to `count` images that can be read, chosen at random."""
    found: list[ImageRef] = []
    for place in np.random.default_rng((seed, 0)).permutation(len(refs)):
        if len(found) == count:
            break
        try:
            refs[place].read()
        except UnreadableImage:
            continue
        found.append(refs[place])
    if not found:
        raise UserError(f"none of the {len(refs)} test images can be read")
    return found


def _picture(x: Tensor, side: int) -> Image.Image:
    """Return an image (C, H, W) in [-1, 1] as a picture of side x side pixels."""
    image: Image.Image = to_pil_image(
        (x if x.shape[0] in (1, 3) else colour(x[None])[0]).clamp(-1, 1).add(1).div(2).cpu()
    )
    return image if image.size == (side, side) else image.resize((side, side), Image.Resampling.BICUBIC)


def _equal(runs: Sequence[Path], translations: Sequence[Sequence[Image.Image]]) -> list[str]:
    """Return a sentence for each pair of runs that made equal pictures."""
    notes = []
    for b in range(len(runs)):
        for a in range(b):
            pairs = zip(translations[a], translations[b], strict=True)
            same = sum(x.mode == y.mode and x.tobytes() == y.tobytes() for x, y in pairs)
            notes += [f"{runs[a]} and {runs[b]}: {same} translations are equal"] if same else []
    return notes
