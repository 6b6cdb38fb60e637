"""Time a training step of the authors' CUT, FastCUT, CycleGAN or U-GAT-IT, as `benchmarks/step.py` times ours.

    python benchmarks/authors.py CHECKOUT METHOD [--sizes 256] [--batch 1] [--repeat 5] [--threads 1] [--device cpu]

CHECKOUT is a clone of taesungp/contrastive-unpaired-translation, for ugatit (its light form) one of
znxlwm/UGATIT-pytorch. The former builds CycleGAN with anti-aliased networks unless it is told not to, which are others
than those of the paper and cost more operations: here it is told. The latter's step prints its losses, as it does.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from timing import timed

FLAGS = {
    "cut": ["--model", "cut", "--CUT_mode", "CUT"],
    "fastcut": ["--model", "cut", "--CUT_mode", "FastCUT"],
    "cyclegan": ["--model", "cycle_gan", "--no_antialias", "--no_antialias_up"],
}
"""Of the train.py in CUT's repository."""
UGATIT = ["--light", "True", "--decay_flag", "False", "--iteration", "1", "--print_freq", "1000", "--dataset", "none"]
"""One step in each call of its `train`, without pictures."""


def main() -> None:
    """Print the numbers of a step as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("method", choices=[*FLAGS, "ugatit"])
    parser.add_argument("--sizes", nargs=1, type=int, default=[256])
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    images = torch.rand(2, args.batch, 3, args.sizes[0], args.sizes[0]).to(args.device) * 2 - 1
    sys.path.insert(0, str(args.checkout.resolve()))
    build = of_ugatit if args.method == "ugatit" else of_cut
    with tempfile.TemporaryDirectory() as folder:
        step, networks = build(args.method, images, args.device, Path(folder))
    weights = sum(p.numel() for net in networks for p in net.parameters())
    print(json.dumps(timed(step, args.repeat, weights, lambda: networks[0](images[0]), args.device)))


Built = tuple[Callable[[int], None], list[nn.Module]]
"""What does a step, and the networks that it trains, the one that translates first."""


def without(*names: str) -> None:
    """Let packages be imported that a step does not need: those of their web pages and pictures."""
    for name in names:
        sys.modules.setdefault(name, types.ModuleType(name))


def of_cut(method: str, images: Tensor, device: str, folder: Path) -> Built:
    """Return a model of CUT's repository."""
    without("dominate", "visdom", "GPUtil")
    sys.argv = ["train.py", "--dataroot", str(folder), "--name", "step", "--checkpoints_dir", str(folder)]
    sys.argv += ["--gpu_ids", "0" if device == "cuda" else "-1", "--batch_size", str(images.shape[1]), *FLAGS[method]]
    options = importlib.import_module("options.train_options").TrainOptions()
    options.print_options = lambda _: None
    opt = options.parse()
    opt.amp = False  # which their CycleGAN asks for and their options do not have
    model = importlib.import_module("models").create_model(opt)
    networks = [getattr(model, f"net{name}") for name in model.model_names]
    for net in networks:
        net.train()
    batch = {"A": images[0], "B": images[1], "A_paths": "", "B_paths": ""}
    if method != "cyclegan":
        model.data_dependent_initialize(batch)
    model.parallelize()

    def step(_: int) -> None:
        model.set_input(batch)
        model.optimize_parameters()

    return step, [getattr(model, f"net{name}") for name in model.model_names]


def of_ugatit(_: str, images: Tensor, device: str, folder: Path) -> Built:
    """Return the light form of U-GAT-IT, given the same images at each step in place of its data set."""
    without("cv2", "scipy.misc")
    sys.argv = [
        "main.py",
        "--device",
        device,
        "--result_dir",
        str(folder),
        "--img_size",
        str(images.shape[-1]),
        *UGATIT,
    ]
    sys.argv += ["--batch_size", str(images.shape[1])]
    module = importlib.import_module("UGATIT")
    module.ImageFolder = module.DataLoader = lambda *_, **__: None  # type: ignore[attr-defined]
    with contextlib.redirect_stdout(io.StringIO()):
        model = module.UGATIT(importlib.import_module("main").parse_args())
        model.build_model()
    model.trainA_loader, model.trainB_loader = (_Same(x) for x in images)

    def step(_: int) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            model.train()

    networks = ["genA2B", "genB2A", "disGA", "disGB", "disLA", "disLB"]
    return step, [getattr(model, name) for name in networks]


class _Same:
    """A loader of one batch, whose iterator has the `next` of old versions of PyTorch."""

    def __init__(self, images: Tensor) -> None:
        self._images = images

    def __iter__(self) -> _Same:
        return self

    def __next__(self) -> tuple[Tensor, None]:
        return self._images, None

    next = __next__


if __name__ == "__main__":
    main()
