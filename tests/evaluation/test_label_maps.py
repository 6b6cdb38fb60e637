"""Label maps of a bright and a dark half, and photographs that show them with noise."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from instar.core.batch import Paired
from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.core.events import Event, Worked
from instar.core.formats import DomainFormat
from instar.data import ImageRef, find
from instar.evaluation import label_maps as module
from instar.evaluation.held_out import HeldOut
from instar.evaluation.label_maps import LabelTask, label_maps
from instar.evaluation.report import COPY, LAST, REAL
from instar.evaluation.runs import Extras, evaluate_run

from .parts import extractor

COLOUR = DomainFormat(channels=3)

Runs = Callable[..., Path]
CPU = torch.device("cpu")
SKY, ROAD, VOID = (70, 130, 180), (128, 64, 128), (0, 0, 0)
PALETTE = "sky 70 130 180\nroad 128 64 128\nvoid 0 0 0 ignore\n"


def streets(root: Path, train: int = 6, test: int = 5, suffix: str = "png") -> Path:
    """Folders photo and label: sky above, road below, one void row between them."""
    random = np.random.default_rng(0)
    for split, count in (("train", train), ("test", test)):
        for i in range(count):
            line = int(random.integers(10, 22))
            label = np.empty((32, 40, 3), np.uint8)
            label[:line], label[line:], label[line] = SKY, ROAD, VOID
            light = np.where(np.arange(32) < line, 200, 30)[:, None, None]
            photo = np.clip(light + random.normal(0, 15, (32, 40, 3)), 0, 255).astype(np.uint8)
            for side, pixels in (("label", label), ("photo", photo)):
                path = root / split / side / f"{i}.{suffix if side == 'label' else 'png'}"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    return root


def colours(tmp_path: Path, text: str = PALETTE) -> Path:
    path = tmp_path / "colours.txt"
    path.write_text(text)
    return path


def named(report, title: str) -> dict[str, float]:
    column = next(column for column in report.columns if column.title == title)
    return {score.name: score.value for score in column.scores if score.name.startswith("label ")}


def on(run: Path, source: str, tmp_path: Path) -> Path:
    """A copy of a run that goes from one folder to the other."""
    target = {"photo": "label", "label": "photo"}[source]
    copy = tmp_path / f"from-{source}"
    shutil.copytree(run, copy)
    for config in copy.rglob("config.yaml"):
        (config.parent / "SHA256SUMS").unlink(missing_ok=True)
        text = config.read_text().replace("source: horse", f"source: {source}")
        config.write_text(text.replace("target: zebra", f"target: {target}"))
    return copy


class Brightness(nn.Module):
    """Light is sky, dark is road: right for the photographs of these streets."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        light = images.mean(1)
        return torch.stack([light, -light], 1)


def held_nothing() -> None:
    pass


def three() -> nn.Module:
    return nn.Conv2d(3, 5, 1)


@pytest.mark.parametrize("method", ["pix2pix", "cyclegan"])
def test_photographs_to_label_maps(run_directory: Runs, tmp_path: Path, method: str) -> None:
    data, run = streets(tmp_path / "set"), on(run_directory(method), "photo", tmp_path)
    extras = Extras(labels=LabelTask(colours(tmp_path)))
    report = evaluate_run(run, [data], extractor=extractor(), extras=extras, device="cpu")
    assert [column.title for column in report.columns] == [COPY, LAST]
    copied = named(report, COPY)
    assert list(copied) == ["label pixel accuracy", "label class accuracy", "label mean IoU"]
    # A photograph of light sky and dark road: (200, 200, 200) is nearest to sky, (30, 30, 30) to void, which is wrong.
    assert 0.3 < copied["label pixel accuracy"] < 0.7
    assert copied["label class accuracy"] == pytest.approx(0.5, abs=0.02)
    assert named(report, LAST) != copied
    assert any(score.name == "PSNR" for score in report.columns[1].scores)  # pairs, whatever the method
    assert "label maps: 2 classes, one more not scored, by the nearest colour" in report.notes


def test_the_truth_scores_one_and_a_swap_zero(tmp_path: Path) -> None:
    maps = label_maps(LabelTask(colours(tmp_path)), held(streets(tmp_path / "set")), CPU)
    right = torch.from_numpy(np.stack([module._pixels(ref, 32) for ref in maps.refs])).permute(0, 3, 1, 2) / 127.5 - 1
    places = range(len(maps.refs))
    assert [score.value for score in maps.scores([maps.counts(right, places)])] == [1, 1, 1, 1, 1]
    assert [score.low for score in maps.scores([maps.counts(right, places)])] == [1, 1, 1, None, None]
    sky, road = (torch.tensor(colour)[:, None, None] / 127.5 - 1 for colour in (SKY, ROAD))
    swapped = torch.where((right - sky).abs().sum(1, keepdim=True) < 0.1, road, sky).expand_as(right)
    assert [score.value for score in maps.scores([maps.counts(swapped, places)])] == [0, 0, 0, 0, 0]


