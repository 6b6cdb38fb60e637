"""The kind of a change, from images alone, on sets made here whose change is known."""

import json
from importlib.resources import files

import numpy as np
import pytest
from numpy.typing import NDArray

from instar.core import registry
from instar.core.method import defaults
from instar.evaluation.kind_of_change import FEWEST, KINDS, SIDE, kind_of_change
from instar.evaluation.measured_kinds import best_rows, measured_rows

Images = NDArray[np.uint8]


def pictures(count: int, seed: int) -> NDArray[np.float64]:
    """A head of one of many colours before one of many walls, (N, 64, 64, 3) in [0, 255]."""
    random = np.random.default_rng(seed)
    walls, heads = random.uniform(40, 215, (2, count, 1, 1, 3))
    shift = random.uniform(-3, 3, (count, 2))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    inside = np.stack([(rows - 34 - dy) ** 2 + (columns - 32 - dx) ** 2 < 20**2 for dy, dx in shift])[..., None]
    noise = random.normal(0, 6, (count, SIDE, SIDE, 1))
    found: NDArray[np.float64] = np.where(inside, heads, walls) + noise
    return found


def whole(images: NDArray[np.float64]) -> Images:
    return images.clip(0, 255).astype(np.uint8)


def tinted(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """A cast of colour that leaves the brightness of grays as it is."""
    return x * [1.3, 0.93, 0.57]


def striped(x: NDArray[np.float64]) -> NDArray[np.float64]:
    lines = np.where(np.arange(SIDE) % 4 < 2, 45, -45)[:, None, None]
    return x + lines


def capped(x: NDArray[np.float64]) -> NDArray[np.float64]:
    y = x.copy()
    y[:, 8:20, 20:44] = [190, 30, 40]
    return y


def opened(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Some pixels change places: no colour is added."""
    y = x.copy()
    y[:, 40:48, 24:40] = y[:, 40:48, 24:40][:, :, ::-1] * 0.8
    y[:, 44:46, 24:40] -= 45
    return y


def raised(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([x[:, 14:], x[:, :14]], axis=1)


@pytest.mark.parametrize(
    ("change", "kind"),
    [(tinted, "colour"), (striped, "texture"), (capped, "object added"), (opened, "local shape")],
)
def test_a_known_change(change: object, kind: str) -> None:
    a, b = whole(pictures(120, 1)), whole(change(pictures(120, 2)))  # type: ignore[operator]
    found = kind_of_change(a, b)
    assert (found.kind, found.sure) == (kind, True)
    assert kind_of_change(a, b) == found


def test_a_shape_that_is_elsewhere_is_told_by_places_alone() -> None:
    found = kind_of_change(whole(pictures(120, 1)), whole(raised(pictures(120, 2))))
    assert found.places > 0.8
    assert max(found.colours, found.textures) < 0.65


def test_equal_domains_are_not_told_apart() -> None:
    found = kind_of_change(whole(pictures(120, 1)), whole(pictures(120, 2)))
    assert not found.sure
    assert found.spread < 0.05


def test_too_few_images() -> None:
    few = whole(pictures(FEWEST - 1, 1))
    with pytest.raises(ValueError, match=f"needs {FEWEST} images"):
        kind_of_change(few, whole(pictures(FEWEST, 2)))


def test_the_table_names_what_there_is() -> None:
    raw = json.loads(files("instar.evaluation").joinpath("measured_kinds.json").read_text(encoding="utf-8"))
    assert raw["made_by"]
    assert {row.kind for row in measured_rows()} <= set(KINDS)
    for row in measured_rows():
        config = defaults(row.method, registry.get(row.method), row.preset)
        assert config.data.size == raw["size"]
        assert 0 <= row.target <= 1
        assert row.kid_of_copies > 0


def test_the_best_is_that_which_was_tried_most() -> None:
    assert {(row.method, row.preset) for row in best_rows("object added")} == {("quick", "small")}
    assert len(best_rows("object added")) == 2, "cut reaches more on the one set that it saw"
    assert {row.set for row in best_rows("texture")} == {"drawn stripes, cluttered"}
