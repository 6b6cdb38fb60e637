from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from instar.core.config import RunConfig
from instar.core.method import defaults
from instar.core.registry import get
from instar.evaluation.appearance import CASTS, ENDS, FRINGES, PROBE, REALISM, RUINS, SPOTS, TARGET, Appearance
from instar.evaluation.compare import compare_runs
from instar.evaluation.evaluator import Evaluator
from instar.evaluation.held_out import held_out
from instar.evaluation.report import COPY, REAL
from instar.evaluation.runs import evaluate_run
from instar.evaluation.score import by_name
from instar.evaluation.scores import Scorer
from instar.evaluation.verdict import verdict

from .parts import data_set, extractor

Runs = Callable[..., Path]


def config(data: Path, method: str = "cut") -> RunConfig:
    base = defaults(method, get(method), "tiny")
    return replace(base, data=replace(base.data, roots=(data,)))


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    images = held_out(config(data_set(tmp_path_factory.mktemp("set"), train=20)), (), "b")
    real = extractor().features(images.real())
    appearance, notes = Appearance.of(extractor(), images, real)
    assert notes == []
    return Evaluator(images, Scorer(extractor(), real, None, appearance))


def words(evaluator: Evaluator, change: Callable[[torch.Tensor], torch.Tensor]) -> str:
    scores = evaluator.scorer.scores((x, change(x), None) for x, _ in evaluator.images.batches())[0]
    return verdict(by_name(scores), by_name(evaluator.copy()[0]), by_name(evaluator.ceiling()))


def test_copies_and_real_images(evaluator: Evaluator) -> None:
    copy, real = by_name(evaluator.copy()[0]), by_name(evaluator.ceiling())
    assert {TARGET, PROBE, RUINS, REALISM, SPOTS, CASTS, FRINGES, ENDS} == real.keys()
    assert real.keys() < copy.keys()
    assert (copy[PROBE], copy[TARGET], copy[SPOTS]) == (0, 0, 0)
    assert real[PROBE] == 1
    assert copy[REALISM] > 2 * real[REALISM]


def test_translations_in_words(evaluator: Evaluator) -> None:
    real = torch.cat(list(evaluator.images.real()))
    assert words(evaluator, lambda x: x) == "nearly a copy"
    assert words(evaluator, lambda x: (x * 1.02).clamp(-1, 1)) == "nearly a copy"
    tint = torch.tensor([0.3, -0.1, 0.1])[:, None, None]
    assert words(evaluator, lambda x: (x + tint).clamp(-1, 1)) == "colour only"
    assert words(evaluator, lambda x: real[: len(x)]) in ("target in 100%", "target in 92%")
    assert words(evaluator, lambda x: torch.full_like(x, -1.0)) in ("ruins", "worse than a copy")


def test_few_training_images_are_said(tmp_path: Path) -> None:
    images = held_out(config(data_set(tmp_path, train=6)), (), "b")
    found, (note,) = Appearance.of(extractor(), images, extractor().features(images.real()))
    assert found is None
    assert note == "no target share: it needs 10 training images of each domain beside the test images"


def test_real_images_that_are_all_alike_are_said(tmp_path: Path) -> None:
    images = held_out(config(data_set(tmp_path, train=12)), (), "b")
    same = replace(images, targets=[images.targets[0]] * 12, training=(images.training[0], [images.targets[0]] * 12))
    found, (note,) = Appearance.of(extractor(), same, extractor().features(same.real()))
    assert found is None
    assert note.startswith("no target share: the real images are all alike")


def test_a_run_and_a_comparison_have_a_verdict(run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set", train=20)
    report = evaluate_run(run_directory("cut"), [data], extractor=extractor())
    titles = [column.title for column in report.columns]
    assert titles == [COPY, REAL, "last"]
    assert [bool(column.verdict) for column in report.columns] == [False, False, True]
    found = compare_runs([run_directory("cut")], [data], extractor=extractor())
    assert found.rows[0].last.verdict == report.columns[2].verdict
    assert found.real[PROBE].mean == 1
    assert found.rows[0].last.cells.keys() == by_name(report.columns[2].scores).keys()


def test_one_folder_has_no_target(run_directory: Runs, tmp_path: Path) -> None:
    images = replace(held_out(config(data_set(tmp_path, train=12)), (), "b"), one_folder=True)
    assert Appearance.of(extractor(), images, extractor().features(images.real())) == (None, [])
