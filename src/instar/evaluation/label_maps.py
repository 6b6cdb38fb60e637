"""Label maps on one side of the test pairs, and what translations from or into them are worth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Resampling
from torch import Tensor, nn

from instar.core.errors import UserError, setting
from instar.core.evenly import evenly
from instar.core.events import Listener, ignore
from instar.core.images import centre_square, colour, eight_bit, resize, to_tensor
from instar.core.seed import seeded
from instar.data import ImageRef
from instar.data.cache import home
from instar.evaluation.held_out import HeldOut, loaded
from instar.evaluation.pixels import rounded
from instar.evaluation.score import Score
from instar.metrics import segmenter as unet
from instar.metrics.array_cache import cached, file_stamps
from instar.metrics.palette import Palette, palette_in, read_palette
from instar.metrics.segmentation import class_ious, confusion, label_score_intervals, label_scores
from instar.metrics.segmenter import Scene, Segmenter
from instar.metrics.user_code import load_network

Side = Literal["inputs", "targets"]
Pixels = NDArray[np.uint8]

NAMES = {
    "pixel_accuracy": "label pixel accuracy",
    "class_accuracy": "label class accuracy",
    "mean_iou": "label mean IoU",
}

MOST_CLASSES = 40
"""Classes up to which each has a score of its own."""
MOST_SCENES = 2000
"""Training pairs beyond which the segmenter sees some, spread evenly."""
_LOOKED_AT = 5
_PALETTE_FROM = 200
"""Label maps from which a palette is taken."""
_VERSION = 1
"""Raise it when the same pairs come to give another segmenter."""


@dataclass(frozen=True)
class LabelTask:
    """What the user says about label maps."""

    palette: Path | None = None
    """The file of colours; None takes those that the label maps have."""
    segmenter: str | None = None
    """Scores photographs made from label maps: "unet", or module.path:callable."""


@dataclass(frozen=True)
class LabelMaps:
    """The true classes of the test images, and how those of translations are told."""

    palette: Palette
    refs: Sequence[ImageRef]
    """The label map that belongs to each test pair."""
    size: int
    segmenter: nn.Module | None
    """From photographs to classes; None where translations are label maps themselves."""
    notes: list[str] = field(default_factory=list)

    def counts(self, images: Tensor, places: Sequence[int]) -> Tensor:
        """Return the confusion matrices (n, K, K) of images (n, C, H, W) in [-1, 1] of the pairs at `places`."""
        squares = [torch.from_numpy(_pixels(self.refs[place], self.size)) for place in places]
        truth = self.palette.classes(torch.stack(squares).permute(0, 3, 1, 2) / 127.5 - 1)
        seen = colour(rounded(images))
        predicted = self._segmented(seen) if self.segmenter else self.palette.classes(seen)
        return confusion(predicted, truth, self.palette.count, self.palette.ignored)

    def scores(self, counts: Sequence[Tensor]) -> list[Score]:
        """Return the three scores of all matrices, which `counts` returned, and the IoU of each of few classes."""
        matrices, ignored = torch.cat(list(counts)), self.palette.ignored
        if not matrices.sum():
            raise UserError(f"no pixel of the test label maps has a class that is scored; look at {setting('palette')}")
        found = label_scores(matrices, ignored)
        each = matrices.sum((1, 2)) > 0  # an image without any such pixel may leave a half of them empty
        bounds = label_score_intervals(matrices, ignored) if len(matrices) >= 4 and each.all() else {}
        scores = [
            Score(NAMES[name], value, "higher", *bounds.get(name, (None, None)))
            for name, value in found._asdict().items()
        ]
        if len(self.palette.names) <= MOST_CLASSES:
            each_class = zip(self.palette.names, class_ious(matrices, ignored), strict=False)
            scores += [Score(f"IoU, {name}", value, "higher") for name, value in each_class if value is not None]
        return scores

    def _segmented(self, images: Tensor) -> Tensor:
        assert self.segmenter
        with torch.inference_mode():
            device = next(self.segmenter.parameters(), images).device
            found: Tensor = self.segmenter(images.to(device)).cpu()
        channels = (len(self.palette.names), self.palette.count)
        classes = found.argmax(1) if found.ndim == 4 and found.shape[1] in channels else found
        fits = classes.shape == (len(images), *images.shape[2:]) and not classes.is_floating_point()
        if not fits or not 0 <= int(classes.min()) <= int(classes.max()) < self.palette.count:
            wanted = (len(images), len(self.palette.names), *images.shape[2:])
            said = f"expected logits {wanted}, a channel for each class, got {tuple(found.shape)}"
            raise UserError(f"{setting('segmenter')}: {said}")
        return classes


def label_maps(task: LabelTask, images: HeldOut, device: torch.device, on_event: Listener = ignore) -> LabelMaps:
    """Find out which side of the test pairs is label maps, and get ready to score the translations.

    Args:
        task: what the user says.
        images: test images in pairs, with the training pairs of the same data set.
        device: where to segment.
        on_event: told of the segmenter's training.

    Raises:
        UserError: no side is label maps, or they are the inputs and there is no segmenter, or the other way round.
    """
    palette, side = _palette(task, images)
    if side == "targets" and task.segmenter:
        said = f"the translations are label maps ({images.names[1]}) themselves; leave it out"
        raise UserError(f"{setting('segmenter')}: {said}")
    refs = images.inputs if side == "inputs" else images.targets
    colours = f"{len(palette.names)} classes" + (", one more not scored" if palette.ignored is not None else "")
    if side == "targets":
        return LabelMaps(palette, refs, images.size, None, [f"label maps: {colours}, by the nearest colour"])
    if not task.segmenter:
        raise UserError(
            f"{setting('palette')}: the inputs ({images.names[0]}) are the label maps: how photographs made from them "
            f"are to be scored is for {setting('segmenter', 'unet')}, or module.path:callable"
        )
    network: nn.Module
    if task.segmenter == "unet":
        network, about = trained(palette, images, device, on_event)
    else:
        network, about = load_network(task.segmenter, "segmenter"), f"by {task.segmenter}"
    return LabelMaps(palette, refs, images.size, network.to(device), [f"label maps: {colours}, {about}"])


def trained(
    palette: Palette, images: HeldOut, device: torch.device, on_event: Listener, steps: int = unet.STEPS
) -> tuple[Segmenter, str]:
    """Return a segmenter trained on the real training pairs, kept in the folder of caches, and what it is."""
    maps, photos = images.training
    places = evenly(range(len(maps)), MOST_SCENES)
    parts = [(maps[i].half, maps[i].entry) for i in places]
    files = file_stamps([side[i].path for side in (maps, photos) for i in places])
    text = json.dumps([_VERSION, images.size, steps, palette.colours, palette.numbers, parts, files])
    classes = len(palette.names)

    def compute() -> dict[str, NDArray[np.float32]]:
        examples = list(scenes([(maps[i], photos[i]) for i in places], palette, images.size))
        network = unet.train(examples, classes, palette.ignored, images.size, device, on_event, steps)
        return {name: value.cpu().numpy() for name, value in network.state_dict().items()}

    arrays = cached(home(), f"segmenter-{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}", compute)
    with seeded(0):  # it draws weights before it is filled
        network = Segmenter(classes)
    network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    about = f"by a U-Net trained on {len(places)} real pairs at {images.size} px ({steps} steps of {unet.BATCH})"
    return network.requires_grad_(False).eval(), about


def scenes(pairs: Sequence[tuple[ImageRef, ImageRef]], palette: Palette, size: int) -> Iterator[Scene]:
    """Yield photographs and classes with a short side of `size`, of pairs of a label map and a photograph."""

    def load(pair: tuple[ImageRef, ImageRef]) -> tuple[Pixels, Pixels]:
        labels, photo = (label_pixels(ref) for ref in pair)
        scale = size / min(photo.shape[:2])
        width, height = (max(size, round(side * scale)) for side in photo.shape[1::-1])
        small = resize(photo, width, height)
        return small.astype(np.uint8), resize(labels, width, height, Resampling.NEAREST).astype(np.uint8)

    for found in loaded(pairs, load):
        for photo, labels in found:
            yield Scene(photo, palette.classes(to_tensor(labels)[None])[0].numpy().astype(np.uint8))


def _palette(task: LabelTask, images: HeldOut) -> tuple[Palette, Side]:
    """Return the colours, and the side on which they are found."""
    sides: dict[Side, Sequence[ImageRef]] = {"inputs": images.inputs, "targets": images.targets}
    if task.palette:
        given = read_palette(task.palette)
        shares = {side: _share(given, refs[:_LOOKED_AT]) for side, refs in sides.items()}
        side = max(sides, key=lambda one: shares[one])
        if shares[side] < 0.5:
            raise UserError(
                f"{setting('palette', task.palette)}: only {shares[side]:.0%} of the pixels of "
                f"{images.names[side == 'targets']} have one of its colours"
            )
        return given, side
    few = [side for side, refs in sides.items() if palette_in(_all_pixels(refs[:_LOOKED_AT]))]
    wanted: Side = "inputs" if task.segmenter else "targets"
    if few:
        side = few[0] if len(few) == 1 else wanted
        learned = images.training[0 if side == "inputs" else 1]
        found = palette_in(_all_pixels([*evenly(sides[side], _PALETTE_FROM), *evenly(learned, _PALETTE_FROM)]))
        if found:
            return found, side
    raise UserError(
        f"label maps are told by their few colours, and neither {images.inputs[0].path.parent} nor "
        f"{images.targets[0].path.parent} has few; give {setting('palette')} a file with a line 'name red green blue' "
        "for each class"
    )


def _share(palette: Palette, refs: Sequence[ImageRef]) -> float:
    return float(np.mean([palette.share(pixels) for pixels in _all_pixels(refs)]))


def _all_pixels(refs: Sequence[ImageRef]) -> list[Pixels]:
    return [pixels for found in loaded(refs, label_pixels) for pixels in found]


def _pixels(ref: ImageRef, size: int) -> Pixels:
    """Return the centre square of a label map (size, size, 3); colours are never mixed."""
    return centre_square(label_pixels(ref), size, Resampling.NEAREST).astype(np.uint8)


def label_pixels(ref: ImageRef) -> Pixels:
    """Return the pixels (H, W, 3) of a label map, or of another image, in 8 bits."""
    with ref.decoded() as image:
        return eight_bit(image)
