import unicodedata
from pathlib import PurePath

from hypothesis import given
from hypothesis import strategies as st

from instar.core.pairing import Pairing, paired


def pairs(*sides: list[str]) -> Pairing[str]:
    return paired(sides, lambda name: (PurePath(name).stem, PurePath(name).suffix))


def test_the_full_name_comes_first() -> None:
    found = pairs(["0.jpg", "0.png"], ["0.png"])
    assert found.rows == [("0.png", "0.png")]
    assert found.ambiguous == []
    assert pairs(["0.jpg", "0.png"], ["0.png", "0.jpg"]).rows == [("0.jpg", "0.jpg"), ("0.png", "0.png")]


def test_then_the_name_without_the_suffix() -> None:
    assert pairs(["1.jpg", "2.jpg"], ["2.png", "1.png"]).rows == [("1.jpg", "1.png"), ("2.jpg", "2.png")]
    assert pairs(["0.jpg", "0.png"], ["0.png", "0.bmp"]).rows == [("0.jpg", "0.bmp"), ("0.png", "0.png")]


def test_what_is_ambiguous_is_said() -> None:
    for sides in (["0.jpg", "0.png"], ["0.bmp"]), (["0.bmp"], ["0.jpg", "0.png"]):
        found = pairs(*sides)
        assert found.rows == [(sides[0][0], sides[1][0])]
        assert found.ambiguous == [sides[0][0]]


def test_names_are_compared_as_unicode_composes_them() -> None:
    first, second = (unicodedata.normalize(form, "é0.png") for form in ("NFC", "NFD"))
    assert first != second
    assert pairs([first], [second]).rows == [(first, second)]


def test_rows_of_three() -> None:
    assert pairs(["1.png", "2.png"], ["2.jpg", "1.png"], ["1.png", "2.gif"]).rows == [
        ("1.png", "1.png", "1.png"),
        ("2.png", "2.jpg", "2.gif"),
    ]


names = st.builds("{}.{}".format, st.integers(0, 3), st.sampled_from(["png", "jpg", "bmp"]))


@given(st.lists(names, max_size=8, unique=True), st.lists(names, max_size=8, unique=True))
def test_properties(first: list[str], second: list[str]) -> None:
    found = pairs(first, second).rows
    left, right = [row[0] for row in found], [row[1] for row in found]
    assert len(set(left)) == len(set(right)) == len(found)
    assert left == [name for name in first if name in left]
    assert all(a.split(".")[0] == b.split(".")[0] for a, b in found)
    assert {name for name in first if name in second} == {a for a, b in found if a == b}
