import json
from pathlib import Path

import pytest
import torch
from engine.heard import Heard

import instar
from instar.cli import main
from instar.core.errors import UserError
from instar.core.events import Event, Scored
from instar.core.formats import DomainFormat
from instar.core.method import defaults
from instar.core.registry import get
from instar.data import ImageRef
from instar.data.labels import square
from instar.evaluation.validation import ValidationScores, best_checkpoint, extractor_of
from instar.metrics.kid import kernel_distance

from .parts import data_set, extractor, noise

COLOUR = DomainFormat(channels=3)
FORMATS = dict.fromkeys("abc", COLOUR)

TINY = "--preset tiny --steps 8 --train.save-every 3 --train.keep 1 --train.score-every 2 --train.log-every 4"
COLOURS = "--train.score-with evaluation.parts:colours --device cpu"


def refs(folder: Path) -> list[ImageRef]:
    return [ImageRef(path) for path in sorted(folder.iterdir())]


def test_the_mean_of_both_directions(tmp_path: Path) -> None:
    class Twice(torch.nn.Module):
        targets = ("a", "b")

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def translate(self, x: torch.Tensor, *, to: str) -> torch.Tensor:
            return -x if to == "a" else x

    a, b = refs(noise(tmp_path / "a", 9, 0, 100)), refs(noise(tmp_path / "b", 8, 100, 200))
    found = ValidationScores(extractor(), {"a": a, "b": b}, FORMATS, 32, 0)(Twice())
    mean, to_a, to_b = found.values()
    assert next(iter(found)) == "validation/Colours-KID"
    assert mean == pytest.approx((to_a + to_b) / 2)
    features = [extractor().features([x]) for x in (load(a), load(b), -load(b))]
    assert to_b == pytest.approx(kernel_distance(features[0], features[1]))
    assert to_a == pytest.approx(kernel_distance(features[2], features[0]))


class Tinted(torch.nn.Module):
    """Its style is a brightness; one is drawn for a batch."""

    targets = ("b",)

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.drawn: list[float] = []

    def sample_style(self, n: int) -> torch.Tensor:
        return torch.randn(n, 1)

    def encode_style(self, reference: torch.Tensor, *, domain: str) -> torch.Tensor:
        return reference.mean((1, 2, 3))[:, None]

    def translate(self, x: torch.Tensor, *, to: str = "b", style: torch.Tensor | None = None) -> torch.Tensor:
        style = self.sample_style(1).expand(len(x), -1) if style is None else style
        self.drawn += style[:, 0].tolist()
        return x + style[..., None, None]


def test_each_image_has_a_style_of_its_own_and_the_same_at_all_times(tmp_path: Path) -> None:
    images = {"a": refs(noise(tmp_path / "a", 9)), "b": refs(noise(tmp_path / "b", 8))}
    score, method = ValidationScores(extractor(), images, FORMATS, 32, 0), Tinted()
    first = score(method)
    assert len(set(method.drawn)) == len(method.drawn) == 9
    torch.manual_seed(7)
    assert score(method) == first


def load(found: list[ImageRef]) -> torch.Tensor:
    return torch.stack([square(ref, COLOUR, 32) for ref in found])


def test_a_one_way_method_has_one_number(tmp_path: Path) -> None:
    images = {"a": refs(noise(tmp_path / "a", 8)), "b": refs(noise(tmp_path / "b", 8))}
    method = get("cut")(defaults("cut", get("cut"), "tiny").method).eval()
    with torch.inference_mode():
        assert list(ValidationScores(extractor(), images, FORMATS, 32, 0)(method)) == ["validation/Colours-KID"]


def test_too_few_images_name_the_flag(tmp_path: Path) -> None:
    few = refs(noise(tmp_path / "a", 7))
    with pytest.raises(UserError, match=r"train\.score_every needs images .* set data\.validation=8 or more"):
        ValidationScores(extractor(), {"a": few, "b": few}, FORMATS, 32, 0)


def test_an_extractor_that_is_not_there() -> None:
    with pytest.raises(UserError, match=r"train\.score_with=mobilenet=none.npz: weights: .*none.npz"):
        extractor_of("mobilenet=none.npz")


def test_a_run_keeps_its_best_checkpoint_and_evaluate_shows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = data_set(tmp_path / "set", train=20), tmp_path / "run"
    flags = f"{TINY} {COLOURS} --data.validation 8"
    assert main.run(["train", "cut", str(data), "-o", str(run), *flags.split()]) == 0
    assert "8 more of each kept to score the run while it trains" in capsys.readouterr().err
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    scores = {row["step"]: score for row in rows for name, score in row.items() if name.endswith("KID")}
    assert list(scores) == [2, 4, 6, 8]
    best = min(scores, key=lambda step: scores[step])
    kept = {path.name for path in (run / "checkpoints").iterdir()}
    assert kept == {"step-000000008", f"step-{best:09d}"}
    training = json.loads((run / "checkpoints/step-000000008/training.json").read_text())
    assert training["best"] == [[best, scores[best]]]
    assert best_checkpoint(training, run) == run / "checkpoints" / f"step-{best:09d}"
    out = tmp_path / "scores.json"
    assert main.run(["evaluate", str(run), "--extractor", "evaluation.parts:colours", "-o", str(out)]) == 0
    titles = [column["title"] for column in json.loads(out.read_text())["columns"]]
    assert titles == [
        "copy of the input",
        "real images",
        *(["last, best on validation"] if best == 8 else ["last", "best on validation"]),
    ]


