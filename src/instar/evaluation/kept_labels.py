"""Whether a segmenter finds in translations the labels of what they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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
        real: real images of the target domain that have label maps, each behind its own: where there are some, "unet"
            is trained on every other of them, and asked on all translations.
    """

    refs: Sequence[ImageRef]
    folder: Path
    palette: Path | None = None
    segmenter: str = "unet"
    steps: int = unet.STEPS
    real: Sequence[tuple[ImageRef, ImageRef]] = ()
    _taught: dict[int, tuple[nn.Module, int]] = field(default_factory=dict, repr=False)

    def ceiling(self, size: int, device: torch.device, on_event: Listener = ignore) -> list[Score]:
        """Return what real images score; nothing without any. Arguments and errors as of `scores`."""
        if not self.real:
            return []
        asked = self.real[1::2] if self.segmenter == "unet" else self.real
        return self._found(asked, self._of_real(size, device, on_event)[0], size)

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
        pairs = with_labels(images, self.refs, "labels", self.folder)
        if self.segmenter != "unet":
            network, about = load_network(self.segmenter, "segmenter").to(device), self.segmenter
        elif self.real:
            network, about = self._of_real(size, device, on_event)
        else:
            network, shown = self._learned(pairs, size, device, on_event)
            pairs = pairs[1::2]
            about = f"a U-Net trained on {shown} of the images with their labels, asked on {len(pairs)} others"
        return self._found(pairs, network, size), about

    def _of_real(self, size: int, device: torch.device, on_event: Listener) -> tuple[nn.Module, str]:
        """Return what finds labels in real images, and in words what it is."""
        if self.segmenter != "unet":
            return load_network(self.segmenter, "segmenter").to(device), self.segmenter
        if size not in self._taught:
            self._taught[size] = self._learned(self.real, size, device, on_event)
        network, shown = self._taught[size]
        return network, f"a U-Net trained on {shown} real images with their labels"

    def _learned(
        self, pairs: Sequence[tuple[ImageRef, ImageRef]], size: int, device: torch.device, on_event: Listener
    ) -> tuple[nn.Module, int]:
        """Return a network trained on every other image, and on how many."""
        palette = self._palette()
        if len(pairs) < 4:
            needs = "a U-Net learns from one half of the images and is asked on the other: give four or more"
            raise UserError(f"{setting('segmenter', 'unet')}: {len(pairs)} images; {needs}")
        learned = pairs[::2]
        shown = [learned[i] for i in evenly(range(len(learned)), MOST_SCENES)]
        examples = list(scenes(shown, palette, size))
        network = unet.train(examples, len(palette.names), palette.ignored, size, device, on_event, self.steps)
        return network, len(shown)

    def _found(self, pairs: Sequence[tuple[ImageRef, ImageRef]], network: nn.Module, size: int) -> list[Score]:
        maps = LabelMaps(self._palette(), [labels for labels, _ in pairs], size, network)
        return maps.scores(_counts(maps, [image for _, image in pairs], size))

    def _palette(self) -> Palette:
        if self.palette:
            return read_palette(self.palette)
        real = evenly([labels for labels, _ in self.real], _PALETTE_FROM)
        found = palette_in([label_pixels(ref) for ref in [*evenly(self.refs, _PALETTE_FROM), *real]])
        if found is None:
            file = "a file with a line 'name red green blue' for each class"
            raise UserError(f"{setting('labels', self.folder)}: too many colours; give {setting('palette')} {file}")
        return found


def with_labels(
    images: Sequence[ImageRef], labels: Sequence[ImageRef], parameter: str, folder: Path
) -> list[tuple[ImageRef, ImageRef]]:
    """Return each image behind its label map, which has its name.

    Raises:
        UserError: an image has none in the folder that `parameter` names.
    """
    of = {row[0]: row[1] for row in paired([images, labels], lambda ref: (ref.key, ref.path.suffix)).rows}
    missing = [ref for ref in images if ref not in of]
    if missing:
        said = f"{len(missing)} images have no label map, {missing[0].path} first"
        raise UserError(f"{setting(parameter, folder)}: {said}")
    return [(of[ref], ref) for ref in images]


def _counts(maps: LabelMaps, images: Sequence[ImageRef], size: int) -> list[torch.Tensor]:
    def load(place: int) -> tuple[int, Array]:
        return place, square_pixels(images[place], DomainFormat(channels=3), size)

    counts = []
    for found in loaded(range(len(images)), load):
        squares = torch.stack([to_tensor(array) for _, array in found])
        counts.append(maps.counts(squares, [place for place, _ in found]))
    return counts
