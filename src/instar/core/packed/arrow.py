"""Tables of Apache Arrow and Parquet, with images in them or with paths of images; those of Hugging Face's `datasets`.

The package pyarrow reads them. `datasets` itself is not needed: what it adds to a table, the names of classes, is JSON
beside the columns.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import IO, Any

from instar.core.errors import UserError
from instar.core.listing import suffixed_as_image
from instar.core.member import File, Member, written
from instar.core.memory import memory
from instar.core.packed.row import Row, Rows, base
from instar.core.packed.table import checked, is_path, named_file, row_of
from instar.core.plain import read_json

PARQUET, ARROW = ".parquet", ".arrow"
STATE = "state.json"
"""Of a split that `datasets` has saved."""
SPLITS = "dataset_dict.json"
"""Of splits that it has saved together."""
_GROUPS = 4
"""Row groups of Parquet files that are in memory at once."""
_LOCK = Lock()


@dataclass(frozen=True)
class Cell(Member):
    """An image in a column of a table: its bytes, or a structure of `bytes` and `path` as `datasets` has it."""

    column: str
    row: int

    def open(self, mode: str = "rb") -> IO[bytes]:
        """Return its bytes in memory."""
        try:
            value = _cell(self.container, written(self.container), self.column, self.row)
        except UserError as error:
            raise OSError(str(error.message)) from error
        content = value.get("bytes") if isinstance(value, dict) else value
        if content is None:
            raise OSError("the cell is empty")
        return BytesIO(content)

    def where(self) -> str:
        """Return column and row."""
        return f"{self.column} {self.row}"


def tables(folder: Path) -> list[tuple[str, Path]]:
    """Return split and file of the tables of a folder: what `datasets` has saved, or Parquet files named by splits.

    Raises:
        UserError: a file that says which they are cannot be read.
    """
    if (folder / SPLITS).is_file():
        names = _json(folder / SPLITS).get("splits")
        if not isinstance(names, list) or not all(isinstance(name, str) and _is_plain(name) for name in names):
            raise UserError(f"{folder / SPLITS}: names no splits")
        return [(name, file) for name in names for _, file in tables(folder / name)]
    if (folder / STATE).is_file():
        files = _json(folder / STATE).get("_data_files")
        try:
            found = [folder / str(one["filename"]) for one in files or () if _is_plain(str(one["filename"]))]
        except (TypeError, KeyError) as error:
            raise UserError(f"{folder / STATE}: names no files") from error
        return [("", file) for file in found]
    places = [place for place in (folder, folder / "data") if place.is_dir()]
    found = sorted(path for place in places for path in place.glob(f"*{PARQUET}") if path.is_file())
    return [(base(path), path) for path in found]


def rows_in(path: Path) -> Rows:
    """Return the rows of a table, .parquet or .arrow.

    Columns whose cells are images, or end as paths of images do, hold images.

    Raises:
        UserError: pyarrow is not installed, the file cannot be read, holds no image, or a row lacks what it needs.
    """
    table = _without_pixels(path, written(path))
    packed = [name for name in table.names if table.packed[name]]
    paths = [name for name in table.names if name not in packed and is_path(table.values[name])]
    columns = [name for name in table.names if name in packed or name in paths]
    checked(path, columns, table.names)
    called = {name: _names(path, table.values[name]) for name in packed}
    if len(columns) > 1:
        called = {column: [f"{column}/{name}" for name in names] for column, names in called.items()}
    rows = [_row(path, table, called, paths, number) for number in range(table.length)]
    return Rows(columns, rows)


def _row(path: Path, table: _Table, packed: Mapping[str, list[str]], paths: Sequence[str], number: int) -> Row:
    place = f"{path}, row {number + 1}"
    images: dict[str, File] = {}
    for name, called in packed.items():
        there, told = table.values[name][number]
        if there:
            images[name] = Cell(path, called[number], name, number)
        elif told:
            images[name] = named_file(path, told, place)
    for name in paths:
        if table.values[name][number]:
            images[name] = named_file(path, str(table.values[name][number]), place)
    words = {name: table.values[name][number] for name in table.names if name not in packed and name not in paths}
    return row_of(place, f"{path.stem}-{number}", images, words)


def _names(path: Path, told: Sequence[tuple[bool, str | None]]) -> list[str]:
    """Return the names of the images of a column: those that the table gives, less folders, or else their rows."""
    given = [PurePosixPath((name or "").replace("\\", "/")).name for _, name in told]
    if all(map(suffixed_as_image, given)) and len(set(given)) == len(given):
        return given
    suffixes = (PurePosixPath(name).suffix if suffixed_as_image(name) else ".png" for name in given)
    return [f"{path.stem}-{row:06d}{suffix}" for row, suffix in enumerate(suffixes)]


@dataclass(frozen=True)
class _Table:
    """All of a table but its images."""

    names: list[str]
    values: dict[str, list[Any]]
    """By column. Of images whether there are bytes, and their path if one is given."""
    packed: dict[str, bool]
    length: int


@lru_cache(maxsize=32)
def _without_pixels(path: Path, written: tuple[int, int]) -> _Table:
    pa = _pyarrow(path, "pyarrow")
    file = _opened(path, written)
    try:
        schema = file.schema_arrow if path.suffix.lower() == PARQUET else file.schema
        packed = {field.name: _holds_images(pa, field.type) for field in schema}
        classes = _classes(schema)
        values: dict[str, list[Any]] = {}
        for name, holds in packed.items():
            if holds:
                values[name] = list(_told(pa, file, path, name))
            elif pa.types.is_nested(schema.field(name).type):
                values[name] = []
            else:
                values[name] = [found for part in _parts(file, path, name) for found in part.to_pylist()]
            if name in classes:
                values[name] = [_named(classes[name], value) for value in values[name]]
    except UserError:
        raise
    except Exception as error:  # of pyarrow, for whatever a broken file holds
        raise _broken(path, error) from error
    flat = [name for name in packed if packed[name] or values[name]]
    return _Table(flat, values, packed, len(values[flat[0]]) if flat else 0)


def _parts(file: Any, path: Path, column: str) -> Iterator[Any]:
    """Yield a column in parts that are small enough to be in memory."""
    if path.suffix.lower() == PARQUET:
        for batch in file.iter_batches(batch_size=256, columns=[column]):
            yield batch.column(0)
    else:
        yield from file.column(column).chunks


def _told(pa: Any, file: Any, path: Path, column: str) -> Iterator[tuple[bool, str | None]]:
    """Yield, for each image of a column, whether there are bytes, and the path that is given."""
    if path.suffix.lower() == PARQUET and _without_gaps(file, column):
        kind = file.schema_arrow.field(column).type
        if pa.types.is_struct(kind) and any(field.name == "path" for field in kind):
            for batch in file.iter_batches(columns=[f"{column}.path"]):
                yield from ((True, name) for name in batch.column(0).field("path").to_pylist())
        else:
            yield from ((True, None) for _ in range(file.metadata.num_rows))
        return
    for part in _parts(file, path, column):
        yield from _there(pa, part)


def _without_gaps(file: Any, column: str) -> bool:
    """Tell whether a Parquet file says that no image of a column lacks its bytes: else all of them must be read."""
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        for place in range(group.num_columns):
            leaf = group.column(place)
            if leaf.path_in_schema in (column, f"{column}.bytes"):
                statistics = leaf.statistics
                if statistics is None or not statistics.has_null_count or statistics.null_count:
                    return False
    return True


def _there(pa: Any, part: Any) -> Iterator[tuple[bool, str | None]]:
    """Yield, for images of a part of a column, whether there are bytes, and the path that is given."""
    if not pa.types.is_struct(part.type):
        yield from ((valid, None) for valid in part.is_valid().to_pylist())
        return
    names = [field.name for field in part.type]
    there = part.field("bytes").is_valid().to_pylist()
    paths = part.field("path").to_pylist() if "path" in names else [None] * len(part)
    for whole, inside, path in zip(part.is_valid().to_pylist(), there, paths, strict=True):
        yield (whole and inside, path if whole else None)


def _holds_images(pa: Any, kind: Any) -> bool:
    """Tell whether a column holds bytes, or `datasets`' structure with `bytes`."""

    def is_bytes(one: Any) -> bool:
        return bool(pa.types.is_binary(one) or pa.types.is_large_binary(one))

    return is_bytes(kind) or (
        pa.types.is_struct(kind) and any(field.name == "bytes" and is_bytes(field.type) for field in kind)
    )


