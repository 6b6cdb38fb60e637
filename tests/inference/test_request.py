from pathlib import Path
from typing import Any

import pytest

from instar.core.errors import UserError
from instar.core.method import outline
from instar.core.registry import get
from instar.inference.request import TranslationRequest


def request(**options: Any) -> TranslationRequest:
    return TranslationRequest(**{"inputs": ("photos",), "out": Path("out"), **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": ()}, "nothing to translate: give images, folders, or patterns"),
        ({"size": 7}, "size must be at least 8, not 7"),
        ({"tile": 63}, "tile must be at least 64, not 63"),
        ({"tile": "large"}, "tile=large: give tile=auto or a number of pixels"),
        ({"batch": 0}, "batch must be at least 1, not 0"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"samples": 0}, "samples must be at least 1, not 0"),
        ({"interpolate": 1}, "interpolate must be at least 2, not 1"),
        ({"interpolate": 3, "samples": 2}, "interpolate and samples: give one of the two; the way leads from style 0"),
        ({"interpolate": 3, "grid": True}, "grid and interpolate: give one of the two; a strip shows all"),
        (
            {"reference": (Path("a/red.png"), Path("b/red.jpg"))},
            "reference: results are named after the images; give images of different names",
        ),
    ],
)
def test_what_does_not_go_together(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        request(**options)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "cyclegan",
            {"samples": 3},
            "samples: cyclegan cannot do that; methods that can: bicyclegan, drit, funit, munit",
        ),
        ("cyclegan", {"heatmap": True}, "heatmap: cyclegan cannot do that; methods that can: ugatit"),
        ("ugatit", {"tile": 64, "heatmap": True}, "tile and heatmap: give one of the two; the second takes the whole"),
        ("transgaga", {"tile": "auto", "landmarks": True}, "tile and landmarks: give one of the two"),
        ("unit", {"tile": 64, "interpolate": 3, "reference": (Path("x.png"),)}, "tile and interpolate: give one of"),
        ("munit", {"source": "horse"}, "source: munit cannot do that; methods that can: transgaga"),
        ("munit", {"move": ("1:0,0",)}, "move: munit cannot do that"),
        ("munit", {"landmarks": True}, "landmarks: munit cannot do that"),
        ("unit", {"reference": (Path("x.png"),)}, "reference: unit cannot do that"),
        ("unit", {"interpolate": 3}, "interpolate: unit needs reference=IMAGE, the picture at the other end"),
        (
            "unit",
            {"interpolate": 3, "reference": (Path("x.png"), Path("y.png"))},
            "interpolate: give at most 1 reference here, not 2",
        ),
        (
            "munit",
            {"interpolate": 3, "reference": (Path("x.png"), Path("y.png"), Path("z.png"))},
            "interpolate: give at most 2 reference here, not 3",
        ),
        ("unit", {"interpolate": 3, "towards": Path("x.png")}, "towards: unit cannot do that"),
        (
            "transgaga",
            {"towards": Path("x.png")},
            "towards: give also interpolate=N, the number of pictures on the way",
        ),
    ],
)
def test_what_a_method_cannot_do(name: str, options: dict[str, Any], message: str) -> None:
    kind = get(name)
    with pytest.raises(UserError) as error:
        request(**options).check(name, kind(kind.options()))
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cyclegan", {}),
        ("munit", {"samples": 2, "reference": (Path("x.png"),)}),
        ("munit", {"interpolate": 3, "reference": (Path("x.png"), Path("y.png"))}),
        ("unit", {"interpolate": 2, "reference": (Path("x.png"),)}),
    ],
)
def test_what_a_method_can_do(name: str, options: dict[str, Any]) -> None:
    kind = get(name)
    request(**options).check(name, kind(kind.options()))


def test_all_is_no_domain() -> None:
    assert [request(to=to).domain for to in (None, "all", "zebra", "2")] == [None, None, "zebra", "2"]


@pytest.mark.parametrize(
    ("name", "options", "asked", "message"),
    [
        ("ugatit", {"attention": "none"}, {"heatmap": True}, "heatmap: ugatit cannot do that, as it was trained;"),
        (
            "bicyclegan",
            {"mode": "pix2pix"},
            {"reference": (Path("x.png"),)},
            "reference: bicyclegan cannot do that, as it was trained; methods that can: bicyclegan, drit, funit, munit",
        ),
    ],
)
def test_what_settings_took_away(name: str, options: dict[str, Any], asked: dict[str, Any], message: str) -> None:
    kind = get(name)
    method = outline(kind, kind.options(**options))
    with pytest.raises(UserError) as error:
        request(**asked).check(name, method)
    assert str(error.value).startswith(message)
