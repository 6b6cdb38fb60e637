from pathlib import Path

import pytest
from PIL import Image

from instar.data import ImageRef
from instar.evaluation.sanity import duplicate_files, format_notes, leak_notes, lost_notes, set_notes

from .parts import noise


def refs(folder: Path) -> list[ImageRef]:
    return [ImageRef(path) for path in sorted(folder.iterdir())]


def test_enough_images_of_one_size_give_no_word(tmp_path: Path) -> None:
    assert set_notes(refs(noise(tmp_path / "a", 50)), "cats") == []


def test_few_images_of_several_sizes_some_equal_one_broken(tmp_path: Path) -> None:
    folder = noise(tmp_path / "a", 5)
    Image.new("RGB", (40, 20)).save(folder / "wide.png")
    (folder / "again.png").write_bytes((folder / "0.png").read_bytes())
    (folder / "broken.png").write_bytes(b"no image")
    few, sizes, copies = set_notes(refs(folder), "cats")
    assert few == "only 8 cats: distances of so few say little"
    assert sizes.startswith("cats: 2 sizes, 32 x 32 the most frequent (6)")
    assert copies.startswith("cats: 1 are copies")


def test_what_could_not_be_read_is_named(tmp_path: Path) -> None:
    images = refs(noise(tmp_path / "a", 6))
    assert lost_notes(images, range(6), "cats") == []
    first = tmp_path / "a" / "3.png"
    assert lost_notes(images, {0, 1, 2, 5}, "cats") == [f"cats: 2 cannot be read and are left out, {first} first"]


def test_leaks_are_found_under_other_names(tmp_path: Path) -> None:
    train, test = noise(tmp_path / "train", 4), noise(tmp_path / "test", 5)
    assert leak_notes(refs(test), refs(train), "test images") == []
    (test / "other.png").write_bytes((train / "2.png").read_bytes())
    (found,) = leak_notes(refs(test), refs(train), "test images")
    assert found.startswith("test images: 1 of 6 are training images of this run")
    assert "other.png" in found


def test_copies_within_the_test_images_are_no_leak(tmp_path: Path) -> None:
    train, test = noise(tmp_path / "train", 4), noise(tmp_path / "test", 5)
    (test / "again.png").write_bytes((test / "1.png").read_bytes())
    assert leak_notes(refs(test), refs(train), "test images") == []


def test_training_images_alone(tmp_path: Path) -> None:
    train = noise(tmp_path / "train", 4)
    (found,) = leak_notes(refs(train), refs(train), "test images")
    assert found.startswith("test images: all are training images")


@pytest.mark.parametrize(("made", "real", "count"), [("png", "jpg", 1), ("webp", "png", 1), ("png", "bmp", 0)])
def test_formats(made: str, real: str, count: int) -> None:
    assert len(format_notes([Path(f"a.{made}")], [Path(f"b.{real}")])) == count


def test_mixed_formats_on_both_sides_are_passed_over() -> None:
    assert format_notes([Path("a.png"), Path("b.jpg")], [Path("c.jpg")]) == []


def test_equal_reads_only_files_of_equal_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in (("a", b"xx"), ("b", b"xx"), ("c", b"xy"), ("d", b"longer")):
        (tmp_path / name).write_bytes(content)
    read: list[str] = []
    plain = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (read.append(path.name), plain(path))[1])
    assert duplicate_files(sorted(tmp_path.iterdir())) == [[tmp_path / "a", tmp_path / "b"]]
    assert "d" not in read
