"""The parts of the page without the page."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="needs gradio: pip install '.[studio]'")
from PIL import Image
from reports import viewed

import instar
from instar.cli.flags import spell
from instar.cli.train import parse_method
from instar.core.errors import UserError
from instar.data.drawn import sets
from instar.studio import html
from instar.studio.context import Studio
from instar.studio.jobs import Jobs, Status
from instar.studio.models import Models
from instar.studio.root import Root
from instar.studio.tabs import images, runs, scores, train, translate

Runs = Callable[..., Path]


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    root = Root(tmp_path)
    (root.own / "work").mkdir(parents=True)
    return Studio(root, Jobs(root), Models(), spell, root.own / "work")


def with_run(studio: Studio, made: Path, name: str = "first") -> str:
    """A run in the studio's folder, of the files of another."""
    shutil.copytree(made, studio.root.path / name)
    return name


def test_looking_at_images(studio: Studio) -> None:
    sets.write("mask", studio.root.path / "masks", "easy", 64, 24, 4)
    (studio.root.path / "masks" / "trainA" / "broken.png").write_bytes(b"none")
    found = images.look(studio.folders("masks"))
    assert found.report.problems == 1
    assert found.advice is not None
    assert found.advice.minutes is None
    shown = list(images.thumbnails(found.report))
    assert {word for _, word in shown} == {"A, train", "B, train", "A, test", "B, test"}
    assert max(max(picture.size) for picture, _ in shown) <= images.SIDE
    with pytest.raises(UserError):
        images.look(studio.folders("masks", "../other"))


def test_too_few_images_are_shown_without_advice(studio: Studio) -> None:
    sets.write("mask", studio.root.path / "masks", "easy", 64, 3, 1)
    found = images.look(studio.folders("masks"))
    assert found.advice is None
    assert "20 images of each" in str(found.why)


def test_drawing_a_set(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "write", lambda kind, part: (part / kind).touch())
    assert images.draw(studio, "mask") == "drawn/mask"
    assert (studio.root.path / "drawn" / "mask" / "mask").exists()
    with pytest.raises(UserError, match="exists already"):
        images.draw(studio, "mask")


@pytest.mark.parametrize(
    "asked",
    [
        train.Asked((Path("/data"),), "quick", "small", 77, "bf16"),
        train.Asked((Path("/a b"), Path("/-c")), "cyclegan", "tiny", 5, "32", "-horse", "zebra x"),
    ],
)
def test_a_training_is_begun_as_it_was_asked_for(asked: train.Asked, tmp_path: Path) -> None:
    method, *flags = asked.arguments(tmp_path / "run")
    config, own = parse_method(method, flags)
    assert config == asked.config()
    assert own["out"] == tmp_path / "run"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 0}, "steps"),
        ({"preset": "no"}, "preset"),
        ({"method": "no"}, "no"),
        ({"precision": "8"}, "precision"),
        ({"method": "/data/code.py"}, "no method"),
    ],
)
def test_wrong_settings_are_a_line_before_anything_begins(change: dict[str, object], words: str) -> None:
    wrong = {"method": "quick", "preset": "small", "steps": 5, "precision": "32", **change}
    with pytest.raises(UserError, match=words):
        train.Asked((Path("/data"),), **wrong).config()  # type: ignore[arg-type]


def test_presets_to_begin_with() -> None:
    assert train.usual("cut", None).preset == "small"
    assert train.usual("cut", "fastcut").preset == "fastcut"
    assert train.usual("cut", "of another method").preset == "small"
    assert "64 px" in train.about(train.usual("cut", "small"))
    with pytest.raises(UserError):
        train.usual("none", None)


def test_the_table_of_trainings_escapes_what_it_shows() -> None:
    text = html.runs([Status("<b>", "failed", said="<script>"), Status("x", "training", "CUT", 5, 10, 90.0)])
    assert "<b>" not in text
    assert "<script>" not in text
    assert "5 of 10" in text
    assert "90 s" in text
    assert html.runs([]).strip() == "<p>There are no runs in this folder yet.</p>"


def test_what_cannot_go_on(studio: Studio) -> None:
    viewed.make(studio.root.path / "first", steps=10)
    for steps in (0, None, 10):
        with pytest.raises(UserError, match="finished; to train on, give more than 10 steps"):
            runs.resume(studio, "first", steps)
    with pytest.raises(UserError, match="no such file or folder"):
        runs.resume(studio, "none", 0)


