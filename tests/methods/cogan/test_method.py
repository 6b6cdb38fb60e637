"""CoGAN as the authors' code has it."""

import copy
import math
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from chance import seed_step
from torch import Tensor, nn
from torch.nn import functional as nnf

from instar.core.batch import Labelled
from instar.core.config import Optim
from instar.core.errors import UserError
from instar.core.progress import Progress
from instar.methods.cogan import CoGAN, Config
from instar.modules.warp import random_warp
from instar.testing.runs import Noise, build, interrupted_equals_whole, tiny
from methods.parts import count, steps_equal

STEPS = 4
NETS = ("G", "D")


def by_hand(method: CoGAN, source: Noise, w: Config) -> list[nn.Module]:
    """The authors' loop, every pass on its own, their softmax of two."""
    G, D = nets = [copy.deepcopy(getattr(method, name)) for name in NETS]
    adams = []
    for net in nets:
        kernels, rest = ([p for p in net.parameters() if (p.dim() > 1) == one] for one in (True, False))
        groups = [{"params": kernels, "weight_decay": 5e-4}, {"params": rest, "weight_decay": 0.0}]
        adams.append(torch.optim.Adam(groups, lr=2e-4, betas=(0.5, 0.999)))

    def features(images: Tensor, domain: str) -> Tensor:
        found = D.own[domain](images)  # type: ignore[index, operator]
        for stage in D.trunk:  # type: ignore[union-attr]
            found = stage(found)  # type: ignore[operator]
        return found  # type: ignore[no-any-return]

    def verdict(found: list[Tensor], real: int) -> Tensor:
        logits = torch.cat([D.real(f)[:, :, 0, 0] for f in found])  # type: ignore[operator]
        return nnf.cross_entropy(logits, torch.full((len(logits),), real))

    for step in range(STEPS):
        batch = cast(Labelled, source.batch(step))
        seed_step(0, step)
        x, y = (0.5 * (random_warp(images, w.warp) + 1) for images in (batch.a, batch.b))
        in_a, in_b = (image.detach() for image in G(torch.randn(len(x), 100, dtype=x.dtype)))
        real, fake = [features(x, "a"), features(y, "b")], [features(in_a, "a"), features(in_b, "b")]
        loss = verdict(real, 1) + verdict(fake, 0)
        loss = loss + w.label * nnf.cross_entropy(D.label(real[0])[:, :, 0, 0], batch.labels)  # type: ignore[operator]
        loss = loss + w.feature * (fake[0] - fake[1]).pow(2).sum((1, 2, 3)).mean()
        for net in nets:
            net.zero_grad()
        loss.backward()
        adams[1].step()
        in_a, in_b = G(torch.randn(len(x), 100, dtype=x.dtype))
        for net in nets:
            net.zero_grad()
        verdict([features(in_a, "a"), features(in_b, "b")], 1).backward()
        adams[0].step()
    return nets


@pytest.mark.parametrize(
    ("options", "size"),
    [({}, 2), ({"label": 3.0, "feature": 0.5, "warp": 1.0}, 3), ({"feature": 0.0}, 2)],
    ids=["cogan", "weights", "no-feature"],
)
def test_steps_equal_a_hand_written_loop(tmp_path: Path, options: dict[str, Any], size: int) -> None:
    config = tiny("cogan", {"steps": STEPS, "batch": size}, **options)
    steps_equal(config, tmp_path, NETS, by_hand)


def test_resume(tmp_path: Path) -> None:
    interrupted_equals_whole("cogan", tmp_path, warp=1.0)


def test_parameter_counts() -> None:
    """Those of the authors' networks."""
    with torch.device("meta"):
        method = CoGAN(Config(channels=1))
    assert [count(getattr(method, name)) for name in NETS] == [7_842_694, 432_603]


def make(**options: Any) -> tuple[CoGAN, Labelled]:
    batch = cast(Labelled, Noise(Labelled, side=28, size=2).batch(0))
    return cast(CoGAN, build(tiny("cogan", **options))), batch


def test_weights_of_the_terms() -> None:
    method, batch = make()
    played = {objective.name: objective for objective in method.objectives(batch, Progress(0, 10))}
    assert {t.name: t.weight for t in played["D"].loss.terms} == {"real": 1, "fake": 1, "label": 10, "feature": 0.01}
    assert {t.name: t.weight for t in played["G"].loss.terms} == {"gan": 1}


def test_values_of_a_discriminator_that_knows_nothing() -> None:
    method, batch = make()
    for parameter in method.D.parameters():
        nn.init.zeros_(parameter)
    rounds = method.objectives(batch, Progress(0, 10))
    found = {t.name: t.value.item() for t in next(rounds).loss.terms}
    half = pytest.approx(math.log(2))
    assert found == {"real": half, "fake": half, "label": pytest.approx(math.log(10)), "feature": 0}


def test_pairs_that_are_equal_have_equal_features_if_the_own_layers_are() -> None:
    method, batch = make()
    for own in (method.G.own, method.D.own):
        own["b"].load_state_dict(own["a"].state_dict())
    objective = next(method.objectives(batch, Progress(0, 10)))
    assert {t.name: t.value.item() for t in objective.loss.terms}["feature"] == 0


def test_the_layer_of_the_domain_without_labels_learns_nothing_from_labels() -> None:
    method, batch = make()
    objective = next(method.objectives(batch, Progress(0, 10)))
    label = next(t.value for t in objective.loss.terms if t.name == "label")
    own_a, own_b = (method.D.own[domain][0].weight for domain in "ab")  # type: ignore[index]
    of_a, of_b = torch.autograd.grad(label, [own_a, own_b], retain_graph=True, allow_unused=True)
    assert of_a is not None
    assert of_a.any()
    assert of_b is None or not of_b.any()


@torch.no_grad()
def test_it_classifies_by_the_layers_of_a_domain_and_translates_nothing() -> None:
    method, batch = make()
    method.eval()
    assert torch.equal(method.classify(batch.b), method.D.classify((batch.b + 1) / 2, "b"))
    assert not torch.equal(method.classify(batch.b, "b"), method.classify(batch.b, "a"))
    with pytest.raises(UserError, match="CoGAN translates nothing"):
        method.translate(batch.a)


def test_recipe() -> None:
    cfg = Config()
    assert cfg.optim == Optim(lr=2e-4, betas=(0.5, 0.999), hold=1.0, weight_decay=5e-4)
    assert (cfg.label, cfg.feature) == (10, 0.01)
