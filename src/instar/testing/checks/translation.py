"""Checks of translating, and of the abilities that some methods have."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from instar.core.abilities import Attentive, Classifying, Clustered, Coded, Landmarked, Styled, StyleEncoding, supports
from instar.core.absent import without_training
from instar.core.batch import Domain
from instar.core.errors import UserError
from instar.core.method import Method
from instar.core.seed import generator, seeded
from instar.engine.averages import Averages
from instar.testing.case import Case

_WAYS: tuple[tuple[Domain, Domain], ...] = (("b", "a"), ("a", "b"))


@torch.inference_mode()
def shape_and_range(case: Case) -> None:
    """A translation has the shape of its input and values in [-1, 1]."""
    images = _images(case)
    for to in case.method.targets:
        out = _translate(case.method, images, to)
        assert out.shape == images.shape
        assert out.isfinite().all()
        assert out.abs().max() <= 1
    assert "b" in case.method.targets or not case.method.targets


@torch.inference_mode()
def without_targets_it_classifies(case: Case) -> None:
    """A method that translates nothing says so, and names classes: each image alone, whatever else is in the batch."""
    images, method = _images(case).double(), case.method.double()
    if method.targets:
        return
    assert supports(method, Classifying)
    said = ""
    try:
        method.translate(images)
    except UserError as error:
        said = str(error)
    assert "translates nothing" in said
    for domain in ("a", "b"):
        together = method.classify(images, domain)
        assert together.dim() == len(images) == len(together)
        alone = torch.cat([method.classify(image[None], domain) for image in images])
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@torch.inference_mode()
def same_seed_same_picture(case: Case) -> None:
    """The seed decides all chance of a translation."""
    images = _images(case)
    for to in case.method.targets:
        assert torch.equal(_translate(case.method, images, to), _translate(case.method, images, to))


@torch.inference_mode()
def chance_is_handed_in(case: Case) -> None:
    """A method that draws takes its chance from a generator that it is given; one that says it draws none does not."""
    images, method = _images(case), case.method
    for to in method.targets:
        before = torch.get_rng_state()
        if method.stochastic:
            drawn: list[Tensor] = [method.translate(images, to=to, generator=generator(1)) for _ in range(2)]  # type: ignore[call-arg]
        else:
            drawn = [method.translate(images, to=to)]
        assert torch.equal(torch.get_rng_state(), before), f"to {to}: the global generator was used"
        assert all(torch.equal(drawn[0], one) for one in drawn)


@torch.inference_mode()
def pure(case: Case) -> None:
    """Translating changes neither the method nor its input."""
    images, method = _images(case), case.method
    before = {name: value.clone() for name, value in method.state_dict().items()}
    given = images.clone()
    for to in method.targets:
        _translate(method, images, to)
    assert torch.equal(images, given)
    assert not method.training
    after = method.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


@torch.inference_mode()
def batch_independent(case: Case) -> None:
    """An image has one translation, whatever else is in the batch: in float64, where rounding is no difference."""
    images = _images(case).double()
    case.method.double()
    for to in case.method.targets:
        together = _translate(case.method, images, to)
        alone = torch.cat([_translate(case.method, image[None], to) for image in images])
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@torch.inference_mode()
def directions_differ(case: Case) -> None:
    """Different domains give different pictures."""
    images = _images(case)
    pictures = [_translate(case.method, images, to) for to in case.method.targets]
    assert not any(torch.equal(*pair) for pair in combinations(pictures, 2))


@torch.inference_mode()
def averaged_networks_are_those_that_translate(case: Case) -> None:
    """With zeroed averages every picture must change: `translators` names what translate uses, or naming classes."""
    images, method = _images(case), case.method
    for parameter in method.parameters():
        parameter.add_(0.01)  # some networks put out zeros before they are trained
    averages = Averages(method, 100)
    for average in averages.of.values():
        for parameter in average.parameters():
            parameter.zero_()

    def used() -> list[Tensor]:
        if not method.targets and supports(method, Classifying):
            return [method.classify(images, domain) for domain in ("a", "b")]
        return [_translate(method, images, to) for to in method.targets]

    plain = used()
    with averages.in_place():
        zeroed = used()
    assert plain
    assert all(not torch.equal(a, b) for a, b in zip(plain, zeroed, strict=True))
    assert set(method.translators) <= {name for name, _ in method.named_children()}


@torch.inference_mode()
def abilities_need_no_other_networks(case: Case) -> None:
    """Without the networks that only training needs, nothing changes: `also_used` names what abilities use."""
    images, method = _images(case), case.method

    def everything() -> list[Tensor]:
        made = [_translate(method, images, to) for to in method.targets]
        if supports(method, StyleEncoding):
            made += [method.encode_style(images, domain=to) for to in method.targets]
        if supports(method, Styled):
            with seeded(0, 0):
                made += [method.sample_style(2, to=to) for to in method.targets]
        if supports(method, Clustered):
            made += [method.cluster(images), method.cluster_styles()]
        if supports(method, Coded):
            made += [method.decode(method.encode(images, domain=source), to=to) for to, source in _WAYS]
        if supports(method, Attentive):
            made += [method.attention(images, to=to) for to in method.targets]
        if supports(method, Classifying):
            made += [method.classify(images, "a"), method.classify(images, "b")]
        if supports(method, Landmarked):
            made += [method.landmarks(images, domain=source) for _, source in _WAYS]
        return made

    before = everything()
    without_training(method, case.folder)
    for a, b in zip(before, everything(), strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0, equal_nan=True)


@torch.inference_mode()
def styles(case: Case) -> None:
    """A style decides the picture: drawn or read from an image, another one gives another picture. In float64."""
    images, method = _images(case).double(), case.method.double()
    if not supports(method, Styled):
        return
    for to in method.targets:
        drawn = method.sample_style(2, to=to)
        assert not torch.equal(*drawn)
        if supports(method, StyleEncoding):
            assert drawn.shape == method.encode_style(images, domain=to).shape
            assert not torch.equal(*method.encode_style(images, domain=to))
        one = images[:1]
        first, second = (method.translate(one, to=to, style=style[None]) for style in drawn)
        assert torch.equal(first, method.translate(one, to=to, style=drawn[:1]))
        assert not torch.equal(first, second)
        both = method.translate(one.expand(2, -1, -1, -1), to=to, style=drawn)
        torch.testing.assert_close(both, torch.cat([first, second]), atol=1e-5, rtol=0)


@torch.inference_mode()
def the_style_drawn_is_one_for_the_batch(case: Case) -> None:
    """Without a style given, one is drawn, as `sample_style` draws it."""
    images, method = _images(case), case.method
    if not supports(method, Styled):
        return
    with seeded(3, 0):
        style = method.sample_style(1)
    given = method.translate(images, to="b", style=style.expand(2, -1))
    torch.testing.assert_close(_translate(method, images, "b", seed=3), given)


@torch.inference_mode()
def codes(case: Case) -> None:
    """Translating is encoding and decoding."""
    images, method = _images(case), case.method
    if not supports(method, Coded):
        return
    for to, source in _WAYS:
        code = method.encode(images, domain=source)
        assert torch.equal(method.decode(code, to=to), _translate(method, images, to))


@torch.inference_mode()
def attention(case: Case) -> None:
    """Maps of attention are in [0, 1], and not the same everywhere."""
    images, method = _images(case), case.method
    if not supports(method, Attentive):
        return
    for to in method.targets:
        maps = method.attention(images, to=to)
        assert maps.dim() == 3
        assert len(maps) == len(images)
        assert 0 <= maps.min() < maps.max() <= 1


@torch.inference_mode()
def landmarks(case: Case) -> None:
    """They are places in the image; moved by nothing they translate, and moved they change the picture."""
    images, method = _images(case), case.method
    if not supports(method, Landmarked):
        return
    for to, source in _WAYS:
        points = method.landmarks(images, domain=source)
        assert points.shape[::2] == (2, 2)
        assert points.abs().max() <= 1
        by = torch.zeros(points.shape[1:])
        still, there = method.move(images, by, to=to)
        assert torch.equal(still, _translate(method, images, to))
        assert there.shape == points.shape
        assert not torch.equal(method.move(images, by + 0.2, to=to)[0], still)
        own, same = method.move(images, by, to=to, source=to)
        assert own.shape == images.shape
        assert torch.equal(same, method.landmarks(images, domain=to))


def _images(case: Case) -> Tensor:
    """Return two images whose sides are multiples of the method's number, not square and not those of training.

    The method is put into eval mode.
    """
    method = case.method.eval()
    side = method.fixed_size or method.size_divisor * -(-24 // method.size_divisor)
    width = method.fixed_size or side + method.size_divisor
    return torch.rand(2, case.config.method.channels, side, width, generator=generator(0)) * 2 - 1


def _translate(method: Method[Any], x: Tensor, to: Domain, seed: int = 0) -> Tensor:
    with seeded(seed, 0):
        return method.translate(x, to=to)
