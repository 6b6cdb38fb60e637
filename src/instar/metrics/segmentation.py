"""Scores of label maps: per-pixel accuracy, per-class accuracy and mean IoU (Long et al. 2015, section 5).

A translation to a label map is an image; each of its pixels counts as the class with the nearest palette colour
(CycleGAN: Zhu et al. 2017, section 5.1.1).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from instar.metrics.interval import Bounds, Members, spread

_MOST_COLOURS = 256
_CHUNK = 1 << 18
"""Pixels whose colours are compared at once."""


class LabelScores(NamedTuple):
    """Three numbers, 0..1; 1 is best."""

    pixel_accuracy: float
    """Share of pixels with the right class."""
    class_accuracy: float
    """Mean over the classes of the share of their pixels that are right."""
    mean_iou: float
    """Mean over the classes of intersection over union."""


def palette_of(images: Tensor) -> Tensor:
    """Return the colours (K, C) of label maps (N, C, H, W) in [-1, 1] as 8-bit values, uint8, sorted; K <= 256.

    Raises:
        ValueError: there are more colours, as in photographs, or in label maps that were saved as JPEG.
    """
    colours: Tensor = torch.unique(_eight_bit(images).transpose(0, 1).flatten(1).T, dim=0)
    if len(colours) > _MOST_COLOURS:
        raise ValueError(f"label maps have few colours, not {len(colours)}; give the palette, or save them as PNG")
    return colours.to(torch.uint8)


def nearest_colour(images: Tensor, palette: Tensor) -> Tensor:
    """Return the class (N, H, W), int64, of each pixel: the palette colour with the least |Δ1| + ... + |ΔC|.

    Args:
        images: (N, C, H, W) in [-1, 1].
        palette: 8-bit values (K, C) of the classes, 0..255. Of two equally near colours the first counts.
    """
    if images.ndim != 4 or palette.ndim != 2 or palette.shape[1] != images.shape[1] or not len(palette):
        raise ValueError(f"images {tuple(images.shape)} need a palette (K, C) of as many channels, got {palette.shape}")
    pixels = _eight_bit(images).permute(0, 2, 3, 1).reshape(-1, images.shape[1])
    colours = palette.to(pixels)
    parts = [pixels[i : i + _CHUNK] for i in range(0, len(pixels), _CHUNK)]
    return torch.cat([torch.cdist(part, colours, p=1).argmin(1) for part in parts]).view(
        images.shape[0], *images.shape[2:]
    )


def confusion(predicted: Tensor, labels: Tensor, classes: int, ignore: int | None = None) -> Tensor:
    """Count for each image (N, classes, classes), int64, the pixels of class [row] that were predicted as [column].

    Args:
        predicted: classes (N, H, W).
        labels: the true classes (N, H, W); pixels with the class `ignore`, or outside 0..classes-1, are not counted.
        classes: how many there are, `ignore` included if it is one of them.
        ignore: a class that is not scored. Predicting it is still an error.

    Raises:
        ValueError: the shapes differ, or a prediction on a counted pixel is outside 0..classes-1.
    """
    if predicted.shape != labels.shape or labels.ndim != 3:
        raise ValueError(f"label scores need two tensors (N, H, W), got {predicted.shape} and {labels.shape}")
    counted = (labels >= 0) & (labels < classes)
    if ignore is not None:
        counted &= labels != ignore
    chosen = predicted[counted].long()
    if len(chosen) and not 0 <= int(chosen.min()) <= int(chosen.max()) < classes:
        raise ValueError(f"a predicted class is outside 0..{classes - 1}")
    image = torch.arange(len(labels), device=labels.device)[:, None, None].expand_as(labels)[counted]
    places = (image * classes + labels[counted].long()) * classes + chosen
    return torch.bincount(places, minlength=len(labels) * classes**2).view(-1, classes, classes)


def label_scores(
    matrix: Tensor, ignore: int | None = None, forgive: bool = False, absent_as_zero: bool = False
) -> LabelScores:
    """Return the three scores of a confusion matrix (K, K), or of the sum of several (N, K, K).

    Args:
        matrix: from `confusion`, with the same `ignore`.
        ignore: a class that is no part of the means over classes.
        forgive: do not count pixels that were predicted as the ignored class, as GcGAN's script; otherwise they are
            wrong.
        absent_as_zero: let classes without any true pixel count as 0 in both means, as the scripts of pix2pix and
            GcGAN do. Otherwise class accuracy is the mean over classes with true pixels, IoU that over classes with
            true or predicted pixels.

    Raises:
        ValueError: no pixel is left to be scored.
    """
    counts = matrix.double().view(-1, *matrix.shape[-2:]).sum(0)
    scored = torch.ones(len(counts), dtype=torch.bool)
    if ignore is not None:
        scored[ignore] = False
        counts[ignore] = 0
        if forgive:
            counts[:, ignore] = 0
    if not counts.sum():
        raise ValueError("there is no pixel with a class that is scored")
    right, true, claimed = counts.diagonal(), counts.sum(1), counts.sum(0)
    return LabelScores(
        pixel_accuracy=(right.sum() / counts.sum()).item(),
        class_accuracy=_mean(right[scored], true[scored], absent_as_zero),
        mean_iou=_mean(right[scored], (true + claimed - right)[scored], absent_as_zero),
    )


def class_ious(matrix: Tensor, ignore: int | None = None) -> list[float | None]:
    """Return intersection over union of each class, whose mean is `mean_iou`; None without any pixel.

    Args:
        matrix: (K, K) or (N, K, K), as of `label_scores`.
        ignore: a class that is not scored; it has None.
    """
    counts = matrix.double().view(-1, *matrix.shape[-2:]).sum(0)
    if ignore is not None:
        counts[ignore] = 0
    right = counts.diagonal()
    union = counts.sum(1) + counts.sum(0) - right
    pairs = zip(right.tolist(), union.tolist(), strict=True)
    return [one / all_ if all_ and number != ignore else None for number, (one, all_) in enumerate(pairs)]


def label_score_intervals(
    matrices: Tensor, ignore: int | None = None, draws: int = 200, seed: int = 0
) -> dict[str, Bounds]:
    """Return a 95 % interval of each of the three scores by name, over the choice of images (N, K, K), N >= 4.

    The scores are those of the sum over images, so that each pixel counts the same. Cut off at 0 and 1.
    """

    def score(members: Members) -> LabelScores:
        return label_scores(matrices[torch.from_numpy(members)], ignore)

    margins = 1.96 * spread(score, (len(matrices),), draws, seed)
    found = zip(LabelScores._fields, label_scores(matrices, ignore), margins.tolist(), strict=True)
    return {name: (max(value - margin, 0.0), min(value + margin, 1.0)) for name, value, margin in found}


def gcgan_label_scores(x: Tensor, y: Tensor, palette: Tensor, ignore: int) -> LabelScores:
    """Return the scores of translations x and true label maps y as GcGAN's script for Cityscapes does.

    To compare with its table only (Fu et al. 2019). Both are resized to 128² (nearest); the script reads the images
    as BGR while its palette is RGB, so many colours land on another class, alike on both sides; predictions of the
    ignored class are forgiven; and classes that do not occur count as 0.

    Args:
        x: translations (N, 3, H, W) in [-1, 1].
        y: true label maps, like `x`.
        palette: the colours (K, 3) in RGB, 0..255, that of the ignored class among them.
        ignore: its place.
    """
    small = [nearest_colour(_nearest(images, 128).flip(1), palette) for images in (x, y)]
    matrix = confusion(small[0], small[1], len(palette), ignore)
    return label_scores(matrix, ignore, forgive=True, absent_as_zero=True)


def _mean(right: Tensor, whole: Tensor, absent_as_zero: bool) -> float:
    there = whole > 0
    shares = right[there] / whole[there]
    return (shares.sum() / (len(whole) if absent_as_zero else there.sum())).item()


def _nearest(images: Tensor, size: int) -> Tensor:
    """Pick the pixel under the centre of each new one."""
    rows, columns = (((torch.arange(size) + 0.5) * side / size).long() for side in images.shape[2:])
    return images[:, :, rows][:, :, :, columns]


def _eight_bit(images: Tensor) -> Tensor:
    """Map [-1, 1] to the nearest of 0, 1, ..., 255, as float32."""
    return ((images.float().clamp(-1, 1) + 1) * 127.5).round()
