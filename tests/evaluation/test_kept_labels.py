"""Labels of what translations were made from, found in them or not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from instar.api.evaluate import evaluate_folders
from instar.core.errors import UserError
from instar.data import ImageRef
from instar.evaluation.kept_labels import KeptLabels
from instar.evaluation.label_maps import NAMES

from .parts import extractor

COLOURS = np.array([(200, 40, 40), (40, 200, 40), (40, 40, 200)], np.uint8)
CLASSES = [f"IoU, {name}" for name in ("200 40 40", "40 200 40", "40 40 200")]
ROUNDED = dict.fromkeys([*NAMES.values(), *CLASSES], 1.0)


class Nearest(nn.Module):
    """Finds the class by the strongest channel, in the order in which a palette sorts the three colours."""

    def forward(self, images: Tensor) -> Tensor:
        return images.flip(1)


def nearest() -> nn.Module:
    return Nearest()


def write(folder: Path, classes: list[np.ndarray], noise: int = 0) -> list[ImageRef]:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    refs = []
    for i, found in enumerate(classes):
        pixels = COLOURS[found].astype(int) + rng.integers(-noise, noise + 1, (*found.shape, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i}.png")
        refs.append(ImageRef(folder / f"{i}.png", key=str(i)))
    return refs


@pytest.fixture
def classes() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [np.kron(rng.integers(0, 3, (3, 3)), np.ones((12, 12), int)) for _ in range(12)]


def found(scores) -> dict[str, float]:  # type: ignore[no-untyped-def]
    return {score.name: score.value for score in scores}


def test_a_segmenter_of_the_user(classes: list[np.ndarray], tmp_path: Path) -> None:
    labels = write(tmp_path / "labels", classes)
    kept = KeptLabels(labels, tmp_path / "labels", segmenter=f"{__name__}:nearest")
    images = write(tmp_path / "images", classes, noise=30)
    scores, about = kept.scores(images, 36, torch.device("cpu"))
    assert found(scores) == ROUNDED
    assert about == f"{__name__}:nearest"
    moved = write(tmp_path / "moved", [np.roll(one, 12, 1) for one in classes])
    assert found(kept.scores(moved, 36, torch.device("cpu"))[0])["label pixel accuracy"] < 0.6


def test_a_network_that_learns_from_every_other_image(classes: list[np.ndarray], tmp_path: Path) -> None:
    """It finds labels in any appearance, if they are there: here in the negative, and not in others' images."""
    labels = write(tmp_path / "labels", classes)
    kept = KeptLabels(labels, tmp_path / "labels", steps=60)
    negative = write(tmp_path / "negative", [2 - one for one in classes], noise=10)
    scores, about = kept.scores(negative, 36, torch.device("cpu"))
    others = write(tmp_path / "others", [classes[i - 1] for i in range(len(classes))], noise=10)
    lost = found(kept.scores(others, 36, torch.device("cpu"))[0])
    assert found(scores)["label pixel accuracy"] > 0.9
    assert lost["label pixel accuracy"] < 0.6
    assert about == "a U-Net trained on 6 of the images with their labels, asked on 6 others"


def test_a_report_of_folders(classes: list[np.ndarray], tmp_path: Path) -> None:
    for name in ("labels", "inputs", "images", "real"):
        write(tmp_path / name, classes, noise=0 if name == "labels" else 20)
    report = evaluate_folders(
        tmp_path / "images",
        tmp_path / "real",
        tmp_path / "inputs",
        extractor=extractor(),
        labels=tmp_path / "labels",
        segmenter=f"{__name__}:nearest",
    )
    for column in report.columns:
        assert found(column.scores).items() >= ROUNDED.items()
    assert sum(f"labels are found by {__name__}:nearest" in note for note in report.notes) == 1


def test_a_network_that_learns_from_real_images_knows_how_these_look(classes: list[np.ndarray], tmp_path: Path) -> None:
    """Right labels in the colours of the inputs are lost to it, in those of the real images they are found."""
    labels = write(tmp_path / "labels", classes)
    real = write(tmp_path / "real", [2 - one for one in classes], noise=10)
    kept = KeptLabels(labels, tmp_path / "labels", steps=60, real=list(zip(labels, real, strict=True)))
    cpu = torch.device("cpu")
    translated, about = kept.scores(write(tmp_path / "made", [2 - one for one in classes], noise=20), 36, cpu)
    copies = kept.scores(write(tmp_path / "copies", classes, noise=20), 36, cpu)[0]
    assert about == "a U-Net trained on 6 real images with their labels"
    assert found(translated)["label mean IoU"] > 0.8
    assert found(kept.ceiling(36, cpu))["label mean IoU"] > 0.8
    assert found(copies)["label mean IoU"] < 0.5


def test_a_report_with_labels_of_the_real_images(classes: list[np.ndarray], tmp_path: Path) -> None:
    for name in ("labels", "images", "real", "real_labels"):
        write(tmp_path / name, classes, noise=0 if "labels" in name else 20)
    report = evaluate_folders(
        tmp_path / "images",
        tmp_path / "real",
        extractor=extractor(),
        labels=tmp_path / "labels",
        reference_labels=tmp_path / "real_labels",
        segmenter=f"{__name__}:nearest",
    )
    assert [column.title for column in report.columns] == ["real images", str(tmp_path / "images")]
    for column in report.columns:
        assert found(column.scores).items() >= ROUNDED.items()
    with pytest.raises(UserError, match=r"reference_labels=.*: give also labels=DIR"):
        evaluate_folders(tmp_path / "images", tmp_path / "real", extractor=extractor(), reference_labels=tmp_path)


def test_what_is_missing_is_named(classes: list[np.ndarray], tmp_path: Path) -> None:
    labels = write(tmp_path / "labels", classes[:2])
    images = write(tmp_path / "images", classes[:3])
    kept = KeptLabels(labels, tmp_path / "labels")
    with pytest.raises(UserError, match=r"labels=.*labels: 1 images have no label map, .*2\.png first"):
        kept.scores(images, 36, torch.device("cpu"))
    with pytest.raises(UserError, match=r"segmenter=unet: 2 images; a U-Net learns from one half"):
        kept.scores(images[:2], 36, torch.device("cpu"))
    many = [ImageRef(tmp_path / "many.png", key="0")]
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (36, 36, 3), dtype=np.uint8)).save(many[0].path)
    with pytest.raises(UserError, match=r"labels=.*: too many colours; give palette a file"):
        KeptLabels(many, tmp_path).scores(images[:1], 36, torch.device("cpu"))
    with pytest.raises(UserError, match=r"segmenter=unet: give also labels=DIR, the label maps"):
        evaluate_folders(tmp_path / "images", tmp_path / "images", extractor=extractor(), segmenter="unet")
