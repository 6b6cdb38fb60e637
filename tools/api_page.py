"""The reference of the public names, from signatures and docstrings."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Iterator
from functools import reduce
from textwrap import dedent
from typing import Any

WIDTH = 100
"""Characters after which a signature goes over several lines."""


def api(name: str) -> str:
    """Return the Markdown about a name: instar.train or instar.core.events.Stepped."""
    value = found(name)
    if not inspect.isclass(value):
        return "\n\n".join([f"### `{name}`", *function(name, value)])
    parts = [f"### `{name}`", *described(value)]
    for member, method in methods(value):
        shown = f"{value.__name__}.{member}"
        parts += [f"#### `{shown}`", *function(shown, method)]
    return "\n\n".join(parts)


def found(name: str) -> Any:
    """Return what a dotted name means."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        return reduce(getattr, parts[length:], module)
    raise NameError(name)


def function(name: str, value: Any) -> Iterator[str]:
    """Yield the signature of a function as code, and what its docstring says."""
    yield f"```python\n{signature(name, value)}\n```"
    yield from described(value)


def signature(name: str, value: Any) -> str:
    """Return the head of a function as code, with types and defaults."""
    whole = inspect.signature(value)
    listed = [one for one in whole.parameters.values() if one.name not in ("self", "cls")]
    words = []
    for before, one in zip([None, *listed], listed, strict=False):
        if before is not None and before.kind is one.POSITIONAL_ONLY and one.kind is not one.POSITIONAL_ONLY:
            words.append("/")
        if one.kind is one.KEYWORD_ONLY and (before is None or before.kind < one.KEYWORD_ONLY):
            words.append("*")
        words.append(parameter(one))
    end = "" if whole.return_annotation is whole.empty else f" -> {whole.return_annotation}"
    name = name.rsplit(".", 1)[-1]
    line = f"def {name}({', '.join(words)}){end}: ..."
    several = "".join(f"    {word},\n" for word in words)
    return line if len(line) <= WIDTH else f"def {name}(\n{several}){end}: ..."


def parameter(one: inspect.Parameter) -> str:
    """Return a parameter as code. What a default is called counts, not how it looks."""
    stars = "*" if one.kind is one.VAR_POSITIONAL else "**" if one.kind is one.VAR_KEYWORD else ""
    value = json.dumps(one.default) if isinstance(one.default, str) else repr(one.default)
    default = "" if one.default is one.empty else f" = {getattr(one.default, '__name__', value)}"
    kind = str(one.annotation).replace("'", '"')  # postponed annotations come back with single quotes
    return f"{stars}{one.name}: {kind}{default}"


def methods(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield the public methods and class methods of a class, in the order of its source."""
    for name in vars(kind):
        if not name.startswith("_") and inspect.isroutine(getattr(kind, name)):
            yield name, getattr(kind, name)


def described(value: Any) -> Iterator[str]:
    """Yield the parts of a docstring: text, then tables of arguments and attributes, what is returned and raised."""
    pieces = re.split(r"^(Args|Attributes|Returns|Raises):\n", inspect.getdoc(value) or "", flags=re.MULTILINE)
    text = re.sub(
        r"((?:^    .*\n?)+)", lambda code: f"```python\n{dedent(code[0]).rstrip()}\n```\n", pieces[0], flags=re.M
    )
    yield text.strip()
    for heading, indented in zip(pieces[1::2], pieces[2::2], strict=True):
        body = dedent(indented).strip()
        if heading == "Returns":
            sentence = " ".join(body.split())
            yield f"Returns {sentence[0].lower()}{sentence[1:]}"
            continue
        rows = re.split(r"\n(?=\S)", body)
        split = [row.split(":", 1) for row in rows]
        title = {"Args": "Argument", "Attributes": "Attribute", "Raises": "Raises"}[heading]
        yield "\n".join(
            [f"| {title} | |", "| --- | --- |"]
            + [f"| `{name.strip()}` | {' '.join(said.split()).replace('|', chr(92) + '|')} |" for name, said in split]
        )
