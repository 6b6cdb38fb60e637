"""Features of real images are computed once."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from instar.core.errors import UserError
from instar.core.formats import DomainFormat
from instar.data import ImageRef
from instar.evaluation.folders import evaluate_folders
from instar.evaluation.references import features_of, real_features
from instar.evaluation.runs import evaluate_run
from instar.evaluation.validation import ValidationScores
from instar.metrics.extractors import Extractor

from .parts import data_set, noise

COLOUR = DomainFormat(channels=3)

Runs = Callable[..., Path]


class Counting(nn.Module):
    """Mean colours of the quarters, which counts the images that it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.seen = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen += len(images)
        return nn.functional.adaptive_avg_pool2d(images, 2).flatten(1) * self.scale


def counting() -> tuple[Counting, Extractor]:
    network = Counting()
    return network, Extractor(network, "Counting", "none")


def refs(folder: Path) -> list[ImageRef]:
    return [ImageRef(path) for path in sorted(folder.iterdir())]


def test_a_second_evaluation_of_a_run_computes_no_reference(run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set")
    network, extractor = counting()
    first = evaluate_run(run_directory("cut"), [data], extractor=extractor)
    assert network.seen == 36  # 12 real ones, 12 inputs, 12 translations
    second = evaluate_run(run_directory("cut"), [data], extractor=extractor)
    assert network.seen == 36 + 24
    assert second.columns == first.columns
    evaluate_run(run_directory("cyclegan"), [data], extractor=extractor)  # another run, the same real images
    assert network.seen == 36 + 24 + 24
    evaluate_run(run_directory("cyclegan"), [data], extractor=extractor, to="horse")
    assert network.seen == 36 + 24 + 24 + 36


def test_folders_and_validation_share_them(tmp_path: Path) -> None:
    made, real = noise(tmp_path / "made", 8), noise(tmp_path / "real", 9)
    network, extractor = counting()
    first = evaluate_folders(made, real, extractor)
    assert network.seen == 17
    assert evaluate_folders(made, real, extractor) == first
    assert network.seen == 17 + 8
    ValidationScores(extractor, {"a": refs(real), "b": refs(real)}, {"a": COLOUR, "b": COLOUR}, 32, 0)
    assert network.seen == 25
    evaluate_folders(made, real, extractor, size=16)
    assert network.seen == 25 + 17


def test_what_is_kept_changes_with_files_and_weights(tmp_path: Path, own_cache: Path) -> None:
    real = noise(tmp_path / "real", 5)
    network, extractor = counting()
    one = real_features(extractor, refs(real), COLOUR, 32)
    Image.new("RGB", (32, 32)).save(real / "2.png")
    other = real_features(extractor, refs(real), COLOUR, 32)
    assert network.seen == 10
    np.testing.assert_array_equal(np.flatnonzero((one.features != other.features).any(1)), [2])
    with torch.no_grad():
        network.scale.mul_(2)
    doubled = real_features(extractor, refs(real), COLOUR, 32)
    np.testing.assert_allclose(doubled.features, 2 * other.features, rtol=1e-6)
    assert len(list(own_cache.glob("features-*"))) == 3


def test_halves_of_a_file_are_kept_apart(tmp_path: Path) -> None:
    _, extractor = counting()
    folder = noise(tmp_path / "pairs", 3)
    halves = [[ImageRef(ref.path, half) for ref in refs(folder)] for half in ("left", "right")]
    left, right = (real_features(extractor, side, COLOUR, 16).features for side in halves)
    assert (left != right).any()


def test_unreadable_files_are_left_out_and_known_again(tmp_path: Path) -> None:
    folder = noise(tmp_path / "real", 45)
    (folder / "0.png").write_bytes(b"broken")
    network, extractor = counting()
    first, second = (real_features(extractor, refs(folder), COLOUR, 32) for _ in range(2))
    assert first.places == second.places == list(range(1, 45))
    assert network.seen == 44
    for path in folder.iterdir():
        path.write_bytes(b"broken")
    with pytest.raises(UserError, match=r"none of the 45 images can be read, .*png"):
        features_of(extractor, refs(folder), COLOUR, 32)


def test_a_network_of_the_users_is_asked_each_time(tmp_path: Path, own_cache: Path) -> None:
    network, extractor = counting()
    changing = replace(extractor, lasting=False)
    for _ in range(2):
        real_features(changing, refs(noise(tmp_path / "real", 4)), COLOUR, 32)
    assert network.seen == 8
    assert not list(own_cache.iterdir())
