"""What a method can do may depend on its settings."""

import pytest

from instar.core import registry
from instar.core.abilities import (
    ABILITIES,
    Attentive,
    Classifying,
    Clustered,
    Coded,
    Landmarked,
    Styled,
    StyleEncoding,
    abilities,
    supports,
)
from instar.core.method import defaults, outline
from instar.testing.runs import build, tiny


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cyclegan", set()),
        ("pix2pix", set()),
        ("bicyclegan", {Styled, StyleEncoding}),
        ("unit", {Coded}),
        ("unit-adaptation", {Coded, Classifying}),
        ("ugatit", {Attentive}),
        ("tunit", {Styled, StyleEncoding, Clustered}),
        ("transgaga", {Styled, StyleEncoding, Coded, Landmarked}),
    ],
)
def test_abilities_of_the_default_settings(name: str, expected: set[type]) -> None:
    kind = registry.get(name)
    assert abilities(outline(kind, defaults(name, kind, None).method)) == expected


@pytest.mark.parametrize(
    ("name", "options", "lost"),
    [
        ("ugatit", {"attention": "none"}, Attentive),
        ("ugatit", {"attention": "discriminator"}, Attentive),
        ("bicyclegan", {"mode": "pix2pix"}, StyleEncoding),
    ],
)
def test_settings_take_abilities_away(name: str, options: dict[str, str], lost: type) -> None:
    whole, less = build(tiny(name)), build(tiny(name, **options))
    assert abilities(whole) - abilities(less) == {lost}
    assert supports(whole, lost)
    assert not supports(less, lost)
    assert isinstance(less, lost), "its class still has the functions"


def test_pix2pix_with_noise_has_styles_that_cannot_be_read() -> None:
    assert supports(build(tiny("bicyclegan", mode="pix2pix")), Styled)


def test_other_things_have_none() -> None:
    assert not any(supports(object(), ability) for ability in ABILITIES)


def test_an_outline_has_no_weights() -> None:
    kind = registry.get("ugatit")
    found = outline(kind, defaults("ugatit", kind, "paper").method)
    assert found.fixed_size == 256
    assert all(p.is_meta for p in found.parameters())