def _classes(schema: Any) -> dict[str, list[str]]:
    """Return the names of the classes of columns that hold their numbers, as `datasets` says it."""
    found: dict[str, list[str]] = {}
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        features = read_json((schema.metadata or {})[b"huggingface"])["info"]["features"]
        for name, feature in features.items():
            if isinstance(feature, dict) and isinstance(feature.get("names"), list):
                found[name] = [str(one) for one in feature["names"]]
    return found


def _named(names: list[str], value: Any) -> Any:
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value


def _cell(path: Path, written: tuple[int, int], column: str, row: int) -> Any:
    try:
        if path.suffix.lower() != PARQUET:
            return _opened(path, written).column(column)[row].as_py()
        start, number = _group_of(path, written, row)
        with _LOCK:  # or threads would decode one group several times
            group = _group(path, written, column, number)
        return group[row - start].as_py()
    except UserError:
        raise
    except Exception as error:  # as in `_without_pixels`
        raise _broken(path, error) from error


def _group_of(path: Path, written: tuple[int, int], row: int) -> tuple[int, int]:
    """Return the first row of the row group that holds a row, and its number."""
    metadata, start = _opened(path, written).metadata, 0
    for number in range(metadata.num_row_groups):
        count = metadata.row_group(number).num_rows
        if row < start + count:
            return start, number
        start += count
    raise IndexError(f"there is no row {row}")


