"""Whether a segmenter finds in translations the labels of what they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from instar.core.errors import UserError, setting
from instar.core.evenly import evenly
from instar.core.events import Listener, ignore
from instar.core.formats import DomainFormat
from instar.core.images import to_tensor
from instar.core.pairing import paired
from instar.core.raster import Array
from instar.data import ImageRef
from instar.data.labels import square_pixels
from instar.evaluation.held_out import loaded
from instar.evaluation.label_maps import MOST_SCENES, LabelMaps, label_pixels, scenes
from instar.evaluation.score import Score
from instar.metrics import segmenter as unet
from instar.metrics.palette import Palette, palette_in, read_palette
from instar.metrics.user_code import load_network

_PALETTE_FROM = 200
"""Label maps from which a palette is taken."""


@dataclass(frozen=True)
class KeptLabels:
    """Label maps of translations, and what finds them there.

    Attributes:
        refs: the label maps; each has the name of its image.
        folder: that holds them, for messages.
        palette: file of the colours; None takes those that the label maps have.
        segmenter: "unet", which is trained on every other image with its labels and asked on the rest, or
            module.path:callable, which is asked on all.
        steps: of its training.
    """

    refs: Sequence[ImageRef]
    folder: Path
    palette: Path | None = None
    segmenter: str = "unet"
    steps: int = unet.STEPS

    def scores(
        self, images: Sequence[ImageRef], size: int, device: torch.device, on_event: Listener = ignore
    ) -> tuple[list[Score], str]:
        """Return label pixel accuracy, class accuracy and mean IoU of images, and in words how they were found.

        Args:
            images: translations, or what they were made from.
            size: side of the centre squares.
            device: where to segment.
            on_event: told of the segmenter's training.

        Raises:
            UserError: an image has no label map, the label maps have too many colours, or there are too few images.
        """
        pairs = self._pairs(images)
        palette = self._palette()
        network: nn.Module
        if self.segmenter == "unet":
            if len(pairs) < 4:
                needs = "a U-Net learns from one half of the images and is asked on the other: give four or more"
                raise UserError(f"{setting('segmenter', 'unet')}: {len(pairs)} images; {needs}")
            learned, asked = pairs[::2], pairs[1::2]
            shown = [learned[i] for i in evenly(range(len(learned)), MOST_SCENES)]
            examples = list(scenes(shown, palette, size))
            network = unet.train(examples, len(palette.names), palette.ignored, size, device, on_event, self.steps)
            about = f"a U-Net trained on {len(shown)} of the images with their labels, asked on {len(asked)} others"
        else:
            asked, network = pairs, load_network(self.segmenter, "segmenter").to(device)
            about = self.segmenter
        maps = LabelMaps(palette, [labels for labels, _ in asked], size, network)
        return maps.scores(_counts(maps, [image for _, image in asked], size)), about

    def _pairs(self, images: Sequence[ImageRef]) -> list[tuple[ImageRef, ImageRef]]:
        found = paired([images, self.refs], lambda ref: (ref.key, ref.path.suffix))
        of = {row[0]: row[1] for row in found.rows}
        missing = [ref for ref in images if ref not in of]
        if missing:
            said = f"{len(missing)} images have no label map, {missing[0].path} first"
            raise UserError(f"{setting('labels', self.folder)}: {said}")
        return [(of[ref], ref) for ref in images]

    def _palette(self) -> Palette:
        if self.palette:
            return read_palette(self.palette)
        found = palette_in([label_pixels(ref) for ref in evenly(self.refs, _PALETTE_FROM)])
        if found is None:
            file = "a file with a line 'name red green blue' for each class"
            raise UserError(f"{setting('labels', self.folder)}: too many colours; give {setting('palette')} {file}")
        return found


def _counts(maps: LabelMaps, images: Sequence[ImageRef], size: int) -> list[torch.Tensor]:
    def load(place: int) -> tuple[int, Array]:
        return place, square_pixels(images[place], DomainFormat(channels=3), size)

    counts = []
    for found in loaded(range(len(images)), load):
        squares = torch.stack([to_tensor(array) for _, array in found])
        counts.append(maps.counts(squares, [place for place, _ in found]))
    return counts