def test_scoring_does_not_change_the_run(tmp_path: Path) -> None:
    data = data_set(tmp_path / "set", train=20)
    weights = []
    for name, flags in (("plain", "--train.score-every 0"), ("scored", COLOURS)):
        run = tmp_path / name
        words = f"{TINY} --data.validation 8 --device cpu {flags}".split()
        assert main.run(["train", "munit", str(data), "-o", str(run), *words]) == 0
        weights.append((run / "checkpoints/step-000000008/method.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_validation_images_are_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = data_set(tmp_path / "set", train=20)
    words = f"{TINY} {COLOURS}".split()
    assert main.run(["train", "cut", str(data), "-o", str(tmp_path / "run"), *words]) == 2
    assert "--train.score-every needs images to score with" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_val_folder_scores_the_run_and_all_training_images_train_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = data_set(tmp_path / "set", train=10), tmp_path / "run"
    for domain, low in (("horse", 0), ("zebra", 150)):
        noise(data / "val" / domain, 9, low, low + 100)
    words = f"{TINY} {COLOURS} --data.validation 9".split()
    assert main.run(["train", "cut", str(data), "-o", str(run), *words]) == 0
    said = capsys.readouterr().err
    assert "horse: 10 images to train on, 12 held out" in said
    assert "validation images are those of the val folder" in said
    assert any("validation/" in line for line in (run / "metrics.jsonl").read_text().splitlines())


class Mixed(torch.nn.Module):
    """Gives real images of the target for some of its inputs, and the inputs as they are for the others.

    Of all real images the farthest from the others is not counted as looking real.
    """

    targets = ("b",)

    def __init__(self, real: torch.Tensor, share: float) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.real, self.share = real, share

    def translate(self, x: torch.Tensor, *, to: str) -> torch.Tensor:
        count = round(self.share * len(x))
        return torch.cat([self.real[:count], x[count:]])


def domains(root: Path, count: int) -> dict[str, list[ImageRef]]:
    return {"a": refs(noise(root / f"a{count}", count, 0, 100)), "b": refs(noise(root / f"b{count}", count, 150, 250))}


@pytest.mark.parametrize(("share", "words"), [(0.0, "nearly a copy"), (0.5, "target in 50%"), (1.0, "target in 100%")])
def test_the_share_that_shows_the_target(tmp_path: Path, share: float, words: str) -> None:
    images = domains(tmp_path, 20)
    score = ValidationScores(extractor(), images, FORMATS, 32, 0, training=domains(tmp_path, 40))
    found = score(Mixed(load(images["b"]), share))
    assert list(found) == ["validation/Colours-KID", "validation/target share"]
    assert found["validation/target share"] == pytest.approx(share, abs=0.06)
    assert score.verdicts == {"b": words}


def test_without_training_images_there_is_the_distance_alone(tmp_path: Path) -> None:
    images = domains(tmp_path, 20)
    for training in (None, domains(tmp_path, 9)):
        score = ValidationScores(extractor(), images, FORMATS, 32, 0, training=training)
        assert list(score(Mixed(load(images["b"]), 0.5))) == ["validation/Colours-KID"]
        assert score.verdicts == {}


def test_a_training_ends_with_a_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = data_set(tmp_path / "set", train=20)
    flags = f"{TINY} {COLOURS} --data.validation 8"
    assert main.run(["train", "cut", str(data), "-o", str(tmp_path / "run"), *flags.split()]) == 0
    assert "validation images to zebra: " in capsys.readouterr().err
    assert "validation images to zebra: " in (tmp_path / "run" / "run.log").read_text()


def test_validation_images_that_cannot_be_read(tmp_path: Path) -> None:
    images = domains(tmp_path, 12)
    for ref in images["a"][:3]:
        ref.path.write_bytes(ref.path.read_bytes()[:60])
    score = ValidationScores(extractor(), images, FORMATS, 32, 0)
    assert list(score(Mixed(load(images["b"]), 0.5))) == ["validation/Colours-KID"]
    for ref in images["a"][3:5]:
        ref.path.write_bytes(b"")
    with pytest.raises(UserError, match=r"only 7 of the 12 validation images can be read, .*; scores need 8") as error:
        ValidationScores(extractor(), images, FORMATS, 32, 0)
    assert "\n" not in str(error.value)


def test_validation_images_that_go_while_it_trains(tmp_path: Path) -> None:
    """The training goes on, and is saved; the step without a score is named."""
    data = data_set(tmp_path / "set", train=20)
    heard = Heard()

    def watch(event: Event) -> None:
        heard(event)
        if isinstance(event, Scored) and event.step == 2:
            for path in (data / "train").rglob("*.png"):
                path.write_bytes(b"gone")

    instar.train(
        "cut", data, out=tmp_path / "run", preset="tiny", steps=6, device="cpu", on_event=watch,
        data={"validation": 8}, train={"score_every": 2, "score_with": "evaluation.parts:colours"},
    )  # fmt: skip
    assert [scored.step for scored in heard.of(Scored)] == [2]
    assert [line.split(":")[0] for line in heard.warnings] == [f"step {step} could not be scored" for step in (4, 6)]
    assert (tmp_path / "run" / "checkpoints" / "step-000000006").is_dir()


def test_what_breaks_while_it_is_scored_loses_no_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(ValidationScores, "__call__", broken)
    with pytest.raises(MemoryError):
        instar.train(
            "cut", data_set(tmp_path / "set", train=20), out=tmp_path / "run", preset="tiny", steps=6, device="cpu",
            data={"validation": 8}, train={"score_every": 4, "score_with": "evaluation.parts:colours"},
        )  # fmt: skip
    assert (tmp_path / "run" / "checkpoints" / "step-000000004").is_dir()
