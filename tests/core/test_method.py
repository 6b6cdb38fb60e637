import math
from typing import Any

import pytest
import torch

from instar.core import registry
from instar.core.errors import UserError
from instar.core.method import build, defaults
from instar.core.seed import seeded
from instar.core.settings import with_changes


def settings(name: str, **changes: Any) -> Any:
    return with_changes(defaults(name, registry.get(name), "tiny").method, changes)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("pix2pix", {"width": 65_536}),
        ("munit", {"mlp": 65_536}),
        ("tunit", {"queue": 10**12}),
        ("tunit", {"domains": 10**12}),
        ("cut", {"bank": 10**13, "negatives": "external"}),
        ("unit-adaptation", {"classes": 10**12}),
    ],
)
def test_networks_that_no_machine_holds_are_refused_before_they_are_made(name: str, changes: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"takes more than the [\d,]+ GB of this machine") as error:
        build(registry.get(name), settings(name, **changes), 0)
    assert "\n" not in str(error.value)


def test_the_copies_count(monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = settings("cyclegan")
    needed = sum(tensor.nbytes for tensor in registry.get("cyclegan")(cfg).state_dict().values())
    monkeypatch.setattr("instar.core.method.memory", lambda: 3 * needed)
    build(registry.get("cyclegan"), cfg, 0, copies=2)
    with pytest.raises(UserError):
        build(registry.get("cyclegan"), cfg, 0, copies=4)


@pytest.mark.parametrize("name", registry.names())
def test_looking_at_the_memory_draws_nothing(name: str) -> None:
    with seeded(7, 0):
        expected = registry.get(name)(settings(name)).state_dict()
    found = build(registry.get(name), settings(name), 7).state_dict()
    assert all(torch.equal(found[key], value) for key, value in expected.items())


@pytest.mark.parametrize(
    "changes",
    [
        {"blocks": 10**7},
        {"width": 100_000},
        {"layers": 10**7},
        {"scales": -1},
        {"shared": 101},
        {"dropout": math.nan},
    ],
)
def test_depths_and_widths_have_ends(changes: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=rf"method\.{next(iter(changes))} must be"):
        settings("unit", **changes)
