from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor

from instar.core.abilities import Attentive, Coded, Landmarked, Styled
from instar.core.config import RunConfig
from instar.core.method import Method
from instar.core.seed import seed_step
from instar.engine.averages import Averages


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture
def images(method: Method[Any], config: RunConfig) -> Tensor:
    """Two images whose sides are multiples of the method's number, not square and not those of training."""
    method.eval()
    side = method.fixed_size or method.size_divisor * -(-24 // method.size_divisor)
    width = method.fixed_size or side + method.size_divisor
    chance = torch.Generator().manual_seed(0)
    return torch.rand(2, config.method.channels, side, width, generator=chance) * 2 - 1


def translate(method: Method[Any], x: Tensor, to: str, seed: int = 0) -> Tensor:
    seed_step(seed, 0)
    return method.translate(x, to=to)  # type: ignore[arg-type]


def test_shape_and_range(method: Method[Any], images: Tensor) -> None:
    for to in method.targets:
        out = translate(method, images, to)
        assert out.shape == images.shape
        assert out.isfinite().all()
        assert out.abs().max() <= 1
    assert "b" in method.targets


def test_same_seed_same_picture(method: Method[Any], images: Tensor) -> None:
    for to in method.targets:
        assert torch.equal(translate(method, images, to), translate(method, images, to))


def test_pure(method: Method[Any], images: Tensor) -> None:
    before = {name: value.clone() for name, value in method.state_dict().items()}
    given = images.clone()
    for to in method.targets:
        translate(method, images, to)
    assert torch.equal(images, given)
    assert not method.training
    after = method.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_batch_independent(method: Method[Any], images: Tensor) -> None:
    for to in method.targets:
        together = translate(method, images, to)
        alone = torch.cat([translate(method, image[None], to) for image in images])
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_directions_differ(method: Method[Any], images: Tensor) -> None:
    pictures = [translate(method, images, to) for to in method.targets]
    assert not any(torch.equal(*pair) for pair in combinations(pictures, 2))


def test_averaged_networks_are_those_that_translate(method: Method[Any], images: Tensor) -> None:
    """With zeroed averages every picture must change: `translators` names what translate uses."""
    averages = Averages(method, 100)
    for average in averages.of.values():
        for parameter in average.parameters():
            parameter.zero_()
    plain = [translate(method, images, to) for to in method.targets]
    with averages.in_place():
        zeroed = [translate(method, images, to) for to in method.targets]
    assert all(not torch.equal(a, b) for a, b in zip(plain, zeroed, strict=True))
    assert set(method.translators) <= {name for name, _ in method.named_children()}


def test_styles(method: Method[Any], images: Tensor) -> None:
    """A style decides the picture: drawn or read from an image, another one gives another picture."""
    if not isinstance(method, Styled):
        return
    for to in method.targets:
        drawn = method.sample_style(2)
        assert drawn.shape == method.encode_style(images, domain=to).shape
        assert not torch.equal(*drawn)
        assert not torch.equal(*method.encode_style(images, domain=to))
        one = images[:1]
        first, second = (method.translate(one, to=to, style=style[None]) for style in drawn)
        assert torch.equal(first, method.translate(one, to=to, style=drawn[:1]))
        assert not torch.equal(first, second)
        both = method.translate(one.expand(2, -1, -1, -1), to=to, style=drawn)
        torch.testing.assert_close(both, torch.cat([first, second]), atol=1e-5, rtol=0)


def test_the_style_drawn_is_one_for_the_batch(method: Method[Any], images: Tensor) -> None:
    if not isinstance(method, Styled):
        return
    seed_step(3, 0)
    style = method.sample_style(1)
    torch.testing.assert_close(
        translate(method, images, "b", seed=3), method.translate(images, to="b", style=style.expand(2, -1))
    )


def test_codes(method: Method[Any], images: Tensor) -> None:
    """Translating is encoding and decoding."""
    if not isinstance(method, Coded):
        return
    for to, source in (("b", "a"), ("a", "b")):
        code = method.encode(images, domain=source)  # type: ignore[arg-type]
        assert torch.equal(method.decode(code, to=to), translate(method, images, to))  # type: ignore[arg-type]


def test_attention(method: Method[Any], images: Tensor) -> None:
    if not isinstance(method, Attentive):
        return
    for to in method.targets:
        maps = method.attention(images, to=to)
        assert maps.dim() == 3
        assert len(maps) == len(images)
        assert 0 <= maps.min() < maps.max() <= 1


def test_landmarks(method: Method[Any], images: Tensor) -> None:
    """They are places in the image; moved by nothing they translate, and moved they change the picture."""
    if not isinstance(method, Landmarked):
        return
    for to, source in (("b", "a"), ("a", "b")):
        points = method.landmarks(images, domain=source)  # type: ignore[arg-type]
        assert points.shape[::2] == (2, 2)
        assert points.abs().max() <= 1
        by = torch.zeros(points.shape[1:])
        still, there = method.move(images, by, to=to)  # type: ignore[arg-type]
        assert torch.equal(still, translate(method, images, to))
        assert there.shape == points.shape
        assert not torch.equal(method.move(images, by + 0.2, to=to)[0], still)  # type: ignore[arg-type]
        own, same = method.move(images, by, to=to, source=to)  # type: ignore[arg-type]
        assert own.shape == images.shape
        assert torch.equal(same, method.landmarks(images, domain=to))  # type: ignore[arg-type]
