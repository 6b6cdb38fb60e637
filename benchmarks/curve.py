"""Score every checkpoint of a run: MobileNet-KID and -FD of the held-out translations over training minutes.

    python benchmarks/curve.py RUN DATA --features FILE.npz [--to A|B]

Both sides are cropped to the centre square and resized (bicubic) to the run's working resolution. Run with
`--train.keep 0`, so that the checkpoints of the whole run are there. For pairs also RMSE, PSNR and pixel accuracy.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

import instar
from instar.core.run import checkpoints, read_config
from instar.data import open_data
from instar.evaluation.evaluator import translated
from instar.inference.translator import Translator
from instar.metrics.features import MobileNetFeatures, extract
from instar.metrics.frechet import frechet_distance
from instar.metrics.kid import kernel_distance, kernel_distance_interval
from instar.metrics.paired import pixel_accuracy, psnr, rmse


def main() -> None:
    """Print a row of JSON for copying the input, for perfect outputs where they can be had, and per checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--to", default=None)
    parser.add_argument("--last", action="store_true", help="only the last checkpoint")
    args = parser.parse_args()

    config = read_config(args.run / "config.yaml")
    kind = instar.get(config.name)
    data = open_data(
        replace(config.data, roots=(args.data.absolute(),)), config.method.channels, kind.data, 1, config.train.seed
    )
    held_out = data.samples(10**6)
    features = MobileNetFeatures.load(args.features)
    found = checkpoints(args.run)
    to = instar.load(found[-1]).domain(args.to)
    # `samples` repeats images of the smaller domain; a score must count each once.
    origin = next(domain for domain in held_out.parts if domain != to)
    source, target = (held_out.images[domain][: len(data.found.test[domain])] for domain in (origin, to))
    reference = extract(features, target.split(50))

    def row(images: Tensor, **what: object) -> None:
        seen = extract(features, images.split(50))
        low, high = kernel_distance_interval(seen, reference)
        scores: dict[str, object] = {
            "kid": round(kernel_distance(seen, reference), 4),
            "kid_95": [round(low, 3), round(high, 3)],
            "fd": round(frechet_distance(seen, reference), 1),
            "change_l1": round(float((images - source).abs().mean()) * 127.5, 1),
        }
        if held_out.paired(origin, to):
            scores |= {
                "rmse": round(float(rmse(images, target).mean()), 2),
                "psnr": round(float(psnr(images, target).mean()), 2),
                "accuracy": round(float(pixel_accuracy(images, target).mean()), 4),
            }
        print(json.dumps({**what, **scores, "n": [len(seen), len(reference)]}), flush=True)

    row(source, what="copy of the input")
    for checkpoint in found[-1:] if args.last else found:
        training = json.loads((checkpoint / "training.json").read_text())
        translator = instar.load(checkpoint)
        assert isinstance(translator, Translator)  # a run is no exported model
        images = torch.cat(
            [
                translated(translator, source[i : i + 20], to, range(len(source))[i : i + 20])
                for i in range(0, len(source), 20)
            ]
        )
        # As the saved files would be: 8 bits.
        images = images.clamp(-1, 1).add(1).mul(127.5).round().div(127.5).sub(1)
        row(images, step=training["step"], minutes=round(training["seconds"] / 60, 2))


if __name__ == "__main__":
    main()
