"""Writes the parts of pages that come from the code, so that they cannot drift from it: `python tools/pages.py`.

In a page such a part begins with a line ``<!-- terms cut -->``, the name of a writer below and what it is given, and
ends with ``<!-- end -->``. What stands between them is written here; everything else by hand. A test compares.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any, Literal, get_args, get_origin, get_type_hints

from instar.core import registry
from instar.core.choices import written
from instar.core.config import DataConfig, TrainConfig
from instar.core.describe import describe
from instar.core.description import Description
from instar.core.settings import field_docs
from instar.data.layouts import OWN

sys.path.insert(0, str(Path(__file__).parent))
from api_page import api

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "METHODS.md", *sorted((ROOT / "docs").rglob("*.md"))]
DESCRIPTIONS = ROOT / "src/instar/methods/descriptions.json"
CHOICES = ROOT / "src/instar/methods/choices.json"
HELPERS = {"halves", "over_scales", "probabilities"}
"""Functions beside the losses that are none."""
PART = re.compile(r"^(<!-- (\w+)((?: [^\n]*)?) -->)\n.*?^<!-- end -->$", re.MULTILINE | re.DOTALL)


def page(text: str) -> str:
    """Return a page with all parts written anew. A part whose writer is not known is an error."""

    def part(match: re.Match[str]) -> str:
        head, writer, argument = match[1], match[2], match[3].strip()
        return f"{head}\n\n{WRITERS[writer](argument)}\n\n<!-- end -->"

    return PART.sub(part, text)


def descriptions() -> str:
    """Return what is said of Instar's own methods, for the package."""
    return _json({name: asdict(describe(name)) for name in _own_names()})


def choices() -> str:
    """Return the settings and presets of Instar's own methods, for the package."""
    return _json({name: written(registry.get(name)) for name in _own_names()})


def objective(name: str) -> str:
    """Return the opening of a method's docstring: a sentence, and the formula as code."""
    sentence, *formula = _docstring(name)[""].strip().split("\n\n")
    return "\n\n".join([" ".join(sentence.split()), *(f"```text\n{dedent(part)}\n```" for part in formula)])


def terms(name: str) -> str:
    """Return a table of the method's terms."""
    rows: list[list[str]] = []
    for line in _docstring(name)["Terms"].splitlines():
        match = re.match(r"(\w+/\w+): (.*)", line)
        if match:
            rows.append([f"`{match[1]}`", match[2]])
        elif line.strip():
            rows[-1][1] += " " + line.strip()
    return _table(["Term", "Meaning"], rows)


def differs(name: str) -> str:
    """Return the list of deviations from the paper."""
    return _items(name, "Differs from the paper")


def parts(name: str) -> str:
    """Return the list of parts of a method of no paper, their addresses as links."""
    return re.sub(r"\((https://[^)]+)\)", r"(<\1>)", _items(name, "Parts"))


def presets(name: str) -> str:
    """Return a table of the method's presets and of the flags each stands for."""
    rows = []
    for key, preset in registry.get(name).presets.items():
        sections = {"method": preset.method, "data": preset.data, "train": preset.train}
        flags = " ".join(flag for section, changes in sections.items() for flag in _changed(section, changes))
        rows.append([f"`{key}`", preset.about, f"`{flags}`"])
    return _table(["Preset", "What for", "Stands for"], rows)


def options(name: str) -> str:
    """Return a table of the flags of a method, or of `data` or `train`."""
    sections = {"data": DataConfig, "train": TrainConfig}
    config = sections[name]() if name in sections else registry.get(name).options()
    rows = list(_flags(config, name if name in sections else "method"))
    return _table(["Flag", "Default", "Meaning"], rows)


def paper(name: str) -> str:
    """Return one line about the paper, the data and the directions."""
    found = describe(name)
    where = found.paper
    cited = f"[{where.title}]({where.url}), {where.authors}, {where.year}" if where else "Of no paper: of known parts"
    return f"{cited}. Data: {found.data}. Translates {_directions(found)}."


def layouts(_: str) -> str:
    """Return a section for each layout of data sets, in the order in which they are asked."""
    return "\n\n".join(
        f"### {(inspect.getdoc(inspect.getmodule(kind)) or '').rstrip('.')}\n\n{inspect.getdoc(kind)}" for kind in OWN
    )


def section(argument: str) -> str:
    """Return a section of a file at the root, `FILE#Heading`, without its heading."""
    file, heading = argument.split("#")
    text = (ROOT / file).read_text(encoding="utf-8").split(f"\n## {heading}\n", 1)[1]
    return re.split(r"^## ", text, maxsplit=1, flags=re.MULTILINE)[0].strip()


def index(links: str) -> str:
    """Return a table of all of Instar's own methods: for METHODS.md, or with links to pages for the documentation."""
    rows = []
    for path in _own_methods():
        found = describe(path.stem.replace("_", "-"))
        where = path.relative_to(ROOT).as_posix()
        rows.append(
            [
                f"[{found.name}](methods/{path.stem}.md)" if links else f"[{found.name}](docs/methods/{path.stem}.md)",
                _title(found),
                _cited(found),
                f"`{where}`" if links else f"[{where}]({where})",
                ", ".join(f"{', '.join(keys)}: {kind}" for kind, keys in found.networks.items()),
                ", ".join(_losses(path)),
                found.data,
                _directions(found),
            ]
        )
    return _table(["Method", "Name", "Paper", "Source", "Networks", "Losses", "Data", "Translates"], rows)


def methods(_: str) -> str:
    """Return the table of all of Instar's own methods for the README."""
    rows = []
    for path in _own_methods():
        found = describe(path.stem.replace("_", "-"))
        link = f"[`{found.name}`](docs/methods/{path.stem}.md)"
        rows.append([link, _title(found), _cited(found), found.data, _directions(found)])
    return _table(["Method", "Name", "Paper", "Data", "Translates"], rows)


