import pytest

from instar.core.batch import Paired, Unlabelled, Unpaired
from instar.core.sheet import sheet_rows


@pytest.mark.parametrize(
    ("kind", "targets", "styles", "expected"),
    [
        (Unpaired, ("b",), 1, ["input a", "translation b"]),
        (Unpaired, ("a", "b"), 1, ["input a", "translation b", "input b", "translation a"]),
        (Unpaired, ("b",), 2, ["input a", "translation b", "translation b"]),
        (Paired, ("b",), 1, ["input a", "translation b", "truth b"]),
        (Unlabelled, ("b",), 1, ["input a", "translation b"]),
    ],
)
def test_rows(kind: type, targets: tuple[str, ...], styles: int, expected: list[str]) -> None:
    assert [f"{row.what} {row.domain}" for row in sheet_rows(kind, targets, styles)] == expected
