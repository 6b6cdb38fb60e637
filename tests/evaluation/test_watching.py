"""What is measured of translations while a run trains."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from instar.core.batch import Unlabelled, Unpaired
from instar.evaluation.appearance import SPOTS
from instar.evaluation.between import CHANGE, COLOURS, LOCAL, LUMINANCE
from instar.evaluation.watching import CONTRAST, LEAST, Watcher

from .test_validation import Tinted

SIDE = 64


def pictures(count: int, seed: int) -> Tensor:
    """Soft forms, (N, 3, 64, 64) in [-0.8, 0.8]."""
    coarse = torch.rand(count, 3, 5, 5, generator=torch.Generator().manual_seed(seed)) * 1.6 - 0.8
    return nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bilinear", align_corners=True)


class Stored(list[Any]):
    """Images as a store gives them."""

    def looked_at(self, i: int) -> Any:
        return self[i]


def stored(images: Tensor) -> Any:
    """Training images: (H, W, C), uint8, a little larger than the squares."""
    larger = nn.functional.interpolate(images, (SIDE + 6, SIDE + 9), mode="bilinear")
    return Stored(((one + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy() for one in larger)


class Painter(nn.Module):
    """Translates by a function."""

    def __init__(self, change: Any, targets: tuple[str, ...] = ("b",)) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.change, self.targets = change, targets

    def translate(self, x: Tensor, *, to: str) -> Tensor:
        changed: Tensor = self.change(x)
        return changed


def watcher(count: int = 40, held_out: int = 16) -> Watcher:
    batch = Unpaired(a=pictures(held_out, 1), b=pictures(held_out, 2))
    training = {"a": stored(pictures(count, 3)), "b": stored(pictures(count, 4))}
    return Watcher(lambda: batch, training, SIDE, 0)


def disc(x: Tensor) -> Tensor:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    inside = torch.from_numpy((rows - 30) ** 2 + (columns - 20) ** 2 <= 3**2)
    return torch.where(inside, torch.ones_like(x), x * 0.9)


def measured(change: Any) -> dict[str, float]:
    return watcher()(Painter(change))["b"]  # type: ignore[arg-type]


def test_a_copy() -> None:
    found = measured(lambda x: x)
    assert found == {CHANGE: 0, LOCAL: 0, COLOURS: 0, LUMINANCE: pytest.approx(1), SPOTS: 0, CONTRAST: found[CONTRAST]}
    assert found[CONTRAST] == pytest.approx(1, abs=0.2)


def test_what_is_done_to_the_images_is_what_is_measured() -> None:
    darker = measured(lambda x: x - 10 / 127.5)
    assert (darker[CHANGE], darker[LOCAL], darker[COLOURS]) == pytest.approx((10, 10, 1), abs=0.01)
    swapped = measured(lambda x: -x)
    assert (swapped[LUMINANCE], swapped[COLOURS]) == pytest.approx((-1, 1), abs=1e-3)
    flat = measured(lambda x: x * 0.01)
    assert flat[CONTRAST] < 0.02
    assert measured(lambda x: x.flip(2))[COLOURS] < 0.6


def test_discs_are_counted() -> None:
    assert measured(disc)[SPOTS] > 0.8
    assert measured(lambda x: x * 0.9)[SPOTS] < 0.1


def test_each_domain_by_itself() -> None:
    found = watcher()(Painter(lambda x: -x, ("a", "b")))  # type: ignore[arg-type]
    assert set(found) == {"a", "b"}
    assert found["a"][CHANGE] != found["b"][CHANGE]


def test_few_training_images_say_nothing_of_spots() -> None:
    assert SPOTS not in watcher(LEAST - 1)(Painter(disc))["b"]  # type: ignore[arg-type]
    assert SPOTS in watcher(LEAST)(Painter(disc))["b"]  # type: ignore[arg-type]


def test_a_method_that_translates_within_one_folder_is_measured_too() -> None:
    batch = Unlabelled(a=pictures(4, 1), b=pictures(4, 1))
    watch = Watcher(lambda: batch, {"a": [], "b": []}, SIDE, 0)  # type: ignore[dict-item]
    assert watch(Painter(lambda x: x))["b"][CHANGE] == 0  # type: ignore[arg-type]


def test_images_are_read_when_they_are_needed_and_once() -> None:
    asked = []
    batch = Unpaired(a=pictures(4, 1), b=pictures(4, 2))

    def samples() -> Unpaired:
        asked.append(1)
        return batch

    watch = Watcher(samples, {"a": [], "b": []}, SIDE, 0)  # type: ignore[dict-item]
    assert not asked
    for _ in range(3):
        watch(Painter(lambda x: x))  # type: ignore[arg-type]
    assert len(asked) == 1


def test_styles_are_the_same_at_all_times_and_chance_is_left_alone(tmp_path: Path) -> None:
    watch, method = watcher(), Tinted()
    before = torch.get_rng_state()
    first = watch(method)  # type: ignore[arg-type]
    assert len(set(method.drawn)) == len(method.drawn) == 16
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(7)
    assert watch(method) == first  # type: ignore[arg-type]
