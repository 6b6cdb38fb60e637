"""Settings and presets that are at hand without PyTorch."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import get_type_hints

import pytest

from instar.core import registry
from instar.core.choices import choices, written
from instar.core.config import under_preset
from instar.core.errors import UserError
from instar.core.method import defaults
from instar.core.settings import field_docs, to_dict, with_changes


@pytest.mark.parametrize("name", registry.names())
def test_what_the_package_says_is_what_the_classes_say(name: str) -> None:
    said, method = choices(name), registry.get(name)
    assert said.paper == method.paper
    assert list(said.presets) == list(method.presets)
    for preset in said.presets:
        mine = under_preset(name, said.options, said.presets, preset)
        theirs = defaults(name, method, preset)
        assert (mine.data, mine.train) == (theirs.data, theirs.train)
        assert with_changes(method.options(), asdict(mine.method)) == theirs.method
        assert said.presets[preset].about == method.presets[preset].about
    names = [one.name for one in fields(method.options)]
    assert [one.name for one in fields(said.options)] == names
    assert field_docs(said.options) == field_docs(method.options)
    assert said.options.__doc__ == method.options.__doc__
    kinds = (get_type_hints(kind, include_extras=True) for kind in (said.options, method.options))
    # The text in a type, which stands for a docstring, is what differs.
    mine, theirs = ({key: getattr(hint, "__metadata__", ())[:1] for key, hint in kind.items()} for kind in kinds)
    assert {key: mine[key] for key in names if theirs[key]} == {key: theirs[key] for key in names if theirs[key]}
    assert get_type_hints(said.options)["channels"] == get_type_hints(method.options)["channels"]
    assert {key: get_type_hints(said.options)[key] for key in names} == {
        key: get_type_hints(method.options)[key] for key in names
    }


def test_bounds_are_kept() -> None:
    with pytest.raises(UserError, match=r"method\.width must be between 1 and"):
        choices("cut").options(width=0)  # type: ignore[call-arg]


def test_a_method_of_a_file_is_asked_itself() -> None:
    name = registry.register(Path(__file__).parents[2] / "examples/l1_unet.py")
    method = registry.get(name)
    assert choices(name).options is method.options
    assert choices(name).presets is method.presets


def test_a_setting_that_is_added_is_written() -> None:
    method = registry.get("cut")
    found = written(method)
    assert json.loads(json.dumps(found))["settings"]["layers"]["default"] == list(to_dict(method.options())["layers"])
    assert "channels" not in found["settings"], "it is that of all methods"
