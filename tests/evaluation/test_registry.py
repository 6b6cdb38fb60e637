"""Metrics from outside the package, by the function and as a package's entry points."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from instar.cli import main
from instar.core.errors import UserError
from instar.evaluation import registry
from instar.evaluation.compare import compare_runs
from instar.evaluation.folders import evaluate_folders
from instar.evaluation.pixels import from_eight_bit, to_eight_bit
from instar.evaluation.registry import metrics, register_metric
from instar.evaluation.runs import evaluate_run
from instar.evaluation.score import Score
from instar.metrics.interval import mean_interval
from instar.reports.compare import markdown

from .parts import data_set, extractor, noise

Runs = Callable[..., Path]
PACKAGE = """
class Brightness:
    name, better, needs, per_image = "brightness of a package", "higher", (), True

    def __call__(self, translations):
        return translations.mean((1, 2, 3))
"""


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_registered", {})
    registry._loaded.cache_clear()
    yield
    registry._loaded.cache_clear()


class Shift:
    """How much lighter each translation is than what it is compared with."""

    def __init__(self, name: str = "shift", needs: tuple[str, ...] = ("inputs",), per_image: bool = True) -> None:
        self.name, self.needs, self.per_image = name, needs, per_image
        self.better = "lower"
        self.calls: list[dict[str, Tensor]] = []

    def __call__(self, translations: Tensor, **given: Tensor) -> Tensor | float:
        self.calls.append({"translations": translations, **given})
        (other,) = given.values()
        if not self.per_image:
            return float(translations.mean() - other.mean())
        return (translations - other).mean((1, 2, 3))


def loaded(folder: Path, count: int) -> Tensor:
    files = [np.asarray(Image.open(folder / f"{i}.png")) for i in range(count)]
    return torch.from_numpy(np.stack(files)).permute(0, 3, 1, 2).float() / 127.5 - 1


def test_a_metric_stands_in_every_column_with_its_interval(run_directory: Runs, tmp_path: Path) -> None:
    data, shift = data_set(tmp_path / "set"), Shift()
    register_metric(shift)
    report = evaluate_run(run_directory("cut"), [data], extractor=extractor())
    copy, last = ({score.name: score for score in column.scores} for column in report.columns)
    assert copy["shift"] == Score("shift", 0, "lower", 0, 0)
    made, inputs = (torch.cat([call[name] for call in shift.calls[1:]]) for name in ("translations", "inputs"))
    assert torch.equal(inputs, loaded(data / "test/horse", 12))
    assert made.shape == (12, 3, 32, 32)
    assert made.dtype == torch.float32
    each = (made - inputs).mean((1, 2, 3)).double()
    found = last["shift"]
    assert (found.value, found.low, found.high) == pytest.approx(
        (each.mean().item(), *mean_interval(each.numpy())), abs=1e-5
    )
    assert abs(found.value) > 1e-3
    assert json.loads(report.as_json())["columns"][1]["scores"][-1]["name"] == "shift"


def test_all_at_once_against_real_images(run_directory: Runs, tmp_path: Path) -> None:
    data, shift = data_set(tmp_path / "set", test=23), Shift(needs=("reference",), per_image=False)
    register_metric(shift)
    report = evaluate_run(run_directory("cut"), [data], extractor=extractor())
    assert [len(call["translations"]) for call in shift.calls] == [23, 23], "once for each column"
    horses, zebras = (loaded(data / "test" / name, 23) for name in ("horse", "zebra"))
    assert torch.equal(shift.calls[0]["translations"], horses)
    assert all(torch.equal(call["reference"], zebras) for call in shift.calls)
    score = report.columns[0].scores[-1]
    assert (score.name, score.better, score.low, score.high) == ("shift", "lower", None, None)
    assert score.value == pytest.approx(float(horses.mean() - zebras.mean()), abs=1e-5)


@pytest.mark.parametrize(("method", "there"), [("pix2pix", True), ("cut", False)])
def test_pairs_alone_have_a_truth(run_directory: Runs, tmp_path: Path, method: str, there: bool) -> None:
    data, shift = data_set(tmp_path / "set"), Shift(needs=("truth",))
    register_metric(shift)
    report = evaluate_run(run_directory(method), [data], extractor=extractor())
    assert ["shift" in [score.name for score in column.scores] for column in report.columns] == [there, there]
    if there:
        assert torch.equal(shift.calls[0]["truth"], loaded(data / "test/zebra", 12))


def test_it_stands_in_comparisons(run_directory: Runs, tmp_path: Path) -> None:
    register_metric(Shift())
    runs = [run_directory("cut"), run_directory("cyclegan")]
    found = compare_runs(runs, [data_set(tmp_path / "set")], extractor=extractor())
    assert found.better["shift"] == "lower"
    assert all("shift" in row.last.cells for row in found.rows)
    assert "| shift ↓ |" in markdown(found, {}).splitlines()[2]


def test_folders_with_and_without_inputs(tmp_path: Path) -> None:
    made, real = noise(tmp_path / "made", 6), noise(tmp_path / "real", 7)
    register_metric(Shift("to the input"))
    register_metric(Shift("to real images", needs=("reference",), per_image=False))
    with_inputs = evaluate_folders(made, real, extractor(), inputs=made).columns[-1].scores
    assert [score.name for score in with_inputs][-2:] == ["to the input", "to real images"]
    without = evaluate_folders(made, real, extractor()).columns[-1].scores
    assert [score.name for score in without][-1] == "to real images"
    assert without[-1] == with_inputs[-1]
    assert "to the input" not in [score.name for score in without]


class Answering(Shift):
    """Answers with whatever it was told to."""

    def __init__(self, answer: Any, per_image: bool = False) -> None:
        super().__init__(needs=(), per_image=per_image)
        self.answer = answer

    def __call__(self, translations: Tensor, **given: Tensor) -> Any:
        return self.answer


def score_with(metric: Any, tmp_path: Path) -> list[Score]:
    register_metric(metric)
    made, real = noise(tmp_path / "made", 6), noise(tmp_path / "real", 7)
    return evaluate_folders(made, real, extractor()).columns[-1].scores


@pytest.mark.parametrize(
    ("answer", "scores"),
    [
        (0.5, [Score("shift", 0.5, "lower")]),
        (np.float32(0.5), [Score("shift", 0.5, "lower")]),
        (torch.tensor(0.5), [Score("shift", 0.5, "lower")]),
        (Score("own", 1, "higher", 0, 2), [Score("own", 1, "higher", 0, 2)]),
        ([Score("one", 1), Score("two", 2)], [Score("one", 1), Score("two", 2)]),
    ],
)  # fmt: skip
def test_what_may_be_returned(answer: Any, scores: list[Score], tmp_path: Path) -> None:
    assert score_with(Answering(answer), tmp_path)[-len(scores) :] == scores


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (Answering("much"), "the metric 'shift' must return a number or scores, not a str"),
        (Answering(0.5, per_image=True), r"must return a number for each image, \(6,\), not float"),
        (Answering(torch.zeros(2), per_image=True), r"must return a number for each image, \(6,\), not \(2,\)"),
        (Answering(Score("Colours-KID", 1)), "two scores are called 'Colours-KID'; give the registered metric another"),
        (Shift(needs=("input",)), "this metric needs 'input'; did you mean 'inputs'?"),
        (Shift, "this metric must be a callable object with name, better, needs and per_image, not <class"),
        (len, "this metric must be a callable object with name, better, needs and per_image, not <built-in"),
    ],
)  # fmt: skip
def test_what_is_refused(metric: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        score_with(metric, tmp_path)


def test_better_is_one_of_three() -> None:
    metric = Shift()
    metric.better = "less"
    with pytest.raises(UserError, match="better must be lower, higher or '', not 'less'"):
        register_metric(metric)


def test_one_that_draws_gives_the_same_numbers_and_moves_no_generator(tmp_path: Path) -> None:
    class Random(Answering):
        def __call__(self, translations: Tensor, **given: Tensor) -> Any:
            return torch.rand(len(translations))

    before = torch.get_rng_state()
    first, second = (score_with(Random(0, per_image=True), tmp_path)[-1] for _ in range(2))
    assert first == second
    assert torch.equal(torch.get_rng_state(), before)


def test_a_metric_of_the_same_name_is_replaced() -> None:
    first, second = Shift(), Shift()
    register_metric(first)
    register_metric(second)
    assert metrics() == [second]


def package(folder: Path, code: str, target: str) -> None:
    """Lay out a package as pip installs one, with a module and an entry point."""
    info = folder / "brightness-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "brightness_of_a_package.py").write_text(code)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brightness\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[instar.metrics]\nbright = {target}\n")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    def install(code: str, target: str) -> None:
        package(tmp_path / "site", code, target)
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        monkeypatch.delitem(sys.modules, "brightness_of_a_package", raising=False)

    return install


def test_an_installed_package_brings_its_metric(
    installed: Callable[[str, str], None], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", "200")
    installed(PACKAGE, "brightness_of_a_package:Brightness")
    made, real, out = noise(tmp_path / "made", 6), noise(tmp_path / "real", 7), tmp_path / "scores.json"
    flags = ["--images", str(made), "--reference", str(real), "--extractor", "evaluation.parts:colours", "-o", str(out)]
    assert main.run(["evaluate", *flags]) == 0
    assert "brightness of a package ↑" in capsys.readouterr().out
    score = json.loads(out.read_text())["columns"][0]["scores"][-1]
    assert (score["name"], score["better"]) == ("brightness of a package", "higher")
    assert score["value"] == pytest.approx(loaded(made, 6).mean().item())
    register_metric(Shift("brightness of a package"))
    with pytest.raises(UserError, match="there are two metrics 'brightness of a package'; give one of them another"):
        metrics()


@pytest.mark.parametrize(
    ("code", "target", "message"),
    [
        ("import nothing_like_this", "brightness_of_a_package:x", r"cannot be loaded \(ModuleNotFoundError: .*"),
        ("x = 3", "brightness_of_a_package:x", "must be a callable object .* not 3"),
        ("def x():\n pass", "brightness_of_a_package:y", r"cannot be loaded \(AttributeError: .*"),
    ],
)  # fmt: skip
def test_a_broken_package_is_named(installed: Callable[[str, str], None], code: str, target: str, message: str) -> None:
    installed(code, target)
    with pytest.raises(UserError, match=f"the metric 'bright' of the package brightness {message}"):
        metrics()


def test_eight_bits_and_back() -> None:
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_eight_bit(from_eight_bit(values)), values)
    assert to_eight_bit(torch.tensor([-2.0, 2.0])).tolist() == [0, 255]
