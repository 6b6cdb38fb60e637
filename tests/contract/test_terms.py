import inspect
import re
from typing import Any

import pytest
import torch

from contract.playing import build, tiny
from instar.core.batch import Batch
from instar.core.config import RunConfig
from instar.core.method import Method
from instar.core.objective import Objective, term
from instar.core.progress import Progress
from instar.losses import perceptual


def block(kind: type[Method[Any]], title: str) -> str:
    """The indented lines under a title of the class's docstring."""
    found = re.search(rf"^{title}:\n((?:    .+\n|\n)+)", f"{inspect.getdoc(kind)}\n", re.MULTILINE)
    assert found, f"{kind.__name__} has no block {title!r}"
    return found.group(1)


def play(method: Method[Any], config: RunConfig, batch: Batch) -> list[Objective]:
    """The objectives of one step in every phase."""
    steps = [Progress(step, config.train.steps, 3) for step in range(config.train.steps)]
    firsts = {method.phase(at): at for at in reversed(steps)}
    return [objective for at in firsts.values() for objective in method.objectives(batch, at)]


def logged(objectives: list[Objective]) -> set[str]:
    return {f"{objective.name}/{t.name}" for objective in objectives for t in objective.loss.terms}


@pytest.fixture
def played(method: Method[Any], config: RunConfig, batch: Batch) -> list[Objective]:
    return play(method, config, batch)


@pytest.fixture
def random_vgg(monkeypatch: pytest.MonkeyPatch) -> None:
    """Perceptual losses are computed in features of random kernels: names do not depend on weights to be fetched."""

    def load(layer: perceptual.Layer, instead: str) -> torch.nn.Module:
        return torch.nn.Conv2d(3, 4, 3).requires_grad_(False)

    monkeypatch.setattr(perceptual, "_load", load)


@pytest.mark.usefixtures("random_vgg")
def test_documented_terms_are_those_of_the_log(
    name: str, kind: type[Method[Any]], batch: Batch, played: list[Objective]
) -> None:
    """Of the preset "tiny" and of all variants that the class declares; each of these has terms of its own."""
    documented = re.findall(r"^    (\w+/\w+): \S", block(kind, "Terms"), re.MULTILINE)
    assert len(documented) == len(set(documented))
    found = logged(played)
    for variant, changes in kind.variants.items():
        config = tiny(name, **changes)
        terms = logged(play(build(config), config, batch))
        assert terms - found, f"the variant {variant} has no terms that others do not have"
        found |= terms
    assert set(documented) == found


def test_docs(kind: type[Method[Any]]) -> None:
    assert block(kind, "Differs from the paper").strip()
    assert kind.paper.url.startswith("https://")
    assert kind.objectives.__doc__
    assert kind.translate.__doc__


def test_total_is_the_weighted_sum(played: list[Objective]) -> None:
    for objective in played:
        expected = sum(t.weight * t.value.item() for t in objective.loss.terms)
        assert objective.loss.total().item() == pytest.approx(expected, rel=1e-5)
        assert objective.loss.total().requires_grad


def test_a_term_of_weight_0_takes_no_part(played: list[Objective]) -> None:
    for objective in played:
        broken = objective.loss + 0.0 * term("broken", torch.tensor(torch.nan))
        assert torch.equal(broken.total(), objective.loss.total())


def test_terms_are_finite_scalars_in_full_precision(method: Method[Any], config: RunConfig, batch: Batch) -> None:
    """Under bf16 autocast too: averaged or divided by a temperature in bf16, a loss would be noise."""
    with torch.autocast("cpu", torch.bfloat16):
        for objective in method.objectives(batch, Progress(0, config.train.steps)):
            for t in objective.loss.terms:
                assert t.value.dtype == torch.float32, f"{objective.name}/{t.name}"
                assert t.value.isfinite()
