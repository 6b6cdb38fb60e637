import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

import instar
from instar.core.errors import UserError
from instar.core.events import Event, Worked
from instar.core.images import centre_square, to_array, to_tensor
from instar.core.reading import read
from instar.evaluation.report import COPY, LAST
from instar.evaluation.runs import Extras, accuracies, evaluate_run
from instar.evaluation.scores import Scorer
from instar.metrics.diversity import FeatureDistance

from .parts import data_set, extractor, noise

Runs = Callable[..., Path]


def test_copy_and_last_weights_in_both_directions(run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set")
    run = run_directory("cyclegan")
    report = evaluate_run(run, [data], extractor=extractor())
    assert report.direction == "horse -> zebra"
    assert [column.title for column in report.columns] == [COPY, LAST]
    assert (report.columns[1].step, report.columns[1].minutes) == (1, 1.5)
    assert "12 against 12 images; centre squares at 32 px" in report.protocol
    assert any("only 12 test images of horse" in note for note in report.notes)
    assert any("the training images are not where they were" in note for note in report.notes)
    back = evaluate_run(run, [data], extractor=extractor(), to="horse")
    assert back.direction == "zebra -> horse"
    assert back.columns[1].scores[0].value != report.columns[1].scores[0].value
    assert json.loads(report.as_json())["columns"][1]["scores"][0]["name"] == "Colours-KID"


@pytest.mark.parametrize("name", ["cut", "munit"])
def test_the_scores_are_those_of_the_translations(run_directory: Runs, tmp_path: Path, name: str) -> None:
    """With styles, each input in a style of its own: that of its place as the seed."""
    data = data_set(tmp_path / "set")
    run = run_directory(name)
    report = evaluate_run(run, [data], extractor=extractor())

    def tensors(domain: str) -> list:
        files = [data / "test" / domain / f"{i}.png" for i in range(12)]
        return [to_tensor(centre_square(to_array(read(path), 3), 32))[None] for path in files]

    translator = instar.load(run)
    seeds = range(12) if name == "munit" else [0] * 12
    rows = [(x, translator.translate(x, seed=seed), None) for x, seed in zip(tensors("horse"), seeds, strict=True)]
    assert ("a style of its own" in report.protocol) == (name == "munit")
    expected, _ = Scorer.of(extractor(), tensors("zebra")).scores(rows)
    for found, wanted in zip(report.columns[1].scores, expected, strict=True):
        assert found.name == wanted.name
        assert found.value == pytest.approx(wanted.value, rel=1e-3, abs=1e-4)


def test_another_size_than_that_of_the_training(run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set")
    run = shutil.copytree(run_directory("cyclegan"), tmp_path / "run")
    (config,) = run.glob("checkpoints/*/config.yaml")
    (config.parent / "SHA256SUMS").unlink()
    config.write_text(re.sub("zoom: .*", "zoom: 2.0", config.read_text()))
    shrunk = evaluate_run(run, [data], extractor=extractor())
    assert "centre squares at 32 px" in shrunk.protocol
    assert [note for note in shrunk.notes if "cut out of images of 64 px" in note and "; size=64 shows them" in note]
    whole = evaluate_run(run, [data], extractor=extractor(), extras=Extras(size=64))
    assert "centre squares at 64 px" in whole.protocol
    assert not [note for note in whole.notes if "size=" in note]
    assert whole.columns[1].scores[0].value != shrunk.columns[1].scores[0].value
    with pytest.raises(UserError, match="size=64: these networks take 28 px; leave it out"):
        evaluate_run(run_directory("unit-adaptation"), [data], extras=Extras(size=64))


def test_a_run_that_still_trains(run_directory: Runs, tmp_path: Path) -> None:
    """What is scored is what was last at the start, though the training has dropped it since."""
    run = shutil.copytree(run_directory("cut"), tmp_path / "run")
    data = data_set(tmp_path / "set")

    def dropped(event: Event) -> None:
        if isinstance(event, Worked) and event.what == COPY:
            shutil.rmtree(run / "checkpoints", ignore_errors=True)

    column = evaluate_run(run, [data], extractor=extractor(), on_event=dropped).columns[-1]
    assert (column.title, column.step, column.minutes) == (LAST, 1, 1.5)


def test_the_accuracy_of_a_run_that_still_trains(run_directory: Runs, tmp_path: Path) -> None:
    run = shutil.copytree(run_directory("unit-adaptation"), tmp_path / "run")
    classes = {"a": torch.tensor([0, 1, 2, 0]), "b": torch.tensor([0, 1, 2, 3])}

    class Images:
        def labelled(self, side: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
            shutil.rmtree(run / "checkpoints", ignore_errors=True)  # the training drops what it does not keep
            return [(torch.linspace(-1, 1, 4 * 3 * 28 * 28).view(4, 3, 28, 28), classes[side])]

    last, average, best = accuracies(run, Images())  # type: ignore[arg-type]
    assert (last.step, last.minutes) == (average.step, average.minutes) == (best.step, best.minutes) == (1, 1.5)
    assert best.scores == last.scores
    assert all(score.value in (0, 0.25, 0.5, 0.75, 1) for column in (last, average) for score in column.scores)


def test_pairs_are_scored_by_their_truth(run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set")
    report = evaluate_run(run_directory("pix2pix"), [data], extractor=extractor())
    assert {"RMSE", "SSIM", "pixel accuracy"} <= {score.name for score in report.columns[1].scores}


def test_training_images_among_the_test_images_are_named(run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set")
    (data / "test/zebra/11.png").write_bytes((data / "train/zebra/0.png").read_bytes())
    noise(data / "test/horse", 12, 0, 100)
    run = trained_on(run_directory("cut"), data, tmp_path)
    notes = evaluate_run(run, extractor=extractor()).notes
    assert any("1 of 24 are training images of this run" in note for note in notes)


def trained_on(run: Path, data: Path, tmp_path: Path) -> Path:
    """A copy of a run that says it was trained on `data`."""
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    for config in copy.rglob("config.yaml"):
        (config.parent / "SHA256SUMS").unlink(missing_ok=True)
        config.write_text(config.read_text().replace("roots: []", f"roots: [{data}]"))
    return copy


def test_distances_need_an_extractor(run_directory: Runs, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="distances need an extractor"):
        evaluate_run(run_directory("cut"), [data_set(tmp_path / "set")])


def test_diversity_of_styles(run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set", test=5)
    distance = FeatureDistance(extractor()), "why it is not LPIPS"
    report = evaluate_run(run_directory("munit"), [data], extractor=extractor(), extras=Extras(distance))
    score = report.columns[1].scores[-1]
    assert score.name == "diversity"
    assert score.value > 0
    assert any("Colours feature distance diversity, consecutive samples, 5 inputs, 95 pairs" in n for n in report.notes)
    assert "why it is not LPIPS" in report.notes
    again = tmp_path / "run"
    shutil.copytree(run_directory("munit"), again)
    shutil.copytree(again / "checkpoints/step-000000001", again / "checkpoints/step-000000000")
    _, earlier, last = evaluate_run(again, [data], extractor=extractor(), extras=Extras(distance), every=True).columns
    assert (earlier.title, last.title) == ("step-000000000", LAST)
    assert "diversity" not in [score.name for score in earlier.scores]
    assert last.scores[-1] == score
    with pytest.raises(UserError, match="cut has no styles"):
        evaluate_run(run_directory("cut"), [data], extractor=extractor(), extras=Extras(distance))


def test_what_cannot_be_read_is_left_out_named_and_not_counted(run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set", test=8)
    for domain in ("horse", "zebra"):
        folder = data / "test" / domain
        (folder / "-first.png").write_bytes(b"no image")
        (folder / "gone.png").symlink_to(tmp_path / "nowhere.png")
        whole = noise(tmp_path / domain, 1, side=200) / "0.png"
        Image.effect_noise((200, 200), 90).convert("RGB").save(whole)
        (folder / "x.png").write_bytes(whole.read_bytes()[:-3000])
    report = evaluate_run(run_directory("cut"), [data], extractor=extractor())
    assert "8 against 8 images" in report.protocol
    for domain in ("horse", "zebra"):
        folder = data / "test" / domain
        told = "\n".join(report.notes)
        assert f"test images of {domain}: 3 cannot be read and are left out, {folder}/-first.png first" in told


@pytest.mark.parametrize("count", [1, 2])
def test_one_image_is_no_set(count: int, run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set", test=count)
    if count > 1:
        assert evaluate_run(run_directory("cut"), [data], extractor=extractor()).columns
        return
    with pytest.raises(UserError, match=r"need two images or more .*, not 1 translation and 1 real") as error:
        evaluate_run(run_directory("cut"), [data], extractor=extractor())
    assert "\n" not in str(error.value)