def test_a_model_as_a_file_can_be_loaded_elsewhere(studio: Studio, run_directory: Runs, tmp_path: Path) -> None:
    name = with_run(studio, run_directory("cut"))
    made = runs.download(studio, name, "run")
    assert made.is_relative_to(studio.work)
    with zipfile.ZipFile(made) as file:
        file.extractall(tmp_path / "elsewhere")
    (folder,) = (tmp_path / "elsewhere").iterdir()
    image = Image.new("RGB", (32, 32), "red")
    ours = instar.load(studio.root.path / name).translate(image)
    assert instar.load(folder).translate(image).tobytes() == ours.tobytes()  # type: ignore[union-attr]
    with pytest.raises(UserError, match="no such format"):
        runs.download(studio, name, "pickle")


def test_an_image_and_its_translation(studio: Studio, run_directory: Runs, tmp_path: Path) -> None:
    model = studio.models.get(studio.root.path / with_run(studio, run_directory("cut")))
    assert studio.models.get(studio.root.path / "first") is model, "it is kept"
    facts = translate.Facts.of(model)
    assert facts.targets == ("zebra",)
    assert not facts.styles
    Image.new("RGB", (40, 32), "red").save(tmp_path / "x.png")
    before, (after,) = translate.translated(model, tmp_path / "x.png", translate.Wanted("zebra"))
    assert before.size == after.size == (40, 32)
    file = translate.written(studio, [after], "x-translated")
    assert file.name == "x-translated.png"
    assert Image.open(file).tobytes() == after.tobytes()  # type: ignore[union-attr]
    (tmp_path / "broken.png").write_bytes(b"none")
    with pytest.raises(UserError, match="the image cannot be read"):
        translate.translated(model, tmp_path / "broken.png", translate.Wanted())
    with pytest.raises(UserError, match="translates to zebra"):
        translate.translated(model, tmp_path / "x.png", translate.Wanted("dog"))


def test_styles_and_references(studio: Studio, run_directory: Runs, tmp_path: Path) -> None:
    model = studio.models.get(studio.root.path / with_run(studio, run_directory("munit")))
    assert translate.Facts.of(model).styles
    Image.new("RGB", (32, 32), "red").save(tmp_path / "x.png")
    Image.new("RGB", (32, 32), "blue").save(tmp_path / "like.png")
    _, three = translate.translated(model, tmp_path / "x.png", translate.Wanted(count=3, seed=1))
    assert len({one.tobytes() for one in three}) == 3  # type: ignore[union-attr]
    _, (like,) = translate.translated(model, tmp_path / "x.png", translate.Wanted(reference=tmp_path / "like.png"))
    assert like.size == (32, 32)
    with zipfile.ZipFile(translate.written(studio, three, "x")) as file:
        assert sorted(file.namelist()) == ["x-style1.png", "x-style2.png", "x-style3.png"]


def test_what_scores_refuse(studio: Studio, run_directory: Runs) -> None:
    name = with_run(studio, run_directory("cut"))
    other = with_run(studio, run_directory("cut"), "second")
    for names, words in (
        ([], "choose a run"),
        (None, "choose a run"),
        (["../x"], "outside"),
        ([name, other], "one run"),
    ):
        with pytest.raises(UserError, match=words):
            scores.score(studio, names, "efficientnet")
    with pytest.raises(UserError, match="no features"):
        scores.score(studio, [name], "os:getcwd")
    with pytest.raises(UserError, match="a name has letters"):
        scores.compared(studio, [name], "efficientnet", "../x")


def test_a_handler_that_fails_says_one_line(studio: Studio) -> None:
    def fail(error: Exception) -> str:
        raise error

    assert studio.guarded(1)(fail)(UserError("<b> is wrong")) == html.warning("<b> is wrong")
    first, *others = studio.guarded(3)(fail)(RuntimeError("internals"))
    assert "internals" not in first
    assert "an error of the studio" in first
    assert len(others) == 2
    assert "out of memory" in studio.guarded(1)(fail)(MemoryError())
    assert "<b>" not in html.warning("<b>")
