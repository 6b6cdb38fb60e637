import pytest

from instar.evaluation.appearance import PROBE, RUINS, TARGET
from instar.evaluation.between import CHANGE, COLOURS, LOCAL, LUMINANCE
from instar.evaluation.verdict import (
    COLOURED,
    KEPT,
    RUINED,
    SEPARABLE,
    SHOWS,
    UNCHANGED,
    UNCHANGED_AT,
    verdict,
)

COPY = {TARGET: 0.02, PROBE: 0.05, "FID-like KID": 0.5}
REAL = {TARGET: 0.97, PROBE: 0.98}
FOUND = {TARGET: 0.62, PROBE: 0.7, RUINS: 0.1, CHANGE: 30.0, COLOURS: 0.3, LUMINANCE: 0.8, "FID-like KID": 0.2}


def words(**changes: float) -> str:
    names = {"target": TARGET, "ruins": RUINS, "change": CHANGE, "colours": COLOURS, "light": LUMINANCE, "place": LOCAL}
    names["kid"] = "FID-like KID"
    return verdict({**FOUND, **{names[name]: value for name, value in changes.items()}}, COPY, REAL)


def test_the_share_that_shows_the_target() -> None:
    assert words() == "target in 62%"
    assert words(change=1.0, colours=0.99) == "target in 62%", "a colour may be all that the target is"
    assert words(kid=0.6) == "target in 62%, but worse than a copy as a set"


def test_ruins_whatever_the_probe_says() -> None:
    assert words(ruins=RUINED) == "ruins"
    assert words(ruins=RUINED, target=0.0, change=0.0) == "ruins"
    assert words(ruins=RUINED - 0.01) == "target in 62%"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"change": UNCHANGED - 0.1}, "nearly a copy"),
        ({"change": 0.7, "place": UNCHANGED_AT - 0.1}, "nearly a copy"),
        ({"change": 0.7, "place": UNCHANGED_AT}, "target in 4%"),
        ({"change": UNCHANGED - 0.1, "kid": 0.51}, "nearly a copy"),
        ({"colours": COLOURED}, "colour only"),
        ({"colours": COLOURED, "light": -1.0, "kid": 0.6}, "colour only"),
        ({"colours": COLOURED, "light": KEPT - 0.1, "kid": 0.6}, "worse than a copy"),
        ({"kid": 0.51}, "worse than a copy"),
        ({"kid": 0.5}, "target in 4%"),
    ],
)
def test_without_the_target(changes: dict[str, float], expected: str) -> None:
    assert words(target=0.04, **changes) == expected


def test_the_target_counts_above_what_inputs_score() -> None:
    assert words(target=COPY[TARGET] + SHOWS + 0.001, change=1.0).startswith("target in 12%")
    assert words(target=COPY[TARGET] + SHOWS - 0.001, change=1.0) == "nearly a copy"


def test_domains_that_the_features_cannot_tell_apart() -> None:
    near = {TARGET: 0.6, PROBE: COPY[PROBE] + SEPARABLE - 0.01}
    assert (
        verdict(FOUND, COPY, near)
        == "unknown: the features take 54% of the real images for the target, and 5% of the inputs"
    )


@pytest.mark.parametrize("missing", [TARGET, PROBE, RUINS, CHANGE, COLOURS, LUMINANCE])
def test_no_words_without_the_scores(missing: str) -> None:
    assert verdict({name: value for name, value in FOUND.items() if name != missing}, COPY, REAL) == ""
    assert verdict(FOUND, {}, REAL) == ""
    assert verdict(FOUND, COPY, {}) == ""


def test_without_a_kernel_distance() -> None:
    few = {name: value for name, value in FOUND.items() if not name.endswith("KID")}
    assert verdict({**few, TARGET: 0.0}, COPY, REAL) == "target in 0%"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({CHANGE: 1.0, LUMINANCE: 0.9985}, "nearly a copy"),
        ({CHANGE: 1.0, "FID-like KID": 0.9}, "nearly a copy"),
        ({COLOURS: 0.9}, "colour only"),
        ({COLOURS: 0.9, "FID-like KID": 0.6}, "colour only, and worse than a copy as a set"),
        ({"FID-like KID": 0.6}, "worse than a copy"),
        ({}, ""),
    ],
)
def test_where_nothing_says_how_the_target_looks(changes: dict[str, float], expected: str) -> None:
    few = {name: value for name, value in FOUND.items() if name not in (TARGET, PROBE, RUINS)}
    kid = {"FID-like KID": COPY["FID-like KID"]}
    assert verdict({**few, **changes}, kid, {}) == expected
    assert verdict({"FID-like KID": 0.6}, kid, {}) == "worse than a copy"
    assert verdict({"accuracy": 0.6}, {}, {}) == ""


def test_copies_are_named_where_features_cannot_tell_the_domains_apart() -> None:
    near = {TARGET: 0.6, PROBE: COPY[PROBE] + SEPARABLE - 0.01}
    assert verdict({**FOUND, CHANGE: 1.0}, COPY, near).endswith("of the inputs; nearly a copy")
    assert verdict({**FOUND, "FID-like KID": 0.6}, COPY, near).endswith("of the inputs; worse than a copy")
