"""Tables of paths: what a line means, and what is said of one that means nothing."""

from pathlib import Path

import pytest

from instar.core.errors import UserError
from instar.core.packed.table import rows_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/1.png", "a/2.png", "b/1.jpg", "b/2.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_columns_of_images_are_found_by_their_entries(folder: Path) -> None:
    (folder / "t.csv").write_text("photo, Split ,drawing,note\na/1.png,train,b/1.jpg,x\n\na/2.png,TEST,,y\n")
    found = rows_in(folder / "t.csv")
    assert found.columns == ["photo", "drawing"]
    one, other = found.rows
    assert one.images == {"photo": folder / "a/1.png", "drawing": folder / "b/1.jpg"}
    assert (one.split, one.place) == ("train", f"{folder / 't.csv'}, line 2")
    assert other.images == {"photo": folder / "a/2.png"}
    assert other.place.endswith("line 4")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "image,domain,label\na/1.png,A,cat\n"),
        ("t.csv", "\ufeffimage;domain;label\r\na/1.png;A;cat\r\n"),
        ("t.tsv", "image\tdomain\tlabel\na/1.png\tA\tcat\n"),
        ("t.csv", 'image,domain,label\n"a/1.png","A","cat"\n'),
    ],
)
def test_as_spreadsheets_write_it(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8", newline="")
    (row,) = rows_in(folder / name).rows
    assert (row.images, row.domain, row.label) == ({"image": folder / "a/1.png"}, "A", "cat")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"none of its columns \(there are none\)"),
        ("name,domain\nx,A\n", r"none of its columns \(name, domain\) holds images or paths of images"),
        ("a/1.png,A\na/2.png,A\n", "its first line names files; it must name the columns"),
        ("image,image\na/1.png,a/2.png\n", "two columns are called 'image'"),
        ("image,domain\na/1.png,A\na/9.png,A\n", r"line 3: a/9\.png: there is no such file in"),
        ("image,domain\na/1.png,A\nt.csv,A\n", r"line 3: t\.csv: no image by its suffix"),
        ("image,domain\na/1.png,A\n,A\n", "line 3: no image"),
        ("image,domain\na/1.png,A,more\n", "line 2: 3 entries for 2 columns"),
        ('image,domain\n"a/1.png,A\n', r"line 2: no CSV"),
    ],
)
def test_errors_name_the_line(folder: Path, text: str, words: str) -> None:
    (folder / "t.csv").write_text(text)
    with pytest.raises(UserError, match=words) as error:
        rows_in(folder / "t.csv")
    assert str(folder / "t.csv") in str(error.value)
    assert "\n" not in str(error.value)


def test_other_encodings_are_one_line(folder: Path) -> None:
    (folder / "t.csv").write_bytes("image,domain\na/1.png,é\n".encode("latin-1"))
    with pytest.raises(UserError, match="is no text in UTF-8"):
        rows_in(folder / "t.csv")
