"""Tables of paths: CSV and TSV, and what rows of all tables mean."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from instar.core.errors import UserError
from instar.core.listing import suffixed_as_image
from instar.core.member import File
from instar.core.packed.row import Row, Rows

SUFFIXES = (".csv", ".tsv")
WORDS = ("split", "domain", "label")
"""Columns that say something of a row's images."""


def rows_in(path: Path) -> Rows:
    """Return the rows of a CSV or TSV file of paths, relative to its folder.

    The first line names the columns. Those whose first entry ends as a path of an image does hold images.

    Raises:
        UserError: the file cannot be read, names no image, or a line lacks what it needs, or names no file.
    """
    names, lines = _read(path)
    values = {name: [line[name] for _, line in lines] for name in names}
    columns = [name for name in names if is_path(values[name])]
    checked(path, columns, names)
    rows = []
    for number, line in lines:
        place = f"{path}, line {number}"
        images: dict[str, File] = {name: named_file(path, line[name], place) for name in columns if line[name]}
        words = {name: line[name] for name in names if name not in columns}
        rows.append(row_of(place, f"line {number}", images, words))
    return Rows(columns, rows)


def is_path(values: Iterable[Any]) -> bool:
    """Tell whether a column holds paths of images: by its first entry."""
    first = next((value for value in values if value), None)
    return isinstance(first, str) and suffixed_as_image(first)


def checked(path: Path, columns: Sequence[str], names: Sequence[str]) -> None:
    """Refuse a table without images.

    Raises:
        UserError: it says which columns there are.
    """
    if not columns:
        raise UserError(
            f"{path}: none of its columns ({', '.join(map(str, names)) or 'there are none'}) holds images or paths of "
            "images; columns may be image, domain and split, or A, B and split"
        )


def named_file(table: Path, text: str, place: str) -> Path:
    """Return the file that a table names, relative to its folder.

    Raises:
        UserError: there is none.
    """
    file = table.parent / text
    if "\0" in text or not file.exists():
        raise UserError(f"{place}: {text}: there is no such file in {table.parent}")
    if not suffixed_as_image(text):
        raise UserError(f"{place}: {text}: no image by its suffix")
    return file


def row_of(place: str, key: str, images: Mapping[str, File], words: Mapping[str, Any]) -> Row:
    """Return a row with what its other columns say.

    Raises:
        UserError: there is no image in it.
    """
    if not images:
        raise UserError(f"{place}: no image")
    said = {name.strip().lower(): value for name, value in words.items()}
    split, domain, label = ("" if said.get(name) is None else str(said[name]).strip() for name in WORDS)
    return Row(images, key, place, split, domain, label or None)


def _read(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Return the names of the columns, and the lines with their numbers."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=_delimiter(path, file.readline()), strict=True)
            file.seek(0)
            names = [name.strip() for name in next(reader, [])]
            _check_names(path, names)
            return names, list(_lines(path, names, reader))
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no text in UTF-8") from error
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: no CSV ({error})") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def _lines(path: Path, names: Sequence[str], reader: Any) -> Iterator[tuple[int, dict[str, str]]]:
    for line in reader:
        if not any(cell.strip() for cell in line):
            continue
        if len(line) > len(names):
            raise UserError(f"{path}, line {reader.line_num}: {len(line)} entries for {len(names)} columns")
        cells = [cell.strip() for cell in line] + [""] * (len(names) - len(line))
        yield reader.line_num, dict(zip(names, cells, strict=True))


def _check_names(path: Path, names: Sequence[str]) -> None:
    if any(map(suffixed_as_image, names)):
        raise UserError(f"{path}: its first line names files; it must name the columns, such as image,domain or A,B")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"{path}: two columns are called {twice!r}")


def _delimiter(path: Path, first: str) -> str:
    """Return what is between entries: spreadsheets of some countries write semicolons."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    return ";" if ";" in first and "," not in first else ","
