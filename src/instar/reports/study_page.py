"""The page of a study with people: one file with its pictures, that opens from disk and asks no network."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_pil_image

from instar.core.errors import UserError
from instar.core.images import UnreadableImage
from instar.core.run import find_checkpoint, read_config
from instar.data.labels import square
from instar.data.refs import ImageRef
from instar.evaluation.held_out import BATCH, held_out
from instar.evaluation.study import Question, fresh_names
from instar.inference.translator import Translator

_PAGE = Path(__file__).with_name("study.html")


@dataclass(frozen=True)
class Shown:
    """What a study shows: pictures as data URIs, of one size."""

    direction: str
    target: str
    """Name of the domain translated into."""
    names: list[str]
    """Of the inputs."""
    inputs: list[str]
    translations: list[list[str]]
    """A list for each run, a picture for each input."""
    notes: list[str]

    @property
    def question(self) -> str:
        """What to ask, where the user does not say."""
        named = len(self.target) > 1  # A and B are no words for participants
        return f"Which one is the better {self.target}?" if named else "Which translation is the better one?"


def pictures(
    runs: Sequence[Path],
    roots: Sequence[Path] = (),
    *,
    count: int = 50,
    size: int | None = None,
    to: str | None = None,
    seed: int = 0,
    device: str = "auto",
    tick: Callable[[str], None] = lambda what: None,
) -> Shown:
    """Translate held-out images with each run, at the size of its training.

    Args:
        runs: run directories or checkpoints, two or more.
        roots: the images; the first run's own test images if empty.
        count: of inputs, chosen at random; all if there are fewer.
        size: side of the pictures shown; that of the training if None.
        to: domain to translate into.
        seed: of the choice, and of the models' noise or style.
        device: where to compute.
        tick: told what is being done.

    Raises:
        UserError: the runs work at different sizes and `size` is None, or in different directions.
    """
    configs = [read_config(find_checkpoint(run) / "config.yaml") for run in runs]
    sizes = {config.data.size: run for config, run in zip(configs, runs, strict=True)}
    if size is None and len(sizes) > 1:
        said = ", ".join(f"{run} at {side} px" for side, run in sizes.items())
        raise UserError(f"runs of different sizes: {said}; say with --size at which all are shown")
    shown_at = size or configs[0].data.size
    shared = tuple(roots) or configs[0].data.roots
    refs: list[ImageRef] = []
    directions: dict[str, Path] = {}
    notes: list[str] = []
    translations: list[list[str]] = []
    target = ""
    for run, config in zip(runs, configs, strict=True):
        tick(str(run))
        translator = Translator.load(run, device)
        found = held_out(config, shared, translator.domain(to))
        directions.setdefault(f"{found.names[0]} -> {found.names[1]}", run)
        if len(directions) > 1:
            said = ", ".join(f"{run} {direction}" for direction, run in directions.items())
            raise UserError(f"runs of different directions do not compare: {said}; choose one with --to")
        refs = refs or _readable(found.inputs, count, seed)
        target = found.names[1]
        notes += found.notes
        made = []
        for start in range(0, len(refs), BATCH):
            x = torch.stack([square(ref, found.channels, found.size) for ref in refs[start : start + BATCH]])
            made += [_picture(y, shown_at) for y in translator.tensors(x, translator.domain(to), seed=seed)]
        translations.append(made)
    channels = max(config.method.channels for config in configs)
    inputs = [_picture(square(ref, channels, shown_at), shown_at) for ref in refs]
    notes += _equal(runs, translations)
    if len(refs) < count:
        notes.append(f"{count} inputs were asked for, there are {len(refs)}")
    names = [ref.name for ref in refs]
    return Shown(next(iter(directions)), target, names, inputs, translations, list(dict.fromkeys(notes)))


def page(shown: Shown, questions: Sequence[Question], text: str, seed: int = 0) -> tuple[str, str]:
    """Return the fingerprint of a study and its page, which names neither runs nor files.

    Pictures go by random names and in their order, so that nothing tells which of them are of one run.
    """
    everything = [shown.inputs, *shown.translations]
    random = np.random.default_rng((seed, 1))  # other names than those of the questions
    names = iter(fresh_names(sum(len(part) for part in everything), random))
    named = [[next(names) for _ in part] for part in everything]
    by_name = {
        name: uri for row, part in zip(named, everything, strict=True) for name, uri in zip(row, part, strict=True)
    }
    content = {
        "question": text,
        "questions": [
            {
                "id": one.id,
                "input": named[0][one.input],
                "left": named[1 + one.left][one.input],
                "right": named[1 + one.right][one.input],
            }
            for one in questions
        ],
        "pictures": dict(sorted(by_name.items())),
    }
    study = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]
    data = json.dumps({"study": study, **content}).replace("<", "\\u003c")  # text of the user ends no element
    return study, _PAGE.read_text(encoding="utf-8").replace("/*STUDY*/", data)


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


def _picture(x: Tensor, side: int) -> str:
    """Return an image (C, H, W) in [-1, 1] as a PNG of side x side pixels; JPEG would add faults of its own."""
    image = to_pil_image(x.clamp(-1, 1).add(1).div(2).cpu())
    if image.size != (side, side):
        image = image.resize((side, side), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _equal(runs: Sequence[Path], translations: list[list[str]]) -> list[str]:
    """Return a sentence for each pair of runs that made equal pictures."""
    notes = []
    for b in range(len(runs)):
        for a in range(b):
            same = sum(x == y for x, y in zip(translations[a], translations[b], strict=True))
            notes += [f"{runs[a]} and {runs[b]}: {same} translations are equal"] if same else []
    return notes
