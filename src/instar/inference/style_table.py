"""The styles that a model reads from images, and the domains it puts them in, as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instar.core.abilities import Clustered, supports
from instar.core.errors import Message, UserError, setting
from instar.core.events import Listener, Stop, Worked, ignore
from instar.core.files import write_atomically
from instar.core.reading import UnreadableImage, read
from instar.inference.base import BaseTranslator
from instar.inference.jobs import image_files
from instar.inference.load import load
from instar.inference.manifest import Failure
from instar.inference.styles import as_array

SUFFIXES = (".csv", ".npz")
WORK = "reading styles"


@dataclass(frozen=True)
class StyleTable:
    """Styles of N images.

    Attributes:
        files: (N,) paths of the images.
        styles: (N, S).
        probabilities: (N, K) of the domains that the model found; K is 0 if it found none.
        failed: images that could not be read.
    """

    files: tuple[str, ...]
    styles: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    failed: tuple[Failure, ...] = ()

    @property
    def domains(self) -> NDArray[np.int64]:
        """Numbers (N,) of the likeliest domains; not for a model that found none."""
        likeliest: NDArray[np.int64] = self.probabilities.argmax(1)
        return likeliest

    def save(self, path: Path) -> None:
        """Write the table, whole or not at all.

        Args:
            path: ends with .csv (columns path, domain, probability, s0, s1, ...) or .npz (arrays `path`, `style`,
                `domain` and `probability`); without domains where the model found none.

        Raises:
            UserError: it ends with something else, or cannot be written.
        """
        check_suffix(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, self._as_csv() if path.suffix == ".csv" else self._as_npz())
        except OSError as error:
            raise UserError(f"{setting('out', path)}: cannot be written ({error.strerror})") from error

    def _as_csv(self) -> bytes:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        own = self.probabilities.size > 0
        heading = ["domain", "probability"] if own else []
        writer.writerow(["path", *heading, *(f"s{i}" for i in range(self.styles.shape[1]))])
        likeliest = zip(self.domains.tolist(), self._highest(), strict=True) if own else [()] * len(self.files)
        for file, found, style in zip(self.files, likeliest, self.styles.tolist(), strict=True):
            writer.writerow([file, *found, *(f"{value:.6g}" for value in style)])
        return text.getvalue().encode("utf-8", "surrogateescape")  # names of files as they are

    def _as_npz(self) -> bytes:
        arrays: dict[str, Any] = {"path": np.array(self.files), "style": self.styles}
        if self.probabilities.size:
            arrays |= {"domain": self.domains, "probability": np.array(self._highest(), np.float32)}
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)
        return file.getvalue()

    def _highest(self) -> list[float]:
        return [round(value, 6) for value in self.probabilities.max(1).tolist()]


def check_suffix(path: Path) -> None:
    """Refuse a file that is no table by its name."""
    if path.suffix not in SUFFIXES:
        raise UserError(f"{setting('out', path)}: give a file that ends with .csv or .npz")


def read_styles(
    model: BaseTranslator | Path,
    inputs: Sequence[str],
    *,
    to: str | None = None,
    device: str = "auto",
    on_event: Listener = ignore,
    stop: Stop | None = None,
) -> StyleTable:
    """Read the styles of images. Those that cannot be read are left out, and named in the table's `failed`.

    Args:
        model: a translator, or the directory of a run or of a checkpoint.
        inputs: images, folders with all their subfolders, or patterns such as 'photos/**/*.jpg'.
        to: domain of the images, by name; the target of the training if None.
        device: auto, cpu, cuda or mps; where to load the model.
        on_event: told of each image (`Worked`).
        stop: asked after each image; the table then has those that were reached.

    Raises:
        UserError: the model has no styles, an input is missing, or no image can be read.
    """
    files = image_files(inputs)
    translator = load(model, device) if isinstance(model, Path) else model
    kept: list[str] = []
    styles, probabilities, failed = [], [], []
    for number, job in enumerate(files, 1):
        try:
            image = read(job.file)
        except UnreadableImage as error:
            failed.append(Failure(job.source, Message(error.reason)))
        else:
            kept.append(job.source)
            styles.append(as_array(translator.style_of(image, to)))
            found = supports(translator.method, Clustered)
            probabilities.append(as_array(translator.cluster(image)) if found else np.empty(0))
        on_event(Worked(WORK, number, len(files)))
        if stop and stop.is_set():
            break
    if not kept:
        raise UserError(f"no image could be read, {failed[0].file}: {failed[0].reason}")
    rows, likely = (np.stack(found).astype(np.float32) for found in (styles, probabilities))
    return StyleTable(tuple(kept), rows, likely, tuple(failed))
