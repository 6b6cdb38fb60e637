"""Images a second of scoring with Inception features, beside pytorch-fid's own loop with the same network.

    pip install pytorch-fid
    python benchmarks/scoring.py [--count 5000] [--images FOLDER] [--format png] [--rounds 2]

Writes `--count` images of 256 x 256 once into a temporary folder (cut from those of `--images`, again and again, or
drawn), and takes the features of all of them in turn: `instar evaluate`'s way from files to features (decoding,
resizing, network), and pytorch-fid's `get_activations` with its defaults (batches of 50, a loading process per core, at
most 8). Both have the same weights, random ones unless `--weights` names the published file: the time is the same.

Prints images a second by the clock, and images per second of CPU time of all processes, which also holds on a machine
that does other work. At 299 x 299, where nothing is resized, the features must be the same.
"""

from __future__ import annotations

import argparse
import importlib
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from instar.core.listing import list_images
from instar.data import ImageRef
from instar.evaluation.folders import COLOUR
from instar.evaluation.references import features_of
from instar.metrics.extractors import Extractor, load_extractor

SIDE = 256


def main() -> None:
    """Write the images, check that both give the same features, and time both in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--images", type=Path, help="photographs to cut the images from")
    parser.add_argument("--format", choices=("png", "jpg"), default="png")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--weights", type=Path, help="pt_inception-2015-12-05-6726825d.pth")
    given = parser.parse_args()
    print(f"{torch.get_num_threads()} threads, {os.cpu_count()} cores, PyTorch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        weights = given.weights or random_weights(Path(folder) / "random.pth")
        ours, theirs = load_extractor("inception", weights), other_network(weights)
        agree(ours, theirs)
        files = write(Path(folder) / "images", given.count, given.images, given.format)
        refs = [ImageRef(path) for path in files]
        programs: dict[str, Callable[[], object]] = {
            "instar": lambda: features_of(ours, refs, COLOUR, SIDE),
            "pytorch-fid": lambda: activations(files, theirs),
        }
        rates: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
        for _ in range(given.rounds):
            for name, program in programs.items():
                rates[name].append(rate(program, given.count))
                clock, cpu = rates[name][-1]
                print(f"{name:12} {clock:7.2f} images/s   {cpu:7.2f} images per CPU second")
    for i, what in enumerate(("by the clock", "by CPU time")):
        ratios = [a[i] / b[i] for a, b in zip(rates["instar"], rates["pytorch-fid"], strict=True)]
        print(f"{what}: {', '.join(f'{ratio:.2f}' for ratio in ratios)} times as fast")


def random_weights(path: Path) -> Path:
    """Write random weights under the names of the published file."""
    library = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    kind = library.FeatureExtractorInceptionV3
    loaded, kind.load_state_dict = kind.load_state_dict, lambda *_: None
    torch.save({}, path)
    torch.manual_seed(0)
    state = kind("random", ["2048"], str(path)).state_dict()
    kind.load_state_dict = loaded
    for name, value in state.items():
        if name.endswith("conv.weight"):
            torch.nn.init.kaiming_normal_(value)
    torch.save(state, path)
    return path


def other_network(weights: Path) -> Any:
    """Return pytorch-fid's network."""
    try:
        inception = importlib.import_module("pytorch_fid.inception")
    except ImportError as error:
        raise SystemExit(f"{error}: pip install pytorch-fid") from error
    vars(inception)["load_state_dict_from_url"] = lambda *_, **__: torch.load(weights, weights_only=True)
    network = inception.InceptionV3([inception.InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
    return network.eval()


def activations(files: list[Path], network: Any) -> object:
    """Return the features as pytorch-fid takes them."""
    fid_score = importlib.import_module("pytorch_fid.fid_score")
    vars(fid_score)["tqdm"] = lambda batches: batches
    return fid_score.get_activations(files, network, 50, 2048, "cpu", min(os.cpu_count() or 1, 8))


def agree(ours: Extractor, theirs: Any) -> None:
    """Stop unless both networks give the same features where nothing is resized and pixels are scaled alike."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 299, 299), dtype=np.uint8)
    images = torch.from_numpy(pixels).float()
    theirs.resize_input = theirs.normalize_input = False
    with torch.inference_mode():
        wanted = theirs((images - 128) / 128)[0].flatten(1).numpy()
    theirs.resize_input = theirs.normalize_input = True
    found = ours.features([images / 127.5 - 1])
    far = np.abs(found - wanted).max() / np.abs(wanted).max()
    print(f"features of the same pixels differ by {far:.1e} of the largest")
    if not far < 1e-4:
        raise SystemExit("the two networks are not the same")


def write(folder: Path, count: int, photos: Path | None, kind: str) -> list[Path]:
    """Write images of 256 x 256: squares cut from photographs, or drawn ones."""
    folder.mkdir()
    random = np.random.default_rng(0)
    found = list_images(photos, recursive=True)[:count] if photos else []
    paths = []
    for i in range(count):
        if found:
            image = ImageOps.fit(Image.open(found[i % len(found)]).convert("RGB"), (SIDE, SIDE))
        else:
            coarse = Image.fromarray(random.integers(0, 256, (16, 16, 3), dtype=np.uint8))
            image = coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        paths.append(folder / f"{i}.{kind}")
        image.save(paths[-1])
    return paths


def rate(program: Callable[[], object], count: int) -> tuple[float, float]:
    """Return how many images a program takes in a second, by the clock and of the CPU time of all its processes."""
    begin, used = time.perf_counter(), cpu_seconds()
    program()
    return count / (time.perf_counter() - begin), count / (cpu_seconds() - used)


def cpu_seconds() -> float:
    """Return the CPU time of this process and of those that it has waited for."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


if __name__ == "__main__":
    main()
