"""A segmentation network, by which photographs made from label maps are scored: do they show what the map says?

The score of Isola et al. 2017 (section 4, "FCN-score"), with a smaller network: a U-Net (Ronneberger et al. 2015) that
is trained on the real pairs of the same data set. What it scores on real test images is the ceiling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from instar.core.events import Listener, Worked, ignore
from instar.core.seed import seeded

DEPTH = 4
WIDTH, STEPS, BATCH, RATE = 16, 1000, 8, 3e-3
SEED = 0


class Scene(NamedTuple):
    """An image and its label map, of one size."""

    pixels: NDArray[np.uint8]
    """(H, W, 3)."""
    classes: NDArray[np.uint8]
    """(H, W)."""


class Segmenter(nn.Module):
    """U-Net of `DEPTH` halvings, for images (N, 3, H, W) of any size in [-1, 1]."""

    def __init__(self, classes: int, width: int = WIDTH) -> None:
        """Build the network.

        Args:
            classes: K.
            width: channels at the full size; twice as many after each halving, at most 8 times.
        """
        super().__init__()
        widths = [width * min(2**i, 8) for i in range(DEPTH + 1)]
        self.down = nn.ModuleList(_block(cin, out) for cin, out in zip([3, *widths], widths, strict=False))
        self.up = nn.ModuleList(_block(widths[i + 1] + widths[i], widths[i]) for i in reversed(range(DEPTH)))
        self.last = nn.Conv2d(width, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, 3, H, W) in [-1, 1] to logits (N, K, H, W)."""
        x, skips = images, []
        for i, block in enumerate(self.down):
            x = block(nn.functional.max_pool2d(x, 2, ceil_mode=True) if i else x)
            skips.append(x)
        for block, skip in zip(self.up, skips[-2::-1], strict=True):
            x = block(torch.cat([interpolate(x, skip.shape[2:], mode="nearest"), skip], 1))
        logits: Tensor = self.last(x)
        return logits


def train(
    scenes: Sequence[Scene],
    classes: int,
    ignored: int | None,
    size: int,
    device: torch.device,
    on_event: Listener = ignore,
    steps: int = STEPS,
    width: int = WIDTH,
) -> Segmenter:
    """Return a segmenter trained with cross entropy on real pairs, frozen; on a CPU always the same one.

    Each step sees `BATCH` crops, mirrored in half of the cases. Adam; its rate falls to 0 along a cosine.

    Args:
        scenes: images and label maps whose sides are at least `size`.
        classes: how many there are, without the ignored one.
        ignored: the number of pixels that are no examples.
        size: side of the crops.
        device: where to train.
        on_event: told of each step.
        steps: of the training.
        width: of the network.

    Raises:
        ValueError: there are no scenes.
    """
    if not scenes:
        raise ValueError("a segmenter needs images to learn from")
    random = np.random.default_rng(SEED)
    with seeded(SEED):
        torch.manual_seed(SEED)  # the weights with which published numbers were measured
        network = Segmenter(classes, width).to(device)
    adam = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    nothing = -1 if ignored is None else ignored
    for step in range(steps):
        on_event(Worked("training the segmenter", step, steps))
        x, y = (part.to(device) for part in _crops(scenes, size, random))
        loss = cross_entropy(network(x), y, ignore_index=nothing, reduction="sum") / max(int((y != nothing).sum()), 1)
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        schedule.step()
    return network.requires_grad_(False).eval()


def _crops(scenes: Sequence[Scene], size: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return `BATCH` crops (N, 3, size, size) in [-1, 1] at random places of random scenes, and their classes."""
    images, labels = [], []
    for i in random.integers(len(scenes), size=BATCH):
        scene = scenes[i]
        top, left = (int(random.integers(side - size + 1)) for side in scene.classes.shape)
        window = slice(top, top + size), slice(left, left + size)
        mirror = slice(None, None, -1 if random.random() < 0.5 else 1)
        images.append(scene.pixels[window][:, mirror])
        labels.append(scene.classes[window][:, mirror])
    x = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return x.contiguous(), torch.from_numpy(np.stack(labels)).long()


def _block(cin: int, out: int) -> nn.Sequential:
    """Two convolutions with group norm, which needs no statistics of the training, and ReLU."""
    layers: list[nn.Module] = []
    for channels in (cin, out):
        layers += [nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.GroupNorm(2, out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
