from pathlib import Path

import pytest

from instar.data.files import Files, Singles, column, side_by_side, stats_of, taken_rows
from instar.data.refs import ImageRef


def files(root: Path) -> Files:
    return Files(root, ["1.png", "cat/2.tar.png", "cat/3"])


def test_they_are_what_a_list_of_images_is(tmp_path: Path) -> None:
    known = [
        ImageRef(tmp_path / "1.png", key="1"),
        ImageRef(tmp_path / "cat/2.tar.png", label="cat", key="cat/2.tar"),
        ImageRef(tmp_path / "cat/3", label="cat", key="cat/3"),
    ]
    found = files(tmp_path)
    assert found == known
    assert known == found
    assert found != known[:2]
    assert [ref.key for ref in found] == [ref.key for ref in known]
    assert found[1:] == known[1:]
    assert found[-1] == known[-1]
    assert found.taken([2, 0]) == [known[2], known[0]]
    assert [found.path(i) for i in range(3)] == [str(ref.path) for ref in known]
    with pytest.raises(IndexError):
        found[3]


def test_rows_of_one_image_each(tmp_path: Path) -> None:
    rows = side_by_side([files(tmp_path)])
    assert isinstance(rows, Singles)
    assert list(rows) == [(ref,) for ref in files(tmp_path)]
    assert list(rows[1:]) == list(rows)[1:]
    assert list(taken_rows(rows, [2, 0])) == [rows[2], rows[0]]
    assert column(rows, 0) == files(tmp_path)
    pairs = side_by_side([files(tmp_path), files(tmp_path / "b")])
    assert column(pairs, 1) == files(tmp_path / "b")
    assert list(taken_rows(pairs, [1])) == [pairs[1]]


def test_what_the_file_system_says(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"12345")
    (tmp_path / "cat").mkdir()
    found = files(tmp_path).stats
    assert found[0].tolist() == list(stats_of(str(tmp_path / "1.png")) or ())
    assert found[0, 0] == 5
    assert (found[1:] == -1).all()
    assert stats_of(str(tmp_path / "cat")) is None
