import os
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.data.check import Report, check


def report(*roots: Path, paired: bool | None = None) -> Report:
    return check(DataConfig(roots=roots), paired)


def test_a_clean_set(make) -> None:
    root = make("trainA/1.png", "trainB/2.png", "testA/3.png", "testB/4.png", size=(40, 36))
    make("trainA/5.png", size=(50, 40))
    found = report(root)
    assert found.problems == 0
    lines = found.lines()
    assert lines[0] == "train A: 2 images"
    assert lines[1] == "  2 sizes: smallest 40 x 36, median 50 x 40, largest 50 x 40"
    assert "  mode RGB" in lines
    assert lines[-1] == "0 problems found"


def test_everything_wrong_at_once(make) -> None:
    root = make("trainA/1.png", "trainA/2.png", "trainB/x.png", "testA/3.png", "testB/y.png", size=(40, 36))
    shutil.copy(root / "trainA/1.png", root / "testA/leak.png")
    shutil.copy(root / "trainA/1.png", root / "trainA/twice.png")
    shutil.copy(root / "trainA/2.png", root / "testB/no-leak.png")
    Image.open(root / "trainB/x.png").save(root / "trainB/same-pixels.bmp")
    Image.new("L", (40, 40), 9).save(root / "testB/flat.png")
    make("trainB/tiny.png", size=(31, 40))
    (root / "trainB/broken.png").write_bytes((root / "trainA/1.png").read_bytes()[:900])
    found = report(root, paired=False)
    assert found.leaks == [(str(root / "trainA/1.png"), str(root / "testA/leak.png"))]
    assert [[Path(name).name for name in names] for names in found.duplicates] == [
        ["1.png", "twice.png"],
        ["same-pixels.bmp", "x.png"],
    ]
    assert [Path(name).name for name in found.tiny] == ["tiny.png"]
    assert [Path(name).name for name in found.constant] == ["flat.png"]
    assert [Path(name).name for name, _ in found.unreadable] == ["broken.png"]
    assert found.shared == [(str(root / "trainA/2.png"), str(root / "testB/no-leak.png"))]
    assert found.problems == 7
    text = "\n".join(found.lines())
    assert "mode RGB (2), L (1)" in text
    assert "7 problems found" in text


def test_side_by_side_is_seen_by_the_layout(make) -> None:
    root = make("train/1.png", "val/2.png", size=(80, 40))
    found = report(root)
    assert [(group.split, group.domain, group.facts[0].size) for group in found.groups] == [
        ("train", "A", (40, 40)),
        ("train", "B", (40, 40)),
        ("test", "A", (40, 40)),
        ("test", "B", (40, 40)),
    ]
    assert found.notes == []


def test_a_plain_folder(make) -> None:
    root = make("1.png", "2.png", size=(40, 40))
    found = report(root)
    assert [(group.split, len(group.facts)) for group in found.groups] == [("all", 2)]
    assert "one domain only" in found.notes[0]
    with pytest.raises(UserError):
        report(root / "nothing")


def test_rows_of_a_table_are_pairs(make) -> None:
    root = make("a1.png", "b1.png", "a2.png", "b2.png", size=(40, 40))
    (root / "t.csv").write_text("one,two\na1.png,b1.png\na2.png,b2.png\n")
    assert any(line.startswith("2 pairs to train on") for line in report(root / "t.csv").lines())


def test_pairs_that_do_not_match_are_an_error_only_if_asked_for(make) -> None:
    root = make("A/1.png", "B/2.png", size=(40, 40))
    assert report(root).problems == 0
    with pytest.raises(UserError, match="matched by file name"):
        report(root, paired=True)


def test_long_lists_are_cut(make) -> None:
    root = make(*(f"A/{i}.png" for i in range(14)), "B/1.png")
    lines = report(root).lines()
    assert "note: there are no test images" in lines
    assert "smaller than 32 pixels: 15" in lines
    assert "  and 5 more" in lines


def test_validation_images_are_read(make) -> None:
    root = make("trainA/1.png", "trainB/2.png", "testA/3.png", "testB/4.png", "valA/5.png", "valB/6.png", size=(40, 36))
    (root / "valA/broken.png").write_bytes(b"no image")
    shutil.copy(root / "trainA/1.png", root / "valA/same.png")
    shutil.copy(root / "valB/6.png", root / "testB/same.png")
    found = report(root)
    assert [(group.split, group.domain) for group in found.groups][4:] == [("val", "A"), ("val", "B")]
    assert [Path(name).name for name, _ in found.unreadable] == ["broken.png"]
    assert [tuple(Path(name).parent.name for name in names) for names in found.leaks] == [
        ("trainA", "valA"),
        ("testB", "valB"),
    ]
    lines = found.lines()
    assert "same pixels in train and val: 1" in lines
    assert "same pixels in test and val: 1" in lines


def test_the_same_picture_in_both_domains(make) -> None:
    root = make("trainA/1.png", "trainB/2.png", size=(40, 36))
    shutil.copy(root / "trainA/1.png", root / "trainB/x.png")
    found = report(root)
    assert found.shared == [(str(root / "trainA/1.png"), str(root / "trainB/x.png"))]
    assert "same pixels in two domains: 1" in found.lines()


def test_what_is_left_out_is_counted_and_named(make, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make("trainA/1.png", "trainA/2.heic", "trainA/@eaDir/1.png", "trainB/2.png", "trainB/x.txt", size=(40, 36))
    os.mkfifo(root / "trainA/pipe.png")
    monkeypatch.setattr("instar.core.listing.is_installed", lambda: False)
    found = report(root)
    assert [len(group.facts) for group in found.groups] == [1, 1]
    assert found.unreadable == [(str(root / "trainA/pipe.png"), "no regular file")]
    assert found.problems == 1
    text = "\n".join(found.lines())
    for said in ("1 .heic file; HEIC needs", "1 hidden or made by the system", "1 .txt file", "no regular files"):
        assert said in text


def test_what_is_left_out_of_a_plain_folder(make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("instar.core.listing.is_installed", lambda: False)
    found = report(make("1.png", "2.heic", size=(40, 40)))
    assert any(".heic" in note for note in found.notes)


def test_masks_are_no_images_and_have_the_size_of_theirs(tmp_path: Path) -> None:
    for domain in "AB":
        for number in range(3):
            write_noise(tmp_path / f"train{domain}/{number}.png", 40, 36)
            write_noise(tmp_path / f"train{domain}_mask/{number}.png", 40, 36)
    cfg = DataConfig(roots=(tmp_path,), masks="_mask")
    report = check(cfg)
    assert [(group.domain, len(group.facts)) for group in report.groups] == [("A", 3), ("B", 3)]
    assert report.problems == 0
    write_noise(tmp_path / "trainA_mask/1.png", 36, 36)
    ((name, why),) = check(cfg).unreadable
    assert name.endswith("trainA/1.png")
    assert why.endswith("trainA_mask/1.png is 36 x 36, the image 40 x 36")


def write_noise(path: Path, width: int, height: int) -> None:
    path.parent.mkdir(exist_ok=True)
    seed = zlib.crc32(str(path).encode())
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
