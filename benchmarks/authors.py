"""Time a training step of the authors' CUT, FastCUT or CycleGAN, as `benchmarks/step.py` times ours.

    python benchmarks/authors.py CHECKOUT METHOD [--sizes 256] [--batch 1] [--repeat 5] [--threads 1]

CHECKOUT is a clone of taesungp/contrastive-unpaired-translation. It builds CycleGAN with anti-aliased networks unless
it is told not to, which are others than those of the paper and cost more operations: here it is told.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))
from timing import timed

FLAGS = {
    "cut": ["--model", "cut", "--CUT_mode", "CUT"],
    "fastcut": ["--model", "cut", "--CUT_mode", "FastCUT"],
    "cyclegan": ["--model", "cycle_gan", "--no_antialias", "--no_antialias_up"],
}
"""Of their train.py."""


def main() -> None:
    """Print the numbers of a step as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("method", choices=FLAGS)
    parser.add_argument("--sizes", nargs=1, type=int, default=[256])
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    images = torch.rand(2, args.batch, 3, args.sizes[0], args.sizes[0]) * 2 - 1
    with tempfile.TemporaryDirectory() as folder:
        model = build(args.checkout, args.method, args.batch, Path(folder))
    batch = {"A": images[0], "B": images[1], "A_paths": "", "B_paths": ""}
    if args.method != "cyclegan":
        model.data_dependent_initialize(batch)
    model.parallelize()

    def step(_: int) -> None:
        model.set_input(batch)
        model.optimize_parameters()

    networks = [getattr(model, f"net{name}") for name in model.model_names]
    weights = sum(p.numel() for net in networks for p in net.parameters())
    print(json.dumps(timed(step, args.repeat, weights, lambda: networks[0](images[0]))))


def build(checkout: Path, method: str, batch: int, folder: Path) -> Any:
    """Return their model, on the CPU."""
    sys.path.insert(0, str(checkout))
    for absent in ("dominate", "visdom", "GPUtil"):  # their web pages, which a step does not need
        sys.modules.setdefault(absent, types.ModuleType(absent))
    sys.argv = ["train.py", "--dataroot", str(folder), "--name", "step", "--checkpoints_dir", str(folder)]
    sys.argv += ["--gpu_ids", "-1", "--batch_size", str(batch), *FLAGS[method]]
    options = importlib.import_module("options.train_options").TrainOptions()
    options.print_options = lambda _: None
    opt = options.parse()
    opt.amp = False  # which their CycleGAN asks for and their options do not have
    model = importlib.import_module("models").create_model(opt)
    for net in (getattr(model, f"net{name}") for name in model.model_names):
        net.train()
    return model


if __name__ == "__main__":
    main()
