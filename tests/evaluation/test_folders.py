import os
from pathlib import Path

import pytest
from PIL import Image

from instar.core.errors import UserError
from instar.evaluation.folders import evaluate_folders

from .parts import extractor, noise


def test_pictures_of_any_tool(tmp_path: Path) -> None:
    made, real = noise(tmp_path / "made", 12), noise(tmp_path / "real", 13, 100, 200, suffix="jpg")
    report = evaluate_folders(made, real, extractor())
    (column,) = report.columns
    assert [score.name for score in column.scores][:2] == ["Colours-KID", "Colours-FD"]
    assert "12 against 13 images" in report.protocol
    assert "at 32 px" in report.protocol
    assert any("compression" in note for note in report.notes)
    assert any("only 12 translations" in note for note in report.notes)


def test_the_same_folder_twice(tmp_path: Path) -> None:
    made = noise(tmp_path / "made", 12)
    report = evaluate_folders(made, made, extractor(), size=24)
    assert report.columns[0].scores[1].value == pytest.approx(0, abs=1e-6)
    assert "at 24 px" in report.protocol
    assert any("all are in reference" in note for note in report.notes)


def test_inputs_add_what_changed_and_the_copy(tmp_path: Path) -> None:
    made, real = noise(tmp_path / "made" / "deep", 12).parent, noise(tmp_path / "real", 13)
    inputs = noise(tmp_path / "in" / "deep", 12, suffix="bmp").parent
    copy, column = evaluate_folders(made, real, extractor(), inputs=inputs).columns
    assert copy.title == "copy of the input"
    change = next(score for score in column.scores if score.name == "change (L1)")
    assert change.value == 0


def test_a_translation_without_input(tmp_path: Path) -> None:
    made, real, inputs = noise(tmp_path / "made", 6), noise(tmp_path / "real", 5), noise(tmp_path / "in", 4)
    with pytest.raises(UserError, match=r"inputs=.*: 2 translations have no input, .*4\.png first"):
        evaluate_folders(made, real, extractor(), inputs=inputs)


@pytest.mark.parametrize("which", ["made", "real"])
def test_no_folder_and_an_empty_folder(which: str, tmp_path: Path) -> None:
    folders = {"made": noise(tmp_path / "made", 4), "real": noise(tmp_path / "real", 4)}
    flag = {"made": "images", "real": "reference"}[which]
    folders[which] = tmp_path / "none"
    with pytest.raises(UserError, match=rf"{flag}=.*none: there is no such folder"):
        evaluate_folders(folders["made"], folders["real"], extractor())
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match=rf"{flag}=.*none: no images"):
        evaluate_folders(folders["made"], folders["real"], extractor())


def test_what_cannot_be_read_is_left_out_and_said(tmp_path: Path) -> None:
    made, real = noise(tmp_path / "made", 6), noise(tmp_path / "real", 6, 100, 200)
    (made / "-first.png").write_bytes(b"no image")
    (real / "half.png").write_bytes((real / "0.png").read_bytes()[:-30])  # its header is whole
    for folder in (made, real):
        (folder / "gone.png").symlink_to(tmp_path / "nowhere.png")
        os.mkfifo(folder / "pipe.png")
        (folder / "loop").symlink_to(folder)
        (folder / "x.txt").touch()
    report = evaluate_folders(made, real, extractor())
    assert "6 against 6 images" in report.protocol
    assert "at 32 px" in report.protocol
    for said in (
        "translations: 2 cannot be read",
        "reference images: 2 cannot be read",
        "1 .txt file",
        "regular files",
    ):
        assert any(said in note for note in report.notes), said


def test_what_files_lack_is_said(tmp_path: Path) -> None:
    made, real = noise(tmp_path / "made", 4), noise(tmp_path / "real", 4, 100, 200)
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    frames[0].save(made / "pages.tif", save_all=True, append_images=frames[1:])
    notes = evaluate_folders(made, real, extractor()).notes
    assert any(
        note.startswith("translations: 2 pages or frames, of which the first is read: 1 image") for note in notes
    )


def test_inputs_of_the_full_name_come_first(tmp_path: Path) -> None:
    made, inputs = noise(tmp_path / "made", 5), noise(tmp_path / "in", 5)
    for path in list(inputs.iterdir()):
        Image.new("RGB", (32, 32), "white").save(path.with_suffix(".bmp"))
    _, column = evaluate_folders(made, noise(tmp_path / "real", 5), extractor(), inputs=inputs).columns
    assert next(score for score in column.scores if score.name == "change (L1)").value == 0


def test_copies_are_called_so(tmp_path: Path) -> None:
    inputs, real = noise(tmp_path / "in", 12), noise(tmp_path / "real", 12, 150, 250)
    made = tmp_path / "made"
    made.mkdir()
    for path in inputs.iterdir():
        with Image.open(path) as image:
            image.point(lambda value: min(value + 2, 255)).save(made / path.name)
    assert evaluate_folders(made, real, extractor(), inputs=inputs).columns[-1].verdict == "nearly a copy"
    assert evaluate_folders(made, real, extractor()).columns[-1].verdict == "", "of what, is not known"
    for path in inputs.iterdir():
        Image.new("RGB", (32, 32), "black").save(made / path.name)
    assert "worse than a copy" in evaluate_folders(made, real, extractor(), inputs=inputs).columns[-1].verdict


def test_one_picture_is_no_set(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"need two images or more .*, not 1 translation and 6 real"):
        evaluate_folders(noise(tmp_path / "made", 1), noise(tmp_path / "real", 6), extractor())
