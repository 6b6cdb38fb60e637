"""Scores of a run while it trains, on images that are neither trained on nor tested on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from instar.core.abilities import Styled, supports
from instar.core.batch import Domain
from instar.core.errors import UserError, setting
from instar.core.method import Method
from instar.core.seed import seeded
from instar.data import ImageRef
from instar.evaluation.held_out import squares
from instar.evaluation.pixels import colour
from instar.evaluation.references import real_features
from instar.metrics.extractors import Extractor, load_extractor
from instar.metrics.kid import kernel_distance

LEAST = 8
"""Images per domain below which such a score is noise alone."""


def extractor_of(text: str) -> Extractor:
    """Return the extractor that `train.score_with` names: NAME, or NAME=FILE with its weights."""
    name, _, file = text.partition("=")
    try:
        return load_extractor(name, Path(file) if file else None)
    except UserError as error:
        raise UserError(f"{setting('train.score_with', text)}: {error.message.raw}") from error


def scorer(
    extractor: Extractor, images: Mapping[Domain, Sequence[ImageRef]], channels: int, size: int, seed: int
) -> Callable[[Method[Any]], dict[str, float]]:
    """Return a function from a method in eval mode to its kernel distances on the validation images.

    Args:
        extractor: of the features in which the distance is taken.
        images: validation images by domain, cut to centre squares.
        channels: of the method.
        size: of the squares.
        seed: of the method's noise and styles: the same ones at all times, a style for each image.

    Returns:
        A function; its first number is the mean over the targets, then comes each of several targets. What a target is
        compared with are the translations of all other domains.

    Raises:
        UserError: there are too few images.
    """
    if min(len(refs) for refs in images.values()) < LEAST:
        enough = setting("data.validation", LEAST)
        raise UserError(f"{setting('train.score_every')} needs images to score with: set {enough} or more")
    real = {to: real_features(extractor, refs, channels, size).features for to, refs in images.items()}
    name = f"validation/{extractor.title('KID')}"

    def score(method: Method[Any]) -> dict[str, float]:
        device = next(method.parameters()).device
        found: dict[str, float] = {}
        for to in method.targets:
            made: list[Tensor] = []
            sources = [ref for domain, refs in images.items() if domain != to for ref in refs]
            for batch in squares(sources, channels, size):
                # A method that draws one style for its batch gets one image at a time.
                for x in batch[:, None] if supports(method, Styled) else (batch,):
                    with seeded(seed, len(made)):
                        made.append(colour(method.translate(x.to(device), to=to).float().cpu().clamp(-1, 1)))
            found[f"{name} to {to}"] = kernel_distance(extractor.features(made), real[to])
        mean = sum(found.values()) / len(found)
        return {name: mean, **(found if len(found) > 1 else {})}

    return score


def best_checkpoint(training: dict[str, Any], run: Path) -> Path | None:
    """Return the checkpoint of a run that scored best on the validation images, if it was scored and kept."""
    if not training.get("best"):
        return None
    step = min(training["best"], key=lambda kept: kept[1])[0]
    folder = run / "checkpoints" / f"step-{step:09d}"
    return folder if folder.is_dir() else None