@lru_cache(maxsize=_GROUPS)
def _group(path: Path, written: tuple[int, int], column: str, number: int) -> Any:
    file = _opened(path, written)
    size, most = file.metadata.row_group(number).total_byte_size, memory() // 8
    if size > most:
        raise UserError(
            f"{path}: row groups of {size / 1e9:.1f} GB, of which one must be read for an image, and {most / 1e9:.1f} "
            "GB are there for it; write it with fewer rows in a group, such as row_group_size=100"
        )
    return file.read_row_group(number, columns=[column]).column(0)


@lru_cache(maxsize=64)
def _opened(path: Path, _: tuple[int, int]) -> Any:
    """Open a table: a ParquetFile, or the table of an Arrow file that is mapped into memory."""
    try:
        if path.suffix.lower() == PARQUET:
            return _pyarrow(path, "pyarrow.parquet").ParquetFile(path)
        pa, ipc = _pyarrow(path, "pyarrow"), _pyarrow(path, "pyarrow.ipc")
        source = pa.memory_map(str(path))
        with suppress(pa.ArrowInvalid):
            return ipc.open_stream(source).read_all()
        source.seek(0)
        return ipc.open_file(source).read_all()
    except UserError:
        raise
    except Exception as error:  # as in `_without_pixels`
        raise _broken(path, error) from error


def _pyarrow(path: Path, module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(f"{path}: reading it needs pyarrow: pip install '.[arrow]'") from error


def _broken(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: no table that can be read ({' '.join(str(error).split())[:200]})")


def _json(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from error
    return found if isinstance(found, dict) else {}


def _is_plain(name: str) -> bool:
    """Tell whether a name leads to nothing outside its folder."""
    return name not in ("", ".", "..") and not set(name) & set("/\\\0")
