"""How well the scores agree with the eye, on the labelled sheets of docs/results.

    python benchmarks/judge.py DATA [--extractor mobilenet --weights FILE.npz] [--labels FILE]
    python benchmarks/judge.py DATA --extractor efficientnet [--labels FILE]

DATA holds the sets that the labels name, each with trainA, trainB, testA and testB. `benchmarks/labels/sheets.csv` says
of every translation on the sheets of cat2dog and day2night, by eye and before any score was seen: whether it shows the
target (0, 0.5, 1), is a ruin, has spots, or a cast of colour; `benchmarks/labels/kinds.csv` does so of drawn sets,
and was written when all limits of the scores stood. Prints Markdown: Spearman's rank correlations, their 95 % intervals
by bootstrap, over the rows of sheets (a method and its settings each) and over single translations, and the verdict of
every row.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import rankdata

from instar.core.evenly import evenly
from instar.core.listing import list_images
from instar.data import ImageRef
from instar.evaluation.appearance import (
    CASTS,
    ENDS,
    LOOKED_AT,
    PROBE,
    REALISM,
    RUINS,
    SPOTS,
    TARGET,
    TRAINING,
    Appearance,
)
from instar.evaluation.folders import COLOUR
from instar.evaluation.held_out import squares
from instar.evaluation.references import real_features
from instar.evaluation.score import by_name
from instar.evaluation.scores import Scorer
from instar.evaluation.verdict import verdict
from instar.metrics.artefacts import ArtefactDetector
from instar.metrics.extractors import Extractor, load_extractor
from instar.metrics.target import TargetDetector

ROOT = Path(__file__).resolve().parent.parent
LABELS = ROOT / "benchmarks/labels/sheets.csv"
SIDE = 64
PHOTOGRAPHS = "cat2dog"
"""The set that has tables of its own."""
DRAWS = 5000
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Cells:
    """The labelled translations, N of them."""

    rows: list[dict[str, str]]
    inputs: torch.Tensor
    outputs: torch.Tensor
    """(N, 3, 64, 64) in [-1, 1]."""

    def label(self, name: str) -> Numbers:
        """Return a label of each (N,)."""
        return np.array([float(row[name]) for row in self.rows])

    @property
    def groups(self) -> list[tuple[str, str]]:
        """Set and method of each."""
        return [(row["set"], row["method"]) for row in self.rows]


def cells(labels: Path) -> Cells:
    """Cut the labelled translations and their inputs, which are in the first row, out of the sheets."""
    with labels.open() as file:
        rows = list(csv.DictReader(file))
    sheets = {
        name: np.asarray(Image.open(ROOT / name).convert("RGB")) for name in dict.fromkeys(r["file"] for r in rows)
    }

    def cell(name: str, row: int, column: int) -> torch.Tensor:
        if "methods" in name:
            pixels = sheets[name][2 + 67 * row :, 92 + 66 * column :][:SIDE, :SIDE].astype(np.float64)
        else:  # twice enlarged
            large = sheets[name][4 + 132 * row :, 4 + 132 * column :][: 2 * SIDE, : 2 * SIDE]
            pixels = np.rint(large.reshape(SIDE, 2, SIDE, 2, 3).mean((1, 3)))
        return torch.from_numpy(pixels).permute(2, 0, 1).float() / 127.5 - 1

    inputs = torch.stack([cell(row["file"], 0, int(row["column"])) for row in rows])
    return Cells(rows, inputs, torch.stack([cell(row["file"], int(row["row"]), int(row["column"])) for row in rows]))


@dataclass(frozen=True)
class RealSet:
    """The real images of one set."""

    scorer: Scorer
    appearance: Appearance
    copy: dict[str, float]
    real: dict[str, float]
    inputs: torch.Tensor
    targets: torch.Tensor
    """Test images (N, 3, 64, 64) of the two domains."""

    @classmethod
    def of(cls, extractor: Extractor, folder: Path) -> RealSet:
        """Look at the real images of a folder."""
        refs = {
            part: [ImageRef(path) for path in list_images(folder / part, recursive=False)]
            for part in ("trainA", "trainB", "testA", "testB")
        }

        def features(part: str, count: int) -> NDArray[np.floating[Any]]:
            return real_features(extractor, evenly(refs[part], count), COLOUR, SIDE).features

        def pixels(part: str, count: int) -> torch.Tensor:
            return torch.cat(list(squares(evenly(refs[part], count), COLOUR, SIDE)))

        inputs, real = features("testA", 10**6), features("testB", 10**6)
        target = TargetDetector.fit(features("trainA", TRAINING), features("trainB", TRAINING), inputs, real)
        artefacts = ArtefactDetector(pixels("trainA", LOOKED_AT), pixels("trainB", LOOKED_AT))
        appearance = Appearance(target, artefacts)
        scorer = Scorer(extractor, real, None, appearance)
        x, y = pixels("testA", 10**6), pixels("testB", 10**6)
        pairs = min(len(x), len(y))
        copy = by_name(scorer.scores(zip(x.split(20), x.split(20), [None] * len(x), strict=False))[0])
        return cls(scorer, appearance, copy, by_name(appearance.ceiling(real, [(x[:pairs], y[:pairs])])), x, y)


def spearman(x: Numbers, y: Numbers) -> float:
    a, b = (rankdata(each) - (len(each) + 1) / 2 for each in (x, y))
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size else float("nan")


def interval(statistic: Callable[[NDArray[np.intp]], float], count: int) -> tuple[float, float]:
    """Return the 95 % percentile interval of a statistic of N drawn places."""
    rng = np.random.default_rng(0)
    found = [statistic(rng.integers(0, count, count)) for _ in range(DRAWS)]
    low, high = np.nanpercentile(found, (2.5, 97.5))
    return float(low), float(high)


def line(name: str, label: str, x: Numbers, y: Numbers) -> str:
    low, high = interval(lambda drawn: spearman(x[drawn], y[drawn]), len(x))
    return f"| {name} | {label} | {spearman(x, y):+.2f} | {low:+.2f} to {high:+.2f} |"


def shown(words: str, share: float) -> float:
    """Return the verdict as a number: the share that shows the target, nothing where it says something else."""
    return share if words.startswith("target in") else 0.0


def tables(extractor: Extractor, data: Path, labelled: Path) -> Iterator[str]:
    found = cells(labelled)
    sets = {name: RealSet.of(extractor, data / name) for name in dict.fromkeys(row["set"] for row in found.rows)}
    eye = found.label("target") * (1 - found.label("ruin"))
    labels = {"target, ruins are none": eye, "ruin": found.label("ruin"), "spots": found.label("spots")}
    labels["cast"] = found.label("cast")
    groups = list(dict.fromkeys(found.groups))
    places = [np.array([i for i, group in enumerate(found.groups) if group == one]) for one in groups]
    kernel = extractor.title("KID")
    scores, words = [], []
    single: dict[str, Numbers] = {
        name: np.zeros(len(eye)) for name in (PROBE, TARGET, RUINS, REALISM, SPOTS, CASTS, ENDS)
    }
    yield f"{extractor.describe()}\n"
    yield f"| set | row | by eye: target, ruins | {' | '.join((TARGET, PROBE, RUINS, REALISM, kernel))} | verdict |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for (name, method), where in zip(groups, places, strict=True):
        known = sets[name]
        x, y = found.inputs[where], found.outputs[where]
        values = by_name(known.scorer.scores([(x, y, None)])[0])
        said = verdict(values, known.copy, known.real)
        read = known.appearance.target.read(extractor.features([y]))
        for key, each in (
            *zip((PROBE, TARGET, RUINS, REALISM), (read.probe, read.target, read.ruin, read.realism), strict=True),
            *((key, each.numpy()) for key, each in known.appearance.artefacts_in(x, y).items()),
        ):
            if key in single:
                single[key][where] = each
        scores.append({**values, kernel: values[kernel] / known.copy[kernel]})
        words.append(shown(said, values[TARGET]))
        numbers = " | ".join(f"{values[key]:.2f}" for key in (TARGET, PROBE, RUINS, REALISM, kernel))
        target, ruins = (found.label(key)[where].mean() for key in ("target", "ruin"))
        yield f"| {name} | {method} | {target:.2f}, {ruins:.2f} | {numbers} | {said} |"
    for name, known in sets.items():
        for title, part in (("copy of the input", known.copy), ("real images", known.real)):
            numbers = " | ".join(f"{part[k]:.2f}" if k in part else "" for k in (TARGET, PROBE, RUINS, REALISM, kernel))
            yield f"| {name} | {title} | | {numbers} | |"
    yield from _correlations(
        f"{len(groups)} rows", kernel, scores, words, {k: _means(v, places) for k, v in labels.items()}
    )
    if cats := [i for i, (name, _) in enumerate(groups) if name == PHOTOGRAPHS]:
        some = {key: _means(value, places)[cats] for key, value in labels.items()}
        yield from _correlations(
            f"{len(cats)} rows of {PHOTOGRAPHS}", kernel, [scores[i] for i in cats], [words[i] for i in cats], some
        )
    yield from _pictures(single, labels)
    if PHOTOGRAPHS in sets:
        yield from made(sets[PHOTOGRAPHS])


def made(known: RealSet) -> Iterator[str]:
    """Yield a table of what the verdict says of translations whose faults are known."""
    x, y = known.inputs, known.targets
    drawn = torch.Generator().manual_seed(0)
    noise = torch.randn(x.shape, generator=drawn)
    others = y[torch.randint(0, len(y), (len(x),), generator=drawn)]
    tint = torch.tensor([1.2, 0.8, 0.9])[:, None, None]
    translations = {
        "the input, noise of 2.5 grey levels": (x + 0.02 * noise).clamp(-1, 1),
        "the input through a tint": (x * tint + 0.1).clamp(-1, 1),
        "the input, light and dark swapped": -x,
        "plain grey": torch.zeros_like(x),
        "noise": noise.clamp(-1, 1),
        "the input, its rows shuffled": x[:, :, torch.randperm(SIDE, generator=drawn)],
        "real images of the target": others,
        "half real images, half inputs": torch.cat([others[: len(x) // 2], x[len(x) // 2 :]]),
        "one real image for all": y[3:4].expand(len(x), -1, -1, -1),
    }
    yield f"\n| translations of {len(x)} cats | {TARGET} | {PROBE} | {RUINS} | {REALISM} | verdict |"
    yield "|---|---|---|---|---|---|"
    for name, out in translations.items():
        values = by_name(known.scorer.scores([(x, out, None)])[0])
        numbers = " | ".join(f"{values[key]:.2f}" for key in (TARGET, PROBE, RUINS, REALISM))
        yield f"| {name} | {numbers} | {verdict(values, known.copy, known.real)} |"


def _means(values: Numbers, places: Sequence[NDArray[np.intp]]) -> Numbers:
    return np.array([values[where].mean() for where in places])


def _correlations(
    title: str, kernel: str, scores: list[dict[str, float]], words: list[float], labels: dict[str, Numbers]
) -> Iterator[str]:
    column = {
        key: np.array([one[key] for one in scores]) for key in (kernel, PROBE, TARGET, RUINS, REALISM, SPOTS, CASTS)
    }
    eye = labels["target, ruins are none"]
    yield f"\n| over {title} | with the label | Spearman | 95 % |\n|---|---|---|---|"
    ranked = {f"{kernel} / that of a copy, negative": -column[kernel], PROBE: column[PROBE], TARGET: column[TARGET]}
    ranked |= {f"{REALISM}, negative": -column[REALISM], "verdict": np.array(words)}
    for name, values in ranked.items():
        yield line(name, "target, ruins are none", values, eye)
    yield line(RUINS, "ruin", column[RUINS], labels["ruin"])
    yield line(SPOTS, "spots", column[SPOTS], labels["spots"])
    yield line(CASTS, "cast", column[CASTS], labels["cast"])

    def gain(drawn: NDArray[np.intp]) -> float:
        return spearman(ranked["verdict"][drawn], eye[drawn]) - spearman(-column[kernel][drawn], eye[drawn])

    low, high = interval(gain, len(eye))
    whole = gain(np.arange(len(eye)))
    yield f"| verdict less {kernel} | target, ruins are none | {whole:+.2f} | {low:+.2f} to {high:+.2f} |"


def _pictures(single: dict[str, Numbers], labels: dict[str, Numbers]) -> Iterator[str]:
    eye = labels["target, ruins are none"]
    yield f"\n| over {len(eye)} pictures | with the label | Spearman | 95 % |\n|---|---|---|---|"
    for name, label, sign in (
        (PROBE, "target, ruins are none", 1),
        (TARGET, "target, ruins are none", 1),
        (REALISM, "target, ruins are none", -1),
        (REALISM, "ruin", 1),
        (SPOTS, "spots", 1),
        (CASTS, "cast", 1),
    ):
        yield line(f"{name}, negative" if sign < 0 else name, label, sign * single[name], labels[label])
    yield "\n| by eye | pictures | probe says target | and as real as real ones |\n|---|---|---|---|"
    for said, where in (
        ("target", eye == 1),
        ("half", eye == 0.5),
        ("none", (eye == 0) & (labels["ruin"] == 0)),
        ("ruin", labels["ruin"] == 1),
    ):
        yield f"| {said} | {where.sum()} | {single[PROBE][where].mean():.2f} | {single[TARGET][where].mean():.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--extractor", default="mobilenet")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--labels", type=Path, default=LABELS)
    args = parser.parse_args()
    for text in tables(load_extractor(args.extractor, args.weights), args.data, args.labels):
        print(text, flush=True)


if __name__ == "__main__":
    main()
