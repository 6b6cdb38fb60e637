import json
import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev

import pytest
from safetensors.torch import load_file, save_file

from instar.core.digests import write_sums
from instar.core.errors import UserError
from instar.evaluation.compare import SHOWN, compare_runs, strip
from instar.evaluation.runs import evaluate_run

from .parts import data_set, extractor

Runs = Callable[..., Path]


def with_seed(run: Path, folder: Path, seed: int) -> Path:
    """A copy of a run that says it was trained with another seed."""
    shutil.copytree(run, folder)
    for config in folder.rglob("config.yaml"):
        (config.parent / "SHA256SUMS").unlink(missing_ok=True)
        config.write_text(config.read_text().replace("seed: 0", f"seed: {seed}"))
    return folder


def test_seeds_make_one_row_and_methods_two(run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set")
    cut, cyclegan = run_directory("cut"), run_directory("cyclegan")
    again = with_seed(cut, tmp_path / "again", 3)
    found = compare_runs([cut, cyclegan, again], [data], extractor=extractor())
    assert [row.title for row in found.rows] == ["cut, tiny", "cyclegan, tiny"]
    assert found.rows[0].seeds == (0, 3)
    assert found.rows[0].last.cells["Colours-KID"].spread == 0  # the same weights
    one = found.rows[1].last.cells["Colours-KID"]
    assert one.spread is None
    report = evaluate_run(cyclegan, [data], extractor=extractor())
    score = report.columns[1].scores[0]
    assert (one.mean, one.low, one.high) == (score.value, score.low, score.high)
    assert found.copy["Colours-KID"].mean == report.columns[0].scores[0].value


def test_mean_and_spread(run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set")
    first = run_directory("cut")
    # Other weights under the settings of the first, but for the seed.
    other = with_seed(first, tmp_path / "other", 1)
    for name in ("method.safetensors", "averages.safetensors"):
        (source,) = run_directory("cut", nce_x=0.7).rglob(name)
        (target,) = other.rglob(name)
        shutil.copy(source, target)
    found = compare_runs([first, other], [data], extractor=extractor())
    (row,) = found.rows
    values = [evaluate_run(run, [data], extractor=extractor()).columns[1].scores[0].value for run in (first, other)]
    assert row.last.cells["Colours-KID"].mean == pytest.approx(mean(values))
    assert row.last.cells["Colours-KID"].spread == pytest.approx(stdev(values))


def scored(run: Path, folder: Path, memory: int) -> Path:
    """A copy of a run with a second checkpoint, of other weights; the first one was best on validation."""
    shutil.copytree(run, folder)
    second = shutil.copytree(folder / "checkpoints/step-000000001", folder / "checkpoints/step-000000002")
    weights = load_file(second / "averages.safetensors")
    save_file({name: value * 0.5 for name, value in weights.items()}, second / "averages.safetensors")
    training = json.loads((second / "training.json").read_text())
    training |= {"step": 2, "seconds": 180.0, "memory": memory, "best": [[1, 0.5]]}
    (second / "training.json").write_text(json.dumps(training))
    write_sums(second)
    return folder


def test_last_and_best_on_validation(run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set")
    plain = run_directory("cut")
    run, again = scored(plain, tmp_path / "scored", 1_500_000_000), scored(plain, tmp_path / "again", 2_340_000_000)
    found = compare_runs([run, again, plain], [data], extractor=extractor(), titles=["two", "two", "one"])
    assert [(row.title, len(row.runs)) for row in found.rows] == [("two", 2), ("one", 1)]
    two, one = found.rows
    assert (two.last.images, two.last.minutes) == ((2, 2), 3.0)
    assert two.best
    assert (two.best.images, two.best.minutes) == ((1, 1), 1.5)
    assert (two.memory, one.memory) == (2_340_000_000, None)
    assert one.best is None
    columns = {column.title: column for column in evaluate_run(run, [data], extractor=extractor()).columns}
    name = "Colours-KID"
    for weights, title in ((two.last, "last"), (two.best, "best on validation")):
        assert weights.cells[name].mean == pytest.approx(columns[title].scores[0].value)
    assert two.last.cells[name].mean != pytest.approx(two.best.cells[name].mean)


def test_one_run_without_a_best_checkpoint_leaves_the_row_without(run_directory: Runs, tmp_path: Path) -> None:
    plain = run_directory("cut")
    run = scored(plain, tmp_path / "scored", 1)
    found = compare_runs([run, plain], [data_set(tmp_path / "set")], extractor=extractor(), titles=["both", "both"])
    assert found.rows[0].best is None
    assert found.rows[0].last.images == (2, 1)


def test_rows_of_one_preset_are_told_apart(run_directory: Runs, tmp_path: Path) -> None:
    other = tmp_path / "narrower"
    shutil.copytree(run_directory("cut", nce_x=0.7), other)
    found = compare_runs([run_directory("cut"), other], [data_set(tmp_path / "set")], extractor=extractor())
    assert [row.title for row in found.rows] == ["cut, tiny, cut", "cut, tiny, narrower"]


def test_directions_that_differ_do_not_compare(run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set")
    back = tmp_path / "back"
    shutil.copytree(run_directory("cut"), back)
    for config in back.rglob("config.yaml"):
        (config.parent / "SHA256SUMS").unlink(missing_ok=True)
        text = config.read_text().replace("source: horse", "source: x").replace("target: zebra", "target: horse")
        config.write_text(text.replace("source: x", "source: zebra"))
    with pytest.raises(UserError, match="different directions do not compare"):
        compare_runs([run_directory("cut"), back], [data], extractor=extractor())


def test_sizes_that_differ_do_not_compare(run_directory: Runs, tmp_path: Path) -> None:
    large = tmp_path / "large"
    shutil.copytree(run_directory("cut"), large)
    for config in large.rglob("config.yaml"):
        (config.parent / "SHA256SUMS").unlink(missing_ok=True)
        config.write_text(config.read_text().replace("size: 32", "size: 64"))
    with pytest.raises(UserError, match="different sizes do not compare"):
        compare_runs([run_directory("cut"), large], [data_set(tmp_path / "set")], extractor=extractor())


def test_a_strip_shows_inputs_above_translations(run_directory: Runs, tmp_path: Path) -> None:
    picture = strip(run_directory("cut"), [data_set(tmp_path / "set")], None)
    assert picture.shape == (3, 2 * 34 + 2, SHOWN * 34 + 2)
    assert picture.min() >= 0
    assert picture.max() <= 1
