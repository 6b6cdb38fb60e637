"""Pages written from the code, so that they cannot drift from it.

MkDocs calls `on_page_markdown`, which replaces lines such as ``{{ terms cut }}``. ``python docs/hooks.py`` writes
METHODS.md.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any, Literal, get_args, get_origin, get_type_hints

from instar.core import registry
from instar.core.abilities import Styled
from instar.core.config import DataConfig, TrainConfig
from instar.core.method import Method, defaults
from instar.data.layouts import OWN

ROOT = Path(__file__).resolve().parent.parent
MARKER = re.compile(r"^\{\{ (\w+) ?(.*?) \}\}$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the markers of a page."""
    return MARKER.sub(lambda match: WRITERS[match[1]](match[2]), markdown)


def objective(name: str) -> str:
    """Return the opening of a method's docstring: a sentence, and the formula as code."""
    sentence, *formula = _docstring(name)[""].strip().split("\n\n")
    return "\n\n".join([" ".join(sentence.split()), *(f"```text\n{dedent(part)}\n```" for part in formula)])


def terms(name: str) -> str:
    """Return a table of the method's terms."""
    rows: list[list[str]] = []
    for line in _docstring(name)["Terms"].splitlines():
        match = re.match(r"([A-Z]\w*/\w+): (.*)", line)
        if match:
            rows.append([f"`{match[1]}`", match[2]])
        elif line.strip():
            rows[-1][1] += " " + line.strip()
    return _table(["Term", "Meaning"], rows)


def differs(name: str) -> str:
    """Return the list of deviations; in the docstring each ends with a line that ends with a full stop."""
    text = _docstring(name)["Differs from the paper"].strip()
    return "\n".join("- " + " ".join(item.split()) for item in re.split(r"(?<=\.)\n", text))


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
    method = registry.get(name)
    where = method.paper
    data, directions = _needs(method)
    return f"[{where.title}]({where.url}), {where.authors}, {where.year}. Data: {data}. Translates {directions}."


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
    for path in sorted((ROOT / "src/instar/methods").glob("[a-z]*.py")):
        name = path.stem.replace("_", "-")
        method = registry.get(name)
        data, directions = _needs(method)
        built = method(defaults(name, method, "tiny").method)
        networks = {
            key: type(net).__name__ for key, net in built.named_children() if any(True for _ in net.parameters())
        }
        by_kind = {kind: [key for key, other in networks.items() if other == kind] for kind in networks.values()}
        where = path.relative_to(ROOT).as_posix()
        rows.append(
            [
                f"[{name}](methods/{path.stem}.md)" if links else f"[{name}](docs/methods/{path.stem}.md)",
                f"[{method.paper.authors.split(',')[0]} et al. {method.paper.year}]({method.paper.url})",
                f"`{where}`" if links else f"[{where}]({where})",
                ", ".join(f"{', '.join(keys)}: {kind}" for kind, keys in by_kind.items()),
                ", ".join(_losses(path)),
                data,
                directions,
            ]
        )
    return _table(["Method", "Paper", "File", "Networks", "Losses", "Data", "Directions"], rows)


def methods_index() -> str:
    """Return the text of METHODS.md."""
    return f"# Methods\n\n<!-- Written by `make docs` from the code; do not edit. -->\n\n{index('')}\n"


def _needs(method: type[Method[Any]]) -> tuple[str, str]:
    directions = {1: "one way", 2: "both ways"}.get(len(method.targets), f"to {len(method.targets)} domains")
    if len(method.data.sources()) == 1:
        directions = "any image to any style"
    return method.data.needs, directions + ", many styles" * issubclass(method, Styled)


def _losses(path: Path) -> list[str]:
    places = ("instar.losses", "torch.nn.functional")
    imports = [
        node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)
    ]
    found = [alias.name for node in imports if (node.module or "").startswith(places) for alias in node.names]
    return sorted(name for name in found if name[0].islower())


def _docstring(name: str) -> dict[str, str]:
    """Return a method's docstring by heading; what stands before the first heading is under ""."""
    parts = re.split(r"^(\w[\w ]*):\n", inspect.getdoc(registry.get(name)) or "", flags=re.MULTILINE)
    return {"": parts[0], **{key: dedent(text) for key, text in zip(parts[1::2], parts[2::2], strict=True)}}


def _flags(config: Any, prefix: str) -> Iterator[list[str]]:
    hints = get_type_hints(type(config), include_extras=True)
    told = _field_docs(type(config))
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


def _field_docs(kind: type) -> dict[str, str]:
    """Return the docstrings under the fields of a dataclass and its bases."""
    found = {}
    for cls in reversed([cls for cls in kind.__mro__ if is_dataclass(cls)]):
        body = ast.parse(dedent(inspect.getsource(cls))).body[0]
        assert isinstance(body, ast.ClassDef)
        for here, below in zip(body.body, body.body[1:], strict=False):
            if isinstance(here, ast.AnnAssign) and isinstance(here.target, ast.Name) and isinstance(below, ast.Expr):
                found[here.target.id] = " ".join(str(ast.literal_eval(below.value)).split())
    return found


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
    writer.__name__: writer for writer in (objective, terms, differs, presets, options, paper, layouts, section, index)
}

if __name__ == "__main__":
    (ROOT / "METHODS.md").write_text(methods_index(), encoding="utf-8")
