"""Tables of Arrow and Parquet with images in them."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from instar.core.errors import UserError
from instar.core.packed import parts
from instar.core.packed.arrow import Cell, rows_in

pa = pytest.importorskip("pyarrow")
ipc = pytest.importorskip("pyarrow.ipc")
pq = pytest.importorskip("pyarrow.parquet")

CLASSES = {b"huggingface": json.dumps({"info": {"features": {"label": {"names": ["cat", "dog"]}}}}).encode()}


def image(content: bytes | None, path: str | None = None) -> dict[str, Any]:
    return {"bytes": content, "path": path}


def table(**columns: list[Any]) -> Any:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    made = {
        name: pa.array(cells, kind) if isinstance(cells[0], dict) else pa.array(cells)
        for name, cells in columns.items()
    }
    return pa.table(made).replace_schema_metadata(CLASSES)


def write(path: Path, found: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(found, path, row_group_size=2)
    else:
        with ipc.new_stream(str(path), found.schema) as file:
            file.write_table(found, 2)
    return path


KINDS = pytest.mark.parametrize("suffix", [".parquet", ".arrow"])


@KINDS
def test_images_with_names_and_classes(tmp_path: Path, suffix: str) -> None:
    cells = [image(b"0", "x/1.jpg"), image(b"1", "y/2.png"), image(b"2", "3.png")]
    path = write(tmp_path / f"t{suffix}", table(image=cells, label=[1, 0, 1], split=["train", "test", "val"]))
    found = rows_in(path)
    assert found.columns == ["image"]
    assert [row.images["image"].read_bytes() for row in found.rows] == [b"0", b"1", b"2"]
    assert [row.images["image"].name for row in found.rows] == ["1.jpg", "2.png", "3.png"]
    assert [(row.label, row.split) for row in found.rows] == [("dog", "train"), ("cat", "test"), ("dog", "val")]


@KINDS
def test_names_that_come_twice_are_rows(tmp_path: Path, suffix: str) -> None:
    cells = [image(b"0", "x/1.jpg"), image(b"1", "y/1.jpg"), image(b"2")]
    path = write(tmp_path / f"t{suffix}", table(image=cells))
    assert [row.images["image"].inside for row in rows_in(path).rows] == [
        "t-000000.jpg",
        "t-000001.jpg",
        "t-000002.png",
    ]


@KINDS
def test_plain_bytes_in_two_columns_with_gaps(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"t{suffix}", table(A=[b"0", b"1", b"2"], B=[b"3", None, b"5"], n=[1.5, 2.5, 3.5]))
    found = rows_in(path)
    read = [{name: file.read_bytes() for name, file in row.images.items()} for row in found.rows]
    assert read == [{"A": b"0", "B": b"3"}, {"A": b"1"}, {"A": b"2", "B": b"5"}]
    assert found.rows[2].images["B"].inside == "B/t-000002.png"


@KINDS
def test_images_that_lie_beside_the_table(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "1.png").touch()
    path = write(tmp_path / f"t{suffix}", table(image=[image(None, "1.png"), image(b"x", None)]))
    one, other = rows_in(path).rows
    assert one.images["image"] == tmp_path / "1.png"
    assert other.images["image"].read_bytes() == b"x"
    path = write(tmp_path / f"u{suffix}", table(image=["1.png", "2.png"]))
    with pytest.raises(UserError, match=r"u.*, row 2: 2\.png: there is no such file"):
        rows_in(path)


@KINDS
def test_nothing_in_it_and_no_table(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UserError, match=r"none of its columns .n. holds images"):
        rows_in(write(tmp_path / f"t{suffix}", table(n=[1, 2])))
    with pytest.raises(UserError, match="row 2: no image"):
        rows_in(write(tmp_path / f"u{suffix}", table(image=[b"x", None])))
    (tmp_path / f"v{suffix}").write_text("hello")
    with pytest.raises(UserError, match=r"v.*: no table that can be read") as error:
        rows_in(tmp_path / f"v{suffix}")
    assert "\n" not in str(error.value)


def test_a_cell_that_is_gone_is_an_error_of_the_file(tmp_path: Path) -> None:
    cell = Cell(write(tmp_path / "t.parquet", table(image=[b"0", b"1", b"2"])), "x.png", "image", 7)
    with pytest.raises(OSError, match="no table that can be read"):
        cell.open()


def test_names_of_splits_and_of_files_stay_in_the_folder(tmp_path: Path) -> None:
    write(tmp_path / "d/train/data-00000-of-00001.arrow", table(image=[b"0"]))
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}
    (tmp_path / "d/train/state.json").write_text(json.dumps(state))
    (tmp_path / "d/dataset_dict.json").write_text('{"splits": ["train"]}')
    assert [(part.name, len(part.rows.rows)) for part in parts(tmp_path / "d")] == [("train", 1)]
    (tmp_path / "d/dataset_dict.json").write_text('{"splits": ["../d/train"]}')
    with pytest.raises(UserError, match="names no splits"):
        parts(tmp_path / "d")


def test_without_pyarrow_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "t.parquet").touch()
    with pytest.raises(UserError, match=r"reading it needs pyarrow: pip install '\.\[arrow\]'"):
        rows_in(tmp_path / "t.parquet")