def held(root: Path, source: str = "photo", size: int = 32) -> HeldOut:
    target = {"photo": "label", "label": "photo"}[source]
    found = find(DataConfig(roots=(root,), source=source, target=target), Paired)
    training = (found.train["a"], found.train["b"])
    return HeldOut(found.test["a"], found.test["b"], size, (COLOUR, COLOUR), True, (source, target), training=training)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_label_maps_to_photographs(run_directory: Runs, tmp_path: Path, suffix: str) -> None:
    data, run = streets(tmp_path / "set", suffix=suffix), on(run_directory("pix2pix"), "label", tmp_path)
    name = "evaluation.test_label_maps:Brightness"
    extras = Extras(labels=LabelTask(colours(tmp_path), name))
    report = evaluate_run(run, [data], extractor=extractor(), extras=extras, device="cpu")
    assert [column.title for column in report.columns] == [COPY, REAL, LAST]
    ceiling = named(report, REAL)
    assert ceiling["label mean IoU"] > 0.9
    assert named(report, LAST)["label mean IoU"] < ceiling["label mean IoU"]
    assert [score.name for score in report.columns[1].scores] == [*ceiling, "IoU, sky", "IoU, road"]
    assert f"label maps: 2 classes, one more not scored, by {name}" in report.notes


def test_a_segmenter_is_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    train = module.unet.train

    def counted(scenes, classes, ignored, size, device, on_event, steps):
        calls.append((len(scenes), classes, ignored, size))
        return train(scenes, classes, ignored, size, device, on_event, 2)

    monkeypatch.setattr(module.unet, "train", counted)
    root = streets(tmp_path / "set")
    images = held(root, "label")
    events: list[Event] = []
    first, second = (label_maps(LabelTask(None, "unet"), images, CPU, events.append) for _ in range(2))
    assert calls == [(6, 3, None, 32)]
    assert events[0] == Worked("training the segmenter", 0, 2)
    for one, other in zip(first.segmenter.parameters(), second.segmenter.parameters(), strict=True):
        assert torch.equal(one, other)
    assert not first.segmenter.training
    assert "by a U-Net trained on 6 real pairs at 32 px" in first.notes[0]
    label_maps(LabelTask(colours(tmp_path), "unet"), images, CPU)
    assert calls[1:] == [(6, 2, 2, 32)]
    (root / "train/label/0.png").write_bytes((root / "train/label/1.png").read_bytes())
    label_maps(LabelTask(None, "unet"), images, CPU)
    assert len(calls) == 3


def test_colours_are_found_in_the_maps(tmp_path: Path) -> None:
    maps = label_maps(LabelTask(), held(streets(tmp_path / "set")), CPU)
    assert set(maps.palette.colours) == {SKY, ROAD, VOID}
    assert maps.palette.ignored is None
    assert maps.notes == ["label maps: 3 classes, by the nearest colour"]


def test_a_gray_image_is_resized_without_mixing_classes(tmp_path: Path) -> None:
    pixels = np.zeros((64, 64), np.uint8)
    pixels[:, 33:] = 2
    Image.fromarray(pixels).save(tmp_path / "map.png")
    assert set(np.unique(module._pixels(ImageRef(tmp_path / "map.png"), 24))) == {0, 2}


@pytest.mark.parametrize(
    ("source", "task", "message"),
    [
        ("label", LabelTask(), r"palette: the inputs \(label\) are the label maps: .* segmenter=unet"),
        ("photo", LabelTask(None, "unet"), r"segmenter: the translations are label maps \(label\) themselves"),
        ("label", LabelTask(None, "nowhere:x"), "segmenter=nowhere:x: No module named"),
        (
            "label",
            LabelTask(None, "evaluation.test_label_maps:held_nothing"),
            "it returns a NoneType, not an nn.Module",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path: Path, source: str, task: LabelTask, message: str) -> None:
    with pytest.raises(UserError, match=message):
        label_maps(task, held(streets(tmp_path / "set"), source), CPU)


def test_a_segmenter_of_other_classes_is_refused(tmp_path: Path) -> None:
    task = LabelTask(colours(tmp_path), "evaluation.test_label_maps:three")
    maps = label_maps(task, held(streets(tmp_path / "set"), "label"), CPU)
    with pytest.raises(UserError, match=r"segmenter: expected logits \(2, 2, 32, 32\), .* got \(2, 5, 32, 32\)"):
        maps.counts(torch.zeros(2, 3, 32, 32), [0, 1])


def test_a_palette_of_other_colours_and_photographs_alone(tmp_path: Path) -> None:
    data = held(streets(tmp_path / "set"))
    with pytest.raises(UserError, match=r"only .* of the pixels of .* have one of its colours"):
        label_maps(LabelTask(colours(tmp_path, "a 0 255 0\nb 255 0 255")), data, CPU)
    photos = HeldOut(data.inputs, data.inputs, 32, (COLOUR, COLOUR), True, ("x", "y"))
    with pytest.raises(UserError, match=r"neither .* nor .* has few; give palette a file"):
        label_maps(LabelTask(), photos, CPU)
