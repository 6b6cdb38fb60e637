"""Scores of images with classes, in folders of any tool and in runs that find domains themselves."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import instar
from instar.core.abilities import Clustered
from instar.core.batch import Unlabelled
from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.core.formats import DomainFormat
from instar.data import find
from instar.data.labels import square
from instar.evaluation.by_class import Classes, agreement, mean_over_classes
from instar.evaluation.folders import evaluate_folders
from instar.evaluation.held_out import HeldOut
from instar.evaluation.references import real_features
from instar.evaluation.report import COPY, LAST
from instar.evaluation.runs import evaluate_run
from instar.metrics.frechet import frechet_distance
from instar.metrics.kid import kernel_distance

from .parts import extractor, noise

COLOUR = DomainFormat(channels=3)

Runs = Callable[..., Path]
KID, FD = "Colours-KID, mean over classes", "Colours-FD, mean over classes"


def animals(root: Path, counts: dict[str, int]) -> Path:
    for i, (name, count) in enumerate(counts.items()):
        noise(root / name, count, 60 * i, 60 * i + 100)
    return root


def values(scores) -> dict[str, float]:
    return {score.name: score.value for score in scores}


def test_the_mean_is_that_of_the_classes() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(0, 1, (30, 12)), random.normal(0.3, 1, (28, 12))
    of_x, of_y = ["cat"] * 20 + ["dog"] * 10, ["dog", "cat"] * 14
    scores, (note,) = mean_over_classes(extractor(), x, of_x, y, of_y)
    cats, dogs = (x[:20], y[1::2]), (x[20:], y[::2])
    assert values(scores) == {
        KID: pytest.approx((kernel_distance(*cats) + kernel_distance(*dogs)) / 2),
        FD: pytest.approx((frechet_distance(*cats) + frechet_distance(*dogs)) / 2),
    }
    assert scores[1].low < scores[1].value < scores[1].high
    assert note == "mean over 2 classes: cat 20 against 14, dog 10 against 14 images"


def test_classes_on_one_side_and_images_without() -> None:
    x = np.random.default_rng(0).normal(0, 1, (6, 3))
    assert mean_over_classes(extractor(), x, [None] * 6, x, ["a"] * 3 + ["b"] * 3) == ([], [])
    assert mean_over_classes(extractor(), x, ["a"] * 6, x, ["a"] * 6) == ([], [])
    scores, (note,) = mean_over_classes(extractor(), x, ["a"] * 3 + ["c"] * 3, x, ["a"] * 3 + ["b"] * 3)
    assert scores == []
    assert note == "no mean over classes: b, c has fewer than two images on one side"
    some, _ = mean_over_classes(extractor(), x, ["a", "a", "b", "b", None, None], x, ["a", "a", "b", "b", None, None])
    assert values(some)[FD] == pytest.approx(0, abs=1e-9)


def test_folders_of_classes(tmp_path: Path) -> None:
    made = animals(tmp_path / "made", {"cat": 7, "dog": 6})
    real = animals(tmp_path / "real", {"cat": 5, "dog": 8})
    (real / "cat" / "broken.png").write_bytes(b"no image")
    report = evaluate_folders(made, real, extractor())
    found = values(report.columns[0].scores)
    (note,) = [note for note in report.notes if note.startswith("mean over")]
    assert note == "mean over 2 classes: cat 7 against 5, dog 6 against 8 images"
    one_by_one = [evaluate_folders(made / name, real / name, extractor()) for name in ("cat", "dog")]
    expected = [values(one.columns[0].scores)["Colours-FD"] for one in one_by_one]
    assert found[FD] == pytest.approx(np.mean(expected), rel=1e-5)
    inputs = animals(tmp_path / "in", {"cat": 7, "dog": 6})
    _, column = evaluate_folders(made, real, extractor(), inputs=inputs).columns
    assert values(column.scores)[FD] == pytest.approx(found[FD], rel=1e-5)
    plain = evaluate_folders(made / "cat", real, extractor())
    assert FD not in values(plain.columns[0].scores)


def held(root: Path) -> HeldOut:
    found = find(DataConfig(roots=(root,)), Unlabelled)
    return HeldOut(found.test["a"], found.test["b"], 32, (COLOUR, COLOUR), False, ("all", "all"), one_folder=True)


def one_folder(root: Path) -> Path:
    for split, count in (("train", 5), ("test", 6)):
        animals(root / split, {"cat": count, "dog": count + 1, "panda": count})
    return root


def test_a_run_that_found_domains(run_directory: Runs, tmp_path: Path) -> None:
    data = one_folder(tmp_path / "set")
    report = evaluate_run(run_directory("tunit"), [data], extractor=extractor(), device="cpu")
    by_title = {column.title: values(column.scores) for column in report.columns}
    assert {KID, FD} <= by_title[COPY].keys()
    assert "cluster NMI" not in by_title[COPY]
    last = by_title[LAST]
    assert 1 / 3 <= last["cluster accuracy"] <= last["cluster purity"] <= 1
    assert {"cluster NMI", "cluster ARI", KID, FD} <= last.keys()
    assert last[FD] != by_title[COPY][FD]
    assert "mean over 3 classes: cat 13 against 6, dog 12 against 7, panda 13 against 6 images" in report.notes
    assert any("domains found, 3 classes" in note for note in report.notes)


def test_each_image_is_translated_into_the_other_classes(run_directory: Runs, tmp_path: Path) -> None:
    images = held(one_folder(tmp_path / "set"))
    real = real_features(extractor(), images.targets, COLOUR, 32)
    classes = Classes(images, extractor(), real)
    assert classes.names == ["cat", "dog", "panda"]
    copied, _ = classes.copy()
    labels = np.array([ref.label for ref in images.inputs])
    expected = [
        frechet_distance(real.features[labels != name], real.features[labels == name]) for name in classes.names
    ]
    assert values(copied)[FD] == pytest.approx(np.mean(expected))

    translator = instar.load(run_directory("tunit"), device="cpu")
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    plain = translator.tensors

    def recorded(x, to, **more):
        seen.append((x, more["style"]))
        return plain(x, to, **more)

    translator.tensors = recorded
    classes.translated(translator)
    assert len(seen) == 13 + 12 + 13
    into_cat = seen[:13]
    cats = torch.stack([square(ref, COLOUR, 32) for ref in images.inputs if ref.label == "cat"])
    styles = translator.method.encode_style(cats, domain="b")
    for x, style in into_cat:
        assert (cats - x).abs().sum((1, 2, 3)).min() > 0  # no cat becomes a cat
        assert (styles - style).abs().sum(1).min() < 1e-4  # in the style of a cat


def test_perfect_domains(tmp_path: Path) -> None:
    class Light(torch.nn.Module):
        """Dark, middling and light images are three domains."""

        def cluster(self, x: torch.Tensor) -> torch.Tensor:
            place = torch.bucketize(x.mean((1, 2, 3)), torch.tensor([-0.4, 0.1]))
            return torch.nn.functional.one_hot(2 - place, 3).float()

        def cluster_styles(self) -> torch.Tensor:
            return torch.zeros(3, 1)

    assert isinstance(Light(), Clustered)
    for split, count in (("train", 5), ("test", 6)):
        for name, low in (("cat", 0), ("dog", 80), ("panda", 200)):
            noise(tmp_path / "set" / split / name, count, low, low + 40)
    images = held(tmp_path / "set")
    scores, notes = agreement(Light(), images, torch.device("cpu"))
    assert values(scores) == dict.fromkeys(("cluster accuracy", "cluster purity", "cluster NMI", "cluster ARI"), 1)
    assert notes == ["3 domains found, 3 classes"]


def test_clusters_alone_need_no_features(run_directory: Runs, tmp_path: Path) -> None:
    run = run_directory("tunit")
    for split in ("train", "test"):
        noise(tmp_path / "none" / split, 6, 0, 255)
        animals(tmp_path / "set" / split, {"cat": 5, "dog": 6, "panda": 4})
    report = evaluate_run(run, [tmp_path / "set"], device="cpu")
    assert [column.title for column in report.columns] == [LAST]
    with_features = evaluate_run(run, [tmp_path / "set"], extractor=extractor(), device="cpu")
    scores = values(report.columns[0].scores)
    assert list(scores) == ["cluster accuracy", "cluster purity", "cluster NMI", "cluster ARI"]
    assert scores.items() <= values(next(c for c in with_features.columns if c.title == LAST).scores).items()
    with pytest.raises(UserError, match="no classes"):
        evaluate_run(run, [tmp_path / "none"], device="cpu")
