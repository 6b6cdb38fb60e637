"""A real run on drawn images, to be inspected, and the same one with a domain that nothing falls into."""

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

import instar
from instar.cli import main
from instar.core.batch import Unlabelled
from instar.core.config import DataConfig
from instar.core.digests import write_sums
from instar.core.run import find_checkpoint
from instar.data import find, shapes

CLASSES, TRAIN, TEST = ("plain", "striped"), 12, 4
IMAGES = len(CLASSES) * (TRAIN + TEST)


def draw(root: Path) -> Path:
    """Write a folder with train and test, and in each a class of plain and one of striped animals."""
    for i in range(TRAIN + TEST):
        split = "train" if i < TRAIN else "test"
        for name, image in zip(CLASSES, shapes.pair(i, 32), strict=True):
            (root / split / name).mkdir(parents=True, exist_ok=True)
            image.save(root / split / name / f"{i}.png")
    return root


def train(data: Path, out: Path) -> Path:
    """Train the smallest TUNIT on it for 20 steps; the last third of them translates."""
    flags = ["--preset", "tiny", "--device", "cpu", "--train.log-every", "2", "--method.cluster", "0.6"]
    assert main.run(["train", "tunit", str(data), "-o", str(out), *flags]) == 0
    return out


def without_domain_1(run: Path, data: Path, out: Path) -> Path:
    """Return a copy of a run whose model puts half of the images into domain 0, half into 2, and nothing into 1."""
    shutil.copytree(run, out)
    found, model = find(DataConfig(roots=(data,)), Unlabelled), instar.load(run, "cpu")
    logits = torch.stack([model.cluster(ref.read()).log() for ref in [*found.train["a"], *found.test["a"]]])
    path = find_checkpoint(out) / "method.safetensors"
    weights = load_file(path)
    towards_2 = (logits[:, 2] - logits[:, 0]).sort().values
    low, high = towards_2[IMAGES // 2 - 1], towards_2[IMAGES // 2]
    assert high - low > 1e-5, "the two images in the middle are told apart by more than rounding"
    weights["H_ema.net.bias"][0] += (low + high) / 2
    weights["H_ema.net.bias"][1] = -1e4
    save_file(weights, path)
    write_sums(path.parent)
    return out