def _own_methods() -> list[Path]:
    return sorted(path for path in DESCRIPTIONS.parent.glob("[a-z]*") if path.suffix != ".json")


def _own_names() -> list[str]:
    return [path.stem.replace("_", "-") for path in _own_methods()]


def _json(found: Mapping[str, Any]) -> str:
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def _cited(found: Description) -> str:
    return f"[{found.citation}]({found.paper.url})" if found.paper else found.citation


def _items(name: str, heading: str) -> str:
    """Return a part of the docstring as a list; each item ends with a line that ends with a full stop."""
    text = _docstring(name)[heading].strip()
    return "\n".join("- " + " ".join(item.split()) for item in re.split(r"(?<=\.)\n", text))


def _title(found: Description) -> str:
    """Return the name in the literature, and those of methods that are presets."""
    return "; ".join([found.title, *(f"{name}: preset `{key}`" for name, key in found.presets_of_their_own.items())])


def _directions(found: Description) -> str:
    return ", ".join([found.directions, *found.abilities])


def _losses(path: Path) -> list[str]:
    """Return the loss functions that a method's terms are made of: those it imports and calls for their values."""
    source = path / "method.py" if path.is_dir() else path
    tree = ast.parse(source.read_text(encoding="utf-8"))
    places = ("instar.losses", "torch.nn.functional", f"instar.methods.{path.stem}.")
    imported = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(places)
        for alias in node.names
        if alias.name[0].islower()
    }
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    chosen = {name: node for name, node in _attributes(tree) if name == "gan"}  # by an option
    own: dict[str, ast.AST] = {**functions, **chosen}
    called: set[str] = set()
    for function in functions.values():
        for value in _values(function):
            names = _called(value)
            called |= names.union(*(_called(own[name]) for name in names & set(own)))
    return sorted({imported[name] for name in called & set(imported)} - HELPERS)


def _values(function: ast.FunctionDef) -> Iterator[ast.expr]:
    """Yield the expressions of the values of the terms in a function, of variables what they were set to."""
    assigned: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for name in (name for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)):
                assigned.setdefault(name.id, []).append(node.value)
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "term":
            value = node.args[1]
            yield from assigned.get(value.id, []) if isinstance(value, ast.Name) else [value]


def _attributes(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the attributes of self and what they are set to."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
            yield node.targets[0].attr, node.value


def _called(node: ast.AST) -> set[str]:
    """Return the functions called or handed over in some code: `f(x)`, `f.real(x)`, `g(f.real)`, `self.f(x)`."""
    names = set()
    for one in ast.walk(node):
        if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name):
            names.add(one.attr if one.value.id == "self" else one.value.id)
        elif isinstance(one, ast.Call) and isinstance(one.func, ast.Name):
            names.add(one.func.id)
        elif isinstance(one, ast.Dict):
            names |= {value.id for value in one.values if isinstance(value, ast.Name)}
    return names


def _docstring(name: str) -> dict[str, str]:
    """Return a method's docstring by heading; what stands before the first heading is under ""."""
    parts = re.split(r"^(\w[\w ]*):\n", inspect.getdoc(registry.get(name)) or "", flags=re.MULTILINE)
    return {"": parts[0], **{key: dedent(text) for key, text in zip(parts[1::2], parts[2::2], strict=True)}}


def _flags(config: Any, prefix: str) -> Iterator[list[str]]:
    hints = get_type_hints(type(config), include_extras=True)
    told = field_docs(type(config))
    for field in fields(config):
        value, hint, flag = getattr(config, field.name), hints[field.name], f"{prefix}.{field.name.replace('_', '-')}"
        names = [
            alias for extra in getattr(hint, "__metadata__", ()) for alias in getattr(extra, "aliases", None) or ()
        ]
        if "Suppress" in str(hint):
            continue
        if is_dataclass(value):
            yield from _flags(value, flag)
            continue
        if isinstance(value, bool):
            names += [f"--{flag}", f"--{prefix}.no-{field.name.replace('_', '-')}"]
        else:
            names += [f"--{flag}"]
        bare = get_args(hint)[0] if hasattr(hint, "__metadata__") else hint
        others = [f"`{one}`" for one in get_args(bare) if one != value] if get_origin(bare) is Literal else []
        default = f"`{_shown(value)}`" + (f" (or {', '.join(others)})" if others else "")
        yield [", ".join(f"`{name}`" for name in names), default, told[field.name]]


def _changed(prefix: str, changes: Mapping[str, Any]) -> Iterator[str]:
    for key, value in changes.items():
        flag = f"{prefix}.{key.replace('_', '-')}"
        if isinstance(value, Mapping):
            yield from _changed(flag, value)
        elif isinstance(value, bool):
            yield f"--{flag}" if value else f"--{prefix}.no-{key.replace('_', '-')}"
        else:
            yield f"--{flag} {_shown(value)}"


def _shown(value: object) -> str:
    """Return a value as it is written on the command line."""
    return " ".join(str(one) for one in value) if isinstance(value, (tuple, list)) else str(value)


def _table(headings: list[str], rows: list[list[str]]) -> str:
    cells = [headings, ["---"] * len(headings), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


WRITERS = {
    writer.__name__: writer
    for writer in (objective, terms, differs, parts, presets, options, paper, layouts, section, index, methods, api)
}

if __name__ == "__main__":
    DESCRIPTIONS.write_text(descriptions(), encoding="utf-8")
    CHOICES.write_text(choices(), encoding="utf-8")
    for path in PAGES:
        path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")
