import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from instar import reports
from instar.reports.render import line, render

TEMPLATES = Path(reports.__file__).with_name("templates")
PAGES = sorted(path.name for path in TEMPLATES.glob("*.html") if path.name != "base.html")


def test_every_page_has_the_base_and_nothing_turns_escaping_off() -> None:
    assert PAGES == ["compare.html", "inspect.html", "scores.html", "study.html", "view.html"]
    for name in PAGES:
        text = (TEMPLATES / name).read_text()
        assert text.startswith('{% extends "base.html" %}')
        assert not re.search(r"\|\s*safe\b", text)
        assert "autoescape" not in text


def test_no_html_is_put_together_by_code() -> None:
    code = [path.read_text() for path in Path(reports.__file__).parent.glob("*.py")]
    assert [found for text in code for found in re.findall(r"</?[a-z]+[ >]", text)] == []


def test_values_are_escaped_in_pages_alone() -> None:
    values = {"header": ["a", "b"], "rows": [["<b>", "c"]], "notes": [], "title": "<i>"}
    assert render("study.md", **values).splitlines() == ["<i>", "", "| a | b |", "| --- | --- |", "| <b> | c |", ""]
    page = render("study.html", title="<i>", study={"question": "</script><b>"})
    assert "<title>&lt;i&gt;</title>" in page
    assert r"\u003c/script\u003e\u003cb\u003e" in page


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'rows' is undefined"):
        render("study.md", title="x", header=[], notes=[])


def test_lines_of_tables() -> None:
    assert line(["a", "b|c"]) == r"| a | b\|c |"


def colours(scheme: str) -> dict[str, str]:
    """The colours of the base, by name."""
    light, dark = re.findall(r":root \{(.*?)\}", (TEMPLATES / "base.css").read_text(), re.DOTALL)
    found = dict(re.findall(r"--(\w+): (#\w+)", light if scheme == "light" else dark))
    assert set(found) == {"paper", "ink", "soft", "line", "field", "edge", "accent", "warn", "warned"}
    (page, page_dark) = re.findall(r"--ground: (#\w+)", (TEMPLATES / "study.css").read_text())
    return {**found, "ground": page if scheme == "light" else page_dark}


def luminance(colour: str) -> float:
    """Of WCAG 2.1."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_of_black_and_white() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777", "#fff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_and_controls_can_be_seen(scheme: str) -> None:
    """WCAG 2.1, level AA: 4.5 for texts, 3 for what must be seen of controls."""
    of = colours(scheme)
    texts = [
        ("ink", "paper"),
        ("soft", "paper"),
        ("ink", "warn"),
        ("ink", "field"),
        ("ink", "ground"),
        ("soft", "ground"),
    ]
    parts = [("edge", "ground"), ("accent", "paper"), ("accent", "ground"), ("warned", "warn")]
    assert {
        pair: contrast(of[pair[0]], of[pair[1]]) for pair in texts if contrast(of[pair[0]], of[pair[1]]) < 4.5
    } == {}
    assert {pair: contrast(of[pair[0]], of[pair[1]]) for pair in parts if contrast(of[pair[0]], of[pair[1]]) < 3} == {}
