import pytest

from instar.core.batch import ManyDomains, Paired, Unlabelled, Unpaired
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


@pytest.mark.parametrize(("domains", "rows"), [(2, 8), (3, 21), (4, 16), (6, 36), (7, 36), (60, 36)])
def test_rows_of_many_domains_are_few_enough_to_look_at(domains: int, rows: int) -> None:
    kind = ManyDomains.of(domains)
    found = sheet_rows(kind, tuple(kind.parts), 3)
    assert len(found) == rows
    inputs = [row.source for row in found if row.what == "input"]
    assert inputs == [domain for domain in kind.parts if domain in inputs]
    assert inputs[0] == "a"
    assert {row.domain for row in found} == set(inputs)
