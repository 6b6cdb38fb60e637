import json
import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from instar.core.plain import LARGEST, MOST, read_json, read_yaml

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)
MERGED = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    f"a{i}: &a{i} {{{', '.join(f'k{k}: *a{i - 1}' for k in range(10))}, <<: *a{i - 1}}}\n" for i in range(1, 12)
)


@given(PLAIN)
def test_data_comes_back(value: Any) -> None:
    assert read_json(json.dumps(value)) == value
    text = yaml.safe_dump(value, allow_unicode=True)
    assert read_yaml(text) == yaml.safe_load(text)


def test_aliases_that_people_write() -> None:
    text = "small: &small {size: 64}\none: {<<: *small, steps: 5}\ntwo: *small\n"
    assert read_yaml(text) == {"small": {"size": 64}, "one": {"size": 64, "steps": 5}, "two": {"size": 64}}
    assert read_yaml("") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 20_000, "nested too deeply"),
        ("[" * 20_000 + "]" * 20_000, "nested too deeply"),
        ("{a: " * 20_000, "nested too deeply"),
        ("- " * 20_000 + "a", "nested too deeply"),
        (BOMB, f"more than {MOST:,} values"),
        (MERGED, f"more than {MOST:,} values"),
        ("a: &a [*a]", f"more than {MOST:,} values"),
        ("a: &a {b: *a}", f"more than {MOST:,} values"),
        ("a: *b", "undefined alias"),
        ("x" * (LARGEST + 1), "too many"),
        ("a: " + "9" * 5000, "digits"),
        ("!!python/object/apply:os.system [true]", "could not determine a constructor"),
        ("a: [", "expected"),
        ("a: b: c", "not allowed"),
        ("--- a\n--- b", "single document"),
        ("\0", "special characters are not allowed"),
        ("2020-13-45", "month"),
        ("? [a, b]\n: c", "unhashable"),
    ],
    ids=range(18),
)
def test_what_is_no_file_of_settings(text: str, said: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match=said) as error:
        read_yaml(text)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500
    assert time.process_time() - began < 20


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": ' * 100_000, "[1", "", "nope", b"\xff\xfe\x00"], ids=range(6))
def test_what_is_no_json(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (the reader's own words)
        read_json(text)
