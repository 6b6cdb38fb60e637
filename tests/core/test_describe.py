"""Methods in words, under their default settings."""

from dataclasses import replace

import pytest

from instar.core import registry
from instar.core.describe import describe
from instar.core.method import Paper

OWN_PRESETS = {
    "cut": {"FastCUT": "fastcut", "MoNCE": "monce", "hDCE and SRC": "src", "QS-Attn": "qs-attn"},
    "dclgan": {"SimDCL": "simdcl"},
    "drit": {"DRIT++": "plus"},
}
"""Methods that are presets of another, by title."""


@pytest.mark.parametrize(
    ("name", "title", "citation", "directions", "abilities"),
    [
        ("cyclegan", "CycleGAN", "Zhu et al. 2017", "both ways", ()),
        ("dann", "DANN", "Ganin et al. 2016", "nothing", ("classifies",)),
        ("gcgan", "GcGAN", "Fu et al. 2019", "one way", ()),
        ("distancegan", "DistanceGAN", "Benaim and Wolf 2017", "both ways", ()),
        ("bicyclegan", "BicycleGAN", "Zhu et al. 2017", "one way", ("many styles",)),
        ("ugatit", "U-GAT-IT", "Kim et al. 2020", "both ways", ("attention maps",)),
        ("tunit", "TUNIT", "Baek et al. 2021", "any to any", ("many styles", "finds domains")),
        (
            "unit-adaptation",
            "UNIT for domain adaptation",
            "Liu et al. 2017",
            "both ways",
            ("shared code", "classifies"),
        ),
    ],
)
def test_methods(name: str, title: str, citation: str, directions: str, abilities: tuple[str, ...]) -> None:
    found = describe(name)
    assert (found.name, found.title, found.citation) == (name, title, citation)
    assert (found.directions, found.abilities) == (directions, abilities)


def test_networks_are_those_of_the_default_preset() -> None:
    """GcGAN's preset tiny has cycles, its default has not; containers are named for what they hold."""
    assert describe("gcgan").networks == {"ResnetGenerator": ("G",), "PatchGAN": ("D_Y", "D_fY")}
    assert describe("tunit").networks["GuidingNetwork"] == ("C", "C_ema")
    assert describe("transgaga").networks["LandmarkDetector"] == ("E_g",)


@pytest.mark.parametrize("name", registry.names())
def test_methods_that_are_presets(name: str) -> None:
    found = describe(name)
    assert set(found.presets_of_their_own.values()) <= set(registry.get(name).presets)
    assert found.presets_of_their_own == OWN_PRESETS.get(name, {})


@pytest.mark.parametrize(
    ("authors", "citation"),
    [("Me", "Me 2026"), ("Benaim, Wolf", "Benaim and Wolf 2026"), ("Park, Efros, Zhang, Zhu", "Park et al. 2026")],
)
def test_citations(authors: str, citation: str) -> None:
    found = replace(describe("cut"), paper=Paper("A method", authors, 2026, "https://example.org"))
    assert found.citation == citation
