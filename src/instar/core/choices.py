"""What can be chosen of a method: its settings, its presets. For parsers and help.

Those of Instar's own methods are written into a file of the package, as importing a method takes seconds of PyTorch.
"""

from __future__ import annotations

import json
import pathlib
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, make_dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any

from typing_extensions import Doc

from instar.core import registry
from instar.core.config import MethodConfig, Optim, Preset
from instar.core.description import Paper, description
from instar.core.settings import Bounds, field_docs, from_dict, to_dict

if TYPE_CHECKING:
    from instar.core.method import Method

_TYPES = {"typing": typing, "pathlib": pathlib, "Path": pathlib.Path, "Bounds": Bounds, "Optim": Optim}
"""Of which the types of settings are written."""


@dataclass(frozen=True)
class Choices:
    """Settings and presets of a method."""

    options: type[MethodConfig]
    """Its settings with their bounds and help texts; without those checks of its class that compare several."""
    presets: Mapping[str, Preset]
    """As `Method.presets`."""
    paper: Paper | None
    """As `Method.paper`."""


def choices(name: str) -> Choices:
    """Return what can be chosen of a method: as the package says, of others what their class says."""
    if name not in _own():
        method = registry.get(name)
        return Choices(method.options, method.presets, method.paper)
    own = _own()[name]
    presets = {key: Preset(**_with_tuples(preset)) for key, preset in own["presets"].items()}
    return Choices(_options(own["about"], own["settings"]), presets, description(name).paper)


def written(method: type[Method[Any]]) -> dict[str, Any]:
    """Return what can be chosen of a method as JSON can hold it."""
    options = method.options
    docs, hints = field_docs(options), typing.get_type_hints(options, include_extras=True)
    values, usual = to_dict(options()), to_dict(MethodConfig())
    own = [one for one in fields(options) if one.name in values and (one.name, values[one.name]) not in usual.items()]
    return {
        "about": options.__doc__,
        "settings": {
            one.name: {"type": _type(hints[one.name]), "default": values[one.name], "help": docs[one.name]}
            for one in own
        },
        "presets": {key: asdict(preset) for key, preset in method.presets.items()},
    }


@cache
def _own() -> dict[str, dict[str, Any]]:
    text = files("instar.methods").joinpath("choices.json").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found


def _options(about: str, settings: Mapping[str, Mapping[str, Any]]) -> type[MethodConfig]:
    """Return a class of settings as they are written."""
    made: list[tuple[str, Any, Any]] = []
    for name, one in settings.items():
        kind: Any = eval(one["type"], _TYPES)
        default = (
            from_dict(kind, one["default"], name)
            if isinstance(kind, type) and is_dataclass(kind)
            else _with_tuples(one["default"])
        )
        made.append((name, Annotated[kind, Doc(one["help"])], field(default=default)))
    return make_dataclass(
        "Config", made, bases=(MethodConfig,), frozen=True, kw_only=True, namespace={"__doc__": about}
    )


def _type(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else repr(hint)


def _with_tuples(value: Any) -> Any:
    """Return a value of JSON with tuples for its lists: settings hold no lists."""
    if isinstance(value, dict):
        return {key: _with_tuples(item) for key, item in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value
