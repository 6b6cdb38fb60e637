"""Files in, files out, from Python: what is told, and what is left on the disk."""

import json
import os
import threading
from collections.abc import Callable
from dataclasses import fields
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import instar
from instar.api.translate import styles, translate
from instar.core.errors import UserError
from instar.core.events import Event, Noted, Worked
from instar.inference.request import TranslationRequest

Runs = Callable[..., Path]
rng = np.random.default_rng(0)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("1.png", "2.png", "sub/3.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 40, 3), dtype=np.uint8)).save(path)
    return tmp_path / "photos"


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_arguments_are_those_of_a_request() -> None:
    """With the same defaults: what the command line offers, Python offers."""
    given = signature(translate).parameters
    assert {one.name for one in fields(TranslationRequest)} <= set(given)
    for one in fields(TranslationRequest):
        if one.name not in ("inputs", "out"):
            assert given[one.name].default == one.default, one.name


def test_a_folder(photos: Path, run_directory: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "bad.png").write_bytes(b"")
    (photos / "notes.txt").write_text("hello")
    run, out, events = run_directory(), tmp_path / "out", list[Event]()
    done = translate(run, photos, out, device="cpu", on_event=events.append)
    assert (done.translated, done.total, done.ignored, done.stopped) == (3, 4, 1, False)
    assert done.failed == ((str(photos / "bad.png"), "the file is empty"),)
    assert (done.out, done.manifest, done.grid, done.landmarks) == (out, out / "manifest.jsonl", None, None)
    assert files(out) == {"1.png", "2.png", "sub/3.png", "manifest.jsonl"}
    assert events == [Worked("translating images", number, 4) for number in range(5)]
    assert capsys.readouterr() == ("", "")
    model = instar.load(run, "cpu")
    for name in ("1.png", "sub/3.png"):
        expected = np.asarray(model.translate(photos / name)).astype(int)
        assert np.abs(np.asarray(Image.open(out / name)) - expected).max() <= 1  # in a batch, then rounded


def test_a_loaded_model_and_several_inputs(photos: Path, run_directory: Runs, tmp_path: Path) -> None:
    model = instar.load(run_directory(), "cpu")
    done = translate(model, [photos / "1.png", f"{photos}/sub/*.png"], str(tmp_path / "out"), to="horse", grid=True)
    assert (done.translated, done.failed) == (2, ())
    assert done.grid == tmp_path / "out" / "grid.png"
    assert files(done.out) == {"1.png", "3.png", "manifest.jsonl", "grid.png"}


def test_styles_and_a_grid(photos: Path, run_directory: Runs, tmp_path: Path) -> None:
    done = translate(
        run_directory("munit"), photos / "1.png", tmp_path / "out", device="cpu", samples=2, reference=photos / "2.png"
    )
    assert files(done.out) == {"1_seed0-0.png", "1_seed0-1.png", "1_like-2.png", "manifest.jsonl"}
    assert (done.translated, done.total) == (3, 3)


def test_landmarks(photos: Path, run_directory: Runs, tmp_path: Path) -> None:
    """The reference stands over its own column, whatever else is written."""
    done = translate(
        run_directory("transgaga"), photos / "1.png", tmp_path / "out", device="cpu",
        reference=[photos / "2.png"], landmarks=True, grid=True, move="1:0.1,0",
    )  # fmt: skip
    assert done.landmarks == tmp_path / "out" / "landmarks.csv"
    assert files(done.out) == {
        "1_like-2.png", "1_landmarks.png", "landmarks.csv", "grid.png", "manifest.jsonl",
    }  # fmt: skip
    board = np.asarray(Image.open(tmp_path / "out" / "grid.png"))
    over = [board[18:146, 128 * column : 128 * (column + 1)] for column in range(3)]
    assert [bool((tile == 255).all()) for tile in over] == [True, False, True]


def test_a_note_names_the_setting(photos: Path, run_directory: Runs, tmp_path: Path) -> None:
    Image.fromarray(rng.integers(0, 256, (100, 100, 3), dtype=np.uint8)).save(photos / "large.png")
    events = list[Event]()
    done = translate(run_directory(), photos, tmp_path / "out", device="cpu", on_event=events.append)
    (note,) = (event for event in events if isinstance(event, Noted))
    assert done.notes == (note.text,)
    assert note.text.startswith(
        f"{photos / 'large.png'} is 100 x 100, the model was trained on images of short side 36"
    )
    assert note.text.endswith("; if the results disappoint, try size=36")


def test_reasons_in_the_manifest_name_settings(
    photos: Path, run_directory: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = instar.load(run_directory(), "cpu")

    def tight(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(model, "images", tight)
    done = translate(model, photos / "1.png", tmp_path / "out")
    (line,) = map(json.loads, done.manifest.read_text().splitlines())
    remedy = "set tile=auto or a lower size"  # it is on the CPU already
    assert line["error"] == str(done.failed[0].reason) == f"out of memory at 40 x 32; {remedy}"


def test_a_stop_between_batches(photos: Path, run_directory: Runs, tmp_path: Path) -> None:
    stop = threading.Event()

    def listen(event: Event) -> None:
        if isinstance(event, Worked) and event.done == 1:
            stop.set()

    done = translate(run_directory(), photos, tmp_path / "out", device="cpu", batch=1, on_event=listen, stop=stop)
    assert done.stopped
    assert 1 <= done.translated < 3
    assert len(done.manifest.read_text().splitlines()) == done.translated


def test_nothing_is_written_where_something_is_wrong(photos: Path, run_directory: Runs, tmp_path: Path) -> None:
    run, out = run_directory(), tmp_path / "out"
    for inputs, options, message in (
        (photos / "none.png", {}, "there is no such file or folder"),
        ([], {}, "nothing to translate"),
        (photos, {"to": "cow"}, "^to=cow: this model translates to horse or zebra$"),
        (photos, {"size": 1}, "^size must be at least 8, not 1$"),
        (photos, {"samples": 2}, "^samples: cyclegan cannot do that"),
    ):
        with pytest.raises(UserError, match=message):
            translate(run, inputs, out, device="cpu", **options)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="not a run directory"):
        translate(tmp_path, photos, out)
    assert not out.exists()


def test_styles_as_a_table(photos: Path, run_directory: Runs, tmp_path: Path) -> None:
    (photos / "bad.png").write_bytes(b"")
    run, events = run_directory("tunit"), list[Event]()
    table = styles(run, photos, tmp_path / "styles.npz", device="cpu", on_event=events.append)
    assert [Path(file).name for file in table.files] == ["1.png", "2.png", "3.png"]
    assert table.failed == ((str(photos / "bad.png"), "the file is empty"),)
    assert (table.styles.shape, table.probabilities.shape, table.domains.shape) == ((3, 8), (3, 3), (3,))
    assert events == [Worked("reading styles", number, 4) for number in range(1, 5)]
    model = instar.load(run, "cpu")
    np.testing.assert_allclose(table.styles[1], model.style_of(photos / "2.png").numpy(), rtol=1e-5)
    np.testing.assert_allclose(table.probabilities[1], model.cluster(photos / "2.png").numpy(), rtol=1e-5)
    with np.load(tmp_path / "styles.npz") as written:
        assert np.array_equal(written["style"], table.styles)
        assert written["domain"].tolist() == table.domains.tolist()


def test_styles_without_a_file_or_domains(photos: Path, run_directory: Runs, tmp_path: Path) -> None:
    model = instar.load(run_directory("munit"), "cpu")
    stop = threading.Event()
    stop.set()
    assert len(styles(model, photos, stop=stop).files) == 1
    table = styles(model, [photos / "1.png", photos / "sub"], to="horse")
    assert (len(table.files), table.probabilities.shape) == (2, (2, 0))
    assert not list(tmp_path.glob("*.npz"))
    with pytest.raises(UserError, match=r"^out=styles\.txt: give a file that ends with \.csv or \.npz$"):
        styles(model, photos, "styles.txt")


def test_a_second_translation_keeps_the_manifest_of_the_first(
    photos: Path, run_directory: Runs, tmp_path: Path
) -> None:
    model, out = instar.load(run_directory(), "cpu"), tmp_path / "out"
    inputs = (photos / "1.png", photos / "2.png", photos / "1.png")
    made = [translate(model, one, out).manifest for one in inputs]
    assert made == [out / name for name in ("manifest.jsonl", "manifest-2.jsonl", "manifest-3.jsonl")]
    assert [json.loads(path.read_text())["input"] for path in made if path] == [str(one) for one in inputs]


def test_one_result_has_the_name_that_is_asked_for(photos: Path, run_directory: Runs, tmp_path: Path) -> None:
    model, out = instar.load(run_directory(), "cpu"), tmp_path / "new" / "made.jpg"
    done = translate(model, photos / "1.png", out)
    assert (done.translated, done.out, done.manifest) == (1, out, None)
    assert files(tmp_path / "new") == {"made.jpg"}
    assert Image.open(out).format == "JPEG"
    translate(model, photos / "2.png", out)
    assert files(tmp_path / "new") == {"made.jpg"}
    with pytest.raises(UserError, match=r"out=.*made\.jpg is one file, for 3 results or inputs; give a folder"):
        translate(model, photos, out)
    with pytest.raises(UserError, match="would be overwritten"):
        translate(model, photos / "1.png", photos / "1.png")
    (tmp_path / "folder.png").mkdir()
    translate(model, photos / "1.png", tmp_path / "folder.png")
    assert files(tmp_path / "folder.png") == {"1.png", "manifest.jsonl"}


def test_metadata_is_kept_only_if_asked_for(photos: Path, run_directory: Runs, tmp_path: Path) -> None:
    model, exif = instar.load(run_directory(), "cpu"), Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    Image.open(photos / "1.png").save(photos / "1.jpg", exif=exif, dpi=(300, 300))
    Image.open(photos / "1.png").save(photos / "1.gif")
    for metadata, expected in (("strip", None), ("keep", "Maker")):
        translate(model, photos / "1.jpg", tmp_path / metadata, metadata=metadata)
        with Image.open(tmp_path / metadata / "1.jpg") as image:
            assert image.getexif().get(0x010F) == expected
            assert image.getexif().get(0x0112, 1) == 1
            assert image.size == (32, 40)
            assert image.info.get("dpi") == ((300, 300) if expected else None)


def test_what_cannot_be_kept_is_in_the_manifest_and_counted(photos: Path, run_directory: Runs, tmp_path: Path) -> None:
    frames = [Image.open(photos / f"{number}.png") for number in (1, 2)]
    frames[0].save(photos / "pages.tif", save_all=True, append_images=frames[1:])
    done = translate(instar.load(run_directory(), "cpu"), photos, tmp_path / "out", samples=None)
    word = "2 pages or frames, of which the first is read"
    lines = [json.loads(line) for line in (tmp_path / "out/manifest.jsonl").read_text().splitlines()]
    assert {Path(line["input"]).name: line["note"] for line in lines if "note" in line} == {"pages.tif": word}
    assert done.notes == (f"{word}: 1 image, {photos / 'pages.tif'} first",)


def test_what_cannot_be_read_in_a_folder_is_a_failure(photos: Path, run_directory: Runs, tmp_path: Path) -> None:
    os.mkfifo(photos / "pipe.png")
    (photos / "@eaDir").mkdir()
    done = translate(run_directory(), photos, tmp_path / "out", device="cpu")
    assert (done.translated, done.total, done.stopped) == (3, 4, False)
    assert done.failed == ((str(photos / "pipe.png"), "no regular file"),)
    assert done.notes == (f"left out: 1 hidden or made by the system: {photos / '@eaDir'}",)


def test_masks_and_label_maps(photos: Path, run_directory: Runs, tmp_path: Path) -> None:
    """Outside the mask the input, inside what is translated without one; label maps beside the results, unchanged."""
    for name in ("1.tif", "2.png", "sub/3.png"):
        for folder in ("masks", "labels"):
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
        shape = np.zeros((32, 40), np.uint8)
        shape[:, :20] = 255
        Image.fromarray(shape).save(tmp_path / "masks" / name)
        Image.fromarray(rng.integers(0, 4, (32, 40), dtype=np.uint8)).save(tmp_path / "labels" / name)
    run, plain, out = run_directory("munit"), tmp_path / "plain", tmp_path / "out"
    translate(run, photos, plain, samples=2, device="cpu")
    done = translate(
        run, photos, out, samples=2, keep_outside=tmp_path / "masks", labels=tmp_path / "labels", device="cpu"
    )
    assert (done.translated, done.failed, done.labels) == (6, (), tmp_path / "out_labels")
    for name in ("1", "2", "sub/3"):
        given = np.asarray(Image.open(photos / f"{name}.png"))
        for number in range(2):
            result = np.asarray(Image.open(out / f"{name}_seed0-{number}.png"))
            assert np.array_equal(result[:, 20:], given[:, 20:])
            assert np.array_equal(result[:, :20], np.asarray(Image.open(plain / f"{name}_seed0-{number}.png"))[:, :20])
    assert files(tmp_path / "out_labels") == {
        f"{name}_seed0-{number}.{suffix}"
        for name, suffix in (("1", "tif"), ("2", "png"), ("sub/3", "png"))
        for number in range(2)
    }
    assert (tmp_path / "out_labels/sub/3_seed0-1.png").read_bytes() == (tmp_path / "labels/sub/3.png").read_bytes()


def test_an_image_without_a_mask_fails_alone(photos: Path, run_directory: Runs, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    Image.new("L", (40, 32), 255).save(tmp_path / "masks/1.png")
    Image.new("L", (30, 32), 255).save(tmp_path / "masks/2.png")
    done = translate(run_directory(), photos, tmp_path / "out", keep_outside=tmp_path / "masks", device="cpu")
    assert done.translated == 1
    reasons = {Path(one.file).name: one.reason for one in done.failed}
    assert "is 30 x 32, its image 40 x 32" in reasons["2.png"]
    assert "holds no image sub/3" in reasons["3.png"]
    assert files(tmp_path / "out") == {"1.png", "manifest.jsonl"}


def test_attention_is_no_translation(photos: Path, run_directory: Runs, tmp_path: Path) -> None:
    (tmp_path / "masks/sub").mkdir(parents=True)
    for name in ("1", "2", "sub/3"):
        Image.new("L", (40, 32)).save(tmp_path / f"masks/{name}.png")
    run = run_directory("ugatit")
    translate(run, photos, tmp_path / "out", heatmap=True, keep_outside=tmp_path / "masks", device="cpu")
    translate(run, photos, tmp_path / "plain", heatmap=True, device="cpu")
    assert (tmp_path / "out/1_heatmap.png").read_bytes() == (tmp_path / "plain/1_heatmap.png").read_bytes()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out/1.png")), np.asarray(Image.open(photos / "1.png")))


def test_label_maps_are_not_written_over_themselves(photos: Path, run_directory: Runs, tmp_path: Path) -> None:
    (tmp_path / "out_labels").mkdir()
    Image.new("L", (40, 32)).save(tmp_path / "out_labels/1.png")
    with pytest.raises(UserError, match="they would be written over themselves; choose another out"):
        translate(run_directory(), photos, tmp_path / "out", labels=tmp_path / "out_labels", device="cpu")
    assert not (tmp_path / "out").exists()
