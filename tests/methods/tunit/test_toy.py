"""TUNIT on drawn shapes: what they are made of is their domain, where they are and their outline is their content.

The thresholds are those of the design. The slow test takes minutes on a CPU.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from instar.core.batch import Unlabelled
from instar.core.progress import Progress
from instar.methods.tunit import TUNIT
from instar.metrics.clusters import matched_accuracy, purity
from instar.testing.runs import NoiseStream, build, tiny, trainer

SIDE, DOMAINS, HELD_OUT = 32, 4, 10**6
DARK = ((0.1, 0.3, 0.1), (0.1, 0.15, 0.4), (0.4, 0.1, 0.1), (0.2, 0.2, 0.2))
LIGHT = ((1.0, 0.7, 0.4), (0.95, 0.95, 0.5), (0.5, 0.95, 0.95), (1.0, 1.0, 1.0))
"""Of the backgrounds and the shapes: every shape is lighter than every background."""


@dataclass(frozen=True)
class Toy:
    """A picture (3, 32, 32) in [-1, 1], its domain, and the middle of the shape in pixels, right and down."""

    image: Tensor
    domain: int
    middle: tuple[float, float]


def toy(index: int) -> Toy:
    chance = np.random.default_rng([7, index])
    domain, shape = int(chance.integers(DOMAINS)), int(chance.integers(3))
    (x, y), radius = chance.uniform(10, 22, 2), chance.uniform(5, 8)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    right, down = columns - x, rows - y
    inside = [
        right**2 + down**2 < radius**2,
        np.maximum(abs(right), abs(down)) < 0.85 * radius,
        (down < 0.7 * radius) & (down > 2 * abs(right) - radius),
    ][shape]
    phase = int(chance.integers(4))
    textures = [rows // 2 + phase, columns // 2 + phase, rows // 3 + columns // 3 + phase, 0 * rows]
    behind, front = (textures[(domain + turn) % 4] % 2 for turn in (0, 2))
    light = np.array(LIGHT[domain]) * (1 - 0.2 * front[..., None])
    dark = np.array(DARK[domain]) * (1 - 0.7 * behind[..., None])
    pixels = np.where(inside[..., None], light, dark) + chance.normal(0, 0.02, (SIDE, SIDE, 3))
    image = torch.from_numpy(pixels.clip(0, 1).transpose(2, 0, 1) * 2 - 1).float()
    return Toy(image, domain, centres(image[None])[0].tolist())


def centres(images: Tensor) -> Tensor:
    """Return the middles (N, 2), right and down in pixels, of what is light in images (N, 3, 32, 32)."""
    light = (images.mean(1) > 0).float()
    weights = light.sum((1, 2)).clamp(min=1)
    along = torch.arange(SIDE, dtype=torch.float32)
    return torch.stack([light.sum(1) @ along / weights, light.sum(2) @ along / weights], 1)


@dataclass
class Toys:
    """A source of training images, none twice."""

    size: int
    epoch_length: int = 100

    def batch(self, step: int) -> Unlabelled:
        images = torch.stack([toy(step * self.size + i).image for i in range(self.size)])
        return Unlabelled(images, images)

    def stream(self, start_step: int) -> NoiseStream:
        return NoiseStream(self, start_step)  # type: ignore[arg-type]


def held_out(count: int) -> tuple[Tensor, Tensor]:
    toys = [toy(HELD_OUT + i) for i in range(count)]
    return torch.stack([t.image for t in toys]), torch.tensor([t.domain for t in toys])


def trained(folder: Path, steps: int, **options: Any) -> TUNIT:
    sizes = {"width": 16, "guide_width": 16, "style_dim": 64, "queue": 1024, "std": 0.5}
    rates = {"optim": {"lr": 5e-4}, "optim_c": {"lr": 1e-3}}
    config = tiny("tunit", {"steps": steps, "batch": 32, "seed": 0}, **sizes, **rates, **options)
    play = trainer(config, folder, build(config), Toys(32))  # type: ignore[arg-type]
    for step in range(steps):
        if step in (0, round(config.method.cluster * steps)):  # type: ignore[attr-defined]
            play.enter_phase(Progress(step, steps))
        play.train_step(play.source.batch(step))
    assert isinstance(play.method, TUNIT)
    return play.method.eval()


def test_the_drawn_world_is_as_it_says() -> None:
    images, domains = held_out(200)
    assert images.shape == (200, 3, SIDE, SIDE)
    assert domains.bincount().min() > 30
    for domain in range(DOMAINS):
        own = images[domains == domain]
        assert ((own.mean(1) > 0).float().mean((1, 2)) > 0.02).all()
    drawn = Toy(images[0], int(domains[0]), (0, 0))
    assert torch.equal(toy(HELD_OUT).image, drawn.image)
    shifted = torch.roll(images[:1], (3, 2), (2, 3))
    torch.testing.assert_close(centres(shifted) - centres(images[:1]), torch.tensor([[2.0, 3.0]]))


@pytest.mark.slow
def test_domains_are_found_and_pass_from_reference_to_content(tmp_path: Path) -> None:
    method = trained(tmp_path, 3200, domains=DOMAINS, cluster=0.75)
    images, truth = held_out(400)
    with torch.inference_mode():
        found = method.cluster(images).argmax(1)
        assert len(found.unique()) == DOMAINS
        assert matched_accuracy(found, truth) >= 0.9
        content, like = images[:200], images[200:]
        made = method.translate(content, style=method.encode_style(like, domain="b"))
        as_reference = (method.cluster(made).argmax(1) == found[200:]).float().mean()
    away = (centres(made) - centres(content)).norm(dim=1) / SIDE
    assert as_reference >= 0.8
    assert away.mean() < 0.1


@pytest.mark.slow
def test_twice_as_many_domains_as_there_are(tmp_path: Path) -> None:
    method = trained(tmp_path, 2400, domains=2 * DOMAINS, cluster=1.0)
    images, truth = held_out(400)
    with torch.inference_mode():
        found = method.cluster(images).argmax(1)
    assert purity(found, truth) >= 0.9
