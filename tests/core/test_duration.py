import pytest
from hypothesis import given
from hypothesis import strategies as st

from instar.core.duration import seconds_of, spoken, written
from instar.core.errors import UserError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("4h", 14400), ("90m", 5400), ("1h30m", 5400), ("45s", 45), ("2d", 172800), ("2.5 H", 9000), (" 1d 1s ", 86401)],
)
def test_times_are_read(text: str, seconds: float) -> None:
    assert seconds_of("budget", text) == seconds


@pytest.mark.parametrize(
    "text", ["", "4", "h", "4 hours", "-4h", "0h", "4h-", "1..5h", "nanh", "infh", "٤h", "9" * 400 + "d"]
)
def test_others_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(UserError, match=r"^budget must be a time such as 4h"):
        seconds_of("budget", text)


@given(st.integers(1, 10**8))
def test_what_is_written_reads_the_same(seconds: int) -> None:
    assert seconds_of("budget", written(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.016, "0.016 s"), (12.4, "12 s"), (119, "119 s"), (330, "5.5 minutes"), (8280, "2.3 hours"), (5.3e6, "61 days")],
)
def test_times_are_said_in_a_fitting_unit(seconds: float, words: str) -> None:
    assert spoken(seconds) == words
