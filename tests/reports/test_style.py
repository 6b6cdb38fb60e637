"""Contrast of the pages' colours, computed from the style sheets (WCAG 2.1: 4.5 for text, 3 for what is no text)."""

import re
from importlib.resources import files

import pytest

from instar.reports.inspect import PALETTE

TEMPLATES = files("instar.reports") / "templates"
TEXT, SHAPE = 4.5, 3.0


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(2 * one for one in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def colours(text: str, scheme: str) -> dict[str, str]:
    """The variables of a style sheet for those who prefer light or dark colours."""
    found: dict[str, str] = {}
    dark = [match.span() for match in re.finditer(r"@media \(prefers-color-scheme: dark\) \{.*?\}\s*\}", text, re.S)]
    for match in re.finditer(r"--([\w-]+): (#[0-9a-f]{3,6})", text):
        if scheme == "dark" or not any(start <= match.start() < end for start, end in dark):
            found[match[1]] = match[2]
    return found


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def base(scheme: str) -> dict[str, str]:
    return colours((TEMPLATES / "base.css").read_text(), scheme)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000", "#fff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize(
    ("front", "back", "least"),
    [
        *(("ink", "paper", TEXT), ("soft", "paper", TEXT), ("accent", "paper", TEXT)),
        *(("ink", "field", TEXT), ("soft", "field", TEXT), ("ink", "warn", TEXT)),
        *(("edge", "paper", SHAPE), ("edge", "field", SHAPE), ("warned", "paper", SHAPE)),
    ],
)
def test_the_shared_colours(scheme: str, front: str, back: str, least: float) -> None:
    found = base(scheme)
    assert contrast(found[front], found[back]) >= least


def test_the_lines_of_curves(scheme: str) -> None:
    found = colours((TEMPLATES / "view.css").read_text(), scheme)
    assert len(found) == 8
    assert {name: colour for name, colour in found.items() if contrast(colour, base(scheme)["paper"]) < SHAPE} == {}


def test_the_ground_of_a_study(scheme: str) -> None:
    ground = colours((TEMPLATES / "study.css").read_text(), scheme)["ground"]
    found = base(scheme)
    assert min(contrast(found[name], ground) for name in ("ink", "soft", "accent")) >= TEXT


def test_the_colours_of_domains(scheme: str) -> None:
    low = {colour: round(contrast(colour, base(scheme)["paper"]), 2) for colour in PALETTE}
    assert {colour: ratio for colour, ratio in low.items() if ratio < SHAPE} == {}


@pytest.mark.parametrize("page", ["compare", "inspect", "scores", "study", "view"])
def test_all_pages_share_template_and_style(page: str) -> None:
    assert (TEMPLATES / f"{page}.html").read_text().startswith('{% extends "base.html" %}')
