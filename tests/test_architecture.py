"""The rules of the layout, checked on the source itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import instar

ROOT = Path(instar.__file__).parent
ALLOWED = {
    "__init__": {"api", "core", "inference"},
    "core": set(),
    "losses": {"core"},
    "modules": {"core"},
    "networks": {"core", "modules"},
    "methods": {"core", "losses", "modules", "networks"},
    "data": {"core"},
    "engine": {"core", "modules"},
    "metrics": {"core"},
    "inference": {"core"},
    "evaluation": {"core", "data", "inference", "metrics"},
    "reports": {"core", "data", "inference", "metrics", "evaluation"},
    "sweeps": {"core", "data", "evaluation"},
    "api": {"core", "data", "engine", "inference", "metrics", "evaluation", "reports", "sweeps"},
    "cli": {"api", "core", "data", "engine", "inference", "metrics", "evaluation", "reports", "sweeps"},
}
"""Folder: what it may import besides itself. A method may not import another method, so `methods` is an exception."""


def sources(root: Path) -> list[Path]:
    return sorted(root.rglob("*.py"))


def folder_of(path: Path, root: Path) -> str:
    return path.relative_to(root).parts[0].removesuffix(".py")


def imported(path: Path, root: Path) -> Iterator[str]:
    """Dotted names below instar that a file imports, wherever in the file; `from a import b` gives a and a.b."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = ["instar", *path.relative_to(root).parent.parts]
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name.removeprefix("instar.") for name in names if name.startswith("instar."))


def forbidden(root: Path) -> list[str]:
    folders = {p.name for p in root.iterdir() if p.is_dir()}
    edges = []
    for path in sources(root):
        mine = folder_of(path, root)
        for name in imported(path, root):
            other = name.split(".")[0]
            own_method = mine == other == "methods" and name not in ("methods", f"methods.{path.stem}")
            if own_method or (other in folders and other != mine and other not in ALLOWED[mine]):
                edges.append(f"{path.relative_to(root)} imports {name}")
    return edges


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return (node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def test_every_folder_is_in_the_table() -> None:
    assert {folder_of(path, ROOT) for path in sources(ROOT)} <= set(ALLOWED)


def test_folders_import_only_what_the_table_allows() -> None:
    assert forbidden(ROOT) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("engine/trainer.py", "from instar.methods.cut import CUT"),
        ("engine/trainer.py", "from instar import methods"),
        ("methods/cut.py", "from instar.methods.cyclegan import CycleGAN"),
        ("methods/cut.py", "from .cyclegan import CycleGAN"),
        ("methods/cut.py", "from . import cyclegan"),
        ("methods/cut.py", "def late():\n    import instar.engine.trainer"),
        ("core/run.py", "from ..data import open_data"),
        ("inference/translator.py", "import instar.cli"),
    ],
)
def test_the_checker_sees_a_forbidden_import(tmp_path: Path, file: str, line: str) -> None:
    for folder in set(ALLOWED) - {"__init__"}:
        (tmp_path / folder).mkdir()
    (tmp_path / "methods" / "pix2pix.py").write_text("from instar.core import batch\nfrom instar.losses.gan import gan")
    assert forbidden(tmp_path) == []
    (tmp_path / file).write_text(line)
    assert forbidden(tmp_path)


def test_the_package_itself_imports_only_when_called() -> None:
    """`import instar` must not load torch: `instar --help` would take seconds."""
    top = ast.parse((ROOT / "__init__.py").read_text()).body
    eager = [node.module for node in top if isinstance(node, ast.ImportFrom)]
    assert not [module for module in eager if module and module.split(".")[0] in ("instar", "torch")]


def methods_in(path: Path) -> list[ast.ClassDef]:
    """Classes that have `Method` among their bases, at any depth within the file."""
    classes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
    found: list[ast.ClassDef] = []
    known = {"Method"}
    for node in classes:
        if any(isinstance(n, ast.Name) and n.id in known for base in node.bases for n in ast.walk(base)):
            known.add(node.name)
            found.append(node)
    return found


@pytest.mark.parametrize("path", [p for p in sources(ROOT / "methods") if p.stem != "__init__"], ids=lambda p: p.stem)
def test_a_method_is_direct_and_final(path: Path) -> None:
    (node,) = methods_in(path)
    (base,) = node.bases
    assert ast.unparse(base).split("[")[0] == "Method"
    assert "final" in [ast.unparse(decorator) for decorator in node.decorator_list]


def asks_for_attributes(path: Path) -> list[str]:
    """Calls that make the code depend on names put together at run time."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    named = [(call.func.id, call) for call in calls if isinstance(call.func, ast.Name)]
    return [
        f"{path.name}:{call.lineno}"
        for name, call in named
        if name == "hasattr" or (name == "getattr" and isinstance(call.args[1], ast.JoinedStr))
    ]


@pytest.mark.parametrize("folder", ["methods", "engine"])
def test_no_hasattr_and_no_made_up_names(folder: str) -> None:
    assert [call for path in sources(ROOT / folder) for call in asks_for_attributes(path)] == []


def words(path: Path) -> set[str]:
    """Identifiers, attribute names, and strings that are not docstrings, in small letters."""
    tree = ast.parse(path.read_text())
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            found.add(node.value)
        found |= {getattr(node, field) for field in ("id", "attr", "name", "arg") if hasattr(node, field)}
    return {word.lower() for word in found if isinstance(word, str)}


def test_the_engine_names_no_method() -> None:
    named = {name.replace("-", "_") for name in instar.names()} | set(instar.names())
    assert {path.name: both for path in sources(ROOT / "engine") if (both := words(path) & named)} == {}


def test_files_and_functions_are_short() -> None:
    long = [f"{path}: {n} lines" for path in sources(ROOT) if (n := len(path.read_text().splitlines())) >= 300]
    for path in sources(ROOT):
        for node in functions(path):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            n = node.end_lineno - body[0].lineno + 1 if body and node.end_lineno else 0
            long += [f"{path}:{node.name}: {n} lines"] if n >= 60 else []
    assert long == []


def test_the_public_entry_points() -> None:
    assert instar.__all__ == ["__version__", "check", "get", "load", "names"]
    assert all(hasattr(instar, name) for name in instar.__all__)
    assert {"cut", "cyclegan", "pix2pix"} <= set(instar.names())
