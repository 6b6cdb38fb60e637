"""The rules of the layout, checked on the source itself."""

import ast
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import instar

ROOT = Path(instar.__file__).parent
ALLOWED = {
    "__init__": {"api", "core"},
    "core": set(),
    "losses": {"core"},
    "modules": {"core"},
    "networks": {"core", "modules"},
    "methods": {"core", "losses", "modules", "networks"},
    "data": {"core"},
    "engine": {"core", "modules"},
    "metrics": {"core"},
    "testing": {"core", "losses", "engine"},
    "inference": {"core"},
    "exporting": {"core", "modules", "inference"},
    "importing": {"core"},
    "sharing": {"core"},
    "serving": {"core", "inference"},
    "evaluation": {"core", "data", "inference", "metrics"},
    "reports": {"core", "data", "inference", "metrics", "evaluation"},
    "cluster": {"core", "inference", "evaluation"},
    "sweeps": {"core", "data", "evaluation", "cluster"},
    "api": {
        "core",
        "data",
        "engine",
        "inference",
        "exporting",
        "importing",
        "serving",
        "sharing",
        "metrics",
        "evaluation",
        "reports",
        "sweeps",
        "cluster",
    },
    "studio": {"api", "core", "data", "inference", "exporting", "reports"},
    "cli": {
        "api",
        "core",
        "data",
        "engine",
        "inference",
        "exporting",
        "serving",
        "metrics",
        "evaluation",
        "reports",
        "studio",
        "sweeps",
        "cluster",
    },
}
"""Folder: what it may import besides itself. A method may not import another method, so `methods` is an exception."""
SHARED = ("losses", "modules", "networks")
"""Folders whose files serve several methods; what serves one lies in its package."""
LONG, TOO_LONG = 300, 450
"""Lines of a file from which on there is a warning, and a failure."""


def sources(root: Path) -> list[Path]:
    return sorted(root.rglob("*.py"))


def folder_of(path: Path, root: Path) -> str:
    return path.relative_to(root).parts[0].removesuffix(".py")


def method_of(path: Path, root: Path) -> str:
    """The method that a file below `methods` belongs to: the name of its file or of its package."""
    return path.relative_to(root / "methods").parts[0].removesuffix(".py")


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
            another_method = mine == other == "methods" and f"{name}.".split(".")[1] not in ("", method_of(path, root))
            if another_method or (other in folders and other != mine and other not in ALLOWED[mine]):
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
        ("methods/tunit/method.py", "from instar.methods.cut import CUT"),
        ("methods/tunit/method.py", "from ..cut import CUT"),
        ("methods/tunit/method.py", "from instar.methods import cut"),
        ("methods/cut.py", "def late():\n    import instar.engine.trainer"),
        ("core/run.py", "from ..data import open_data"),
        ("inference/translator.py", "import instar.cli"),
    ],
)
def test_the_checker_sees_a_forbidden_import(tmp_path: Path, file: str, line: str) -> None:
    for folder in set(ALLOWED) - {"__init__"}:
        (tmp_path / folder).mkdir()
    (tmp_path / "methods" / "tunit").mkdir()
    allowed = "from instar.core import batch\nfrom instar.losses.gan import gan\n"
    (tmp_path / "methods" / "pix2pix.py").write_text(allowed)
    (tmp_path / "methods" / "tunit" / "networks.py").write_text(allowed)
    (tmp_path / "methods" / "tunit" / "__init__.py").write_text("from instar.methods.tunit.networks import Block")
    assert forbidden(tmp_path) == []
    (tmp_path / file).write_text(line)
    assert forbidden(tmp_path)


def test_the_package_itself_imports_only_when_called() -> None:
    """`import instar` must not load torch: `instar --help` would take seconds."""
    top = ast.parse((ROOT / "__init__.py").read_text()).body
    eager = [node.module for node in top if isinstance(node, ast.ImportFrom)]
    assert not [module for module in eager if module and module.split(".")[0] in ("instar", "torch")]


def users(root: Path) -> dict[str, set[str]]:
    """For each file of the shared folders, the methods and other folders that use it, directly or through others."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sources(root):
        mine, name = folder_of(path, root), ".".join(path.relative_to(root).with_suffix("").parts)
        if mine in SHARED and path.stem != "__init__":
            found[name] |= set()
        user = method_of(path, root) if mine == "methods" else name if mine in SHARED else mine
        for other in imported(path, root):
            if other.split(".")[0] in SHARED and other != name:
                found[other].add(user)
    for _ in found:  # a shared file stands for its own users
        for of in found.values():
            of |= {user for other in of & set(found) for user in found[other]}
    return {name: {user for user in of if user not in found} for name, of in found.items() if name.count(".") == 1}


def test_code_lives_beside_its_only_user() -> None:
    """See docs/decisions/0019: what serves one method lies in its package."""
    assert {name: of for name, of in users(ROOT).items() if len(of) < 2} == {}


def test_users_are_counted_through_shared_files(tmp_path: Path) -> None:
    for folder in ("engine", "losses", "methods", "modules", "networks"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text("")
    (tmp_path / "modules" / "pad.py").write_text("")
    (tmp_path / "modules" / "ema.py").write_text("")
    (tmp_path / "networks" / "unet.py").write_text("from instar.modules.pad import Pad")
    (tmp_path / "methods" / "cut.py").write_text("from instar.modules import ema")
    (tmp_path / "methods" / "pix2pix.py").write_text("from instar.networks.unet import UNet")
    (tmp_path / "engine" / "averages.py").write_text("from instar.modules.ema import Average")
    assert users(tmp_path) == {
        "modules.pad": {"pix2pix"},
        "networks.unet": {"pix2pix"},
        "modules.ema": {"cut", "engine"},
    }


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


@pytest.mark.parametrize("name", [name.replace("-", "_") for name in instar.names()])
def test_a_method_is_direct_and_final(name: str) -> None:
    """One for each file or package."""
    files = [path for path in sources(ROOT / "methods") if method_of(path, ROOT) == name]
    (node,) = (node for path in files for node in methods_in(path))
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


FORBIDDEN = {"instance_norm", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"}
"""On the CPU its gradient is wrong for gradients that lie channels-last in memory; see docs/decisions/0005."""


def names_in(path: Path) -> set[str]:
    """All names, attributes and imported names of a file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        found |= {getattr(node, field) for field in ("id", "attr") if hasattr(node, field)}
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {alias.name.split(".")[-1] for alias in node.names}
    return found


def test_instance_norm_of_torch_is_not_used() -> None:
    assert {path.name: used for path in sources(ROOT) if (used := names_in(path) & FORBIDDEN)} == {}


@pytest.mark.parametrize(
    "line",
    [
        "nnf.instance_norm(x)",
        "torch.nn.functional.instance_norm(x)",
        "from torch.nn.functional import instance_norm as norm",
        "net = nn.InstanceNorm2d(3)",
        "from torch.nn import InstanceNorm2d",
    ],
)
def test_the_checker_sees_instance_norm(tmp_path: Path, line: str) -> None:
    file = tmp_path / "one.py"
    file.write_text("from instar.modules.norms import InstanceNorm, adaptive_instance_norm\nInstanceNorm()\n")
    assert not names_in(file) & FORBIDDEN
    file.write_text(line)
    assert names_in(file) & FORBIDDEN


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
    """A long file is a question: whether it is two. No file is squeezed to get below a limit."""
    lengths = {path: len(path.read_text().splitlines()) for path in sources(ROOT)}
    for path, n in lengths.items():
        if LONG <= n < TOO_LONG:
            warnings.warn(f"{path.relative_to(ROOT)}: {n} lines", stacklevel=1)
    long = [f"{path}: {n} lines" for path, n in lengths.items() if n >= TOO_LONG]
    for path in sources(ROOT):
        for node in functions(path):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            n = node.end_lineno - body[0].lineno + 1 if body and node.end_lineno else 0
            long += [f"{path}:{node.name}: {n} lines"] if n >= 60 else []
    assert long == []


def test_the_public_entry_points() -> None:
    named = {"train", "resume", "load", "translate", "styles", "names", "get", "register", "UserError", "TrainResult"}
    assert named <= set(instar.__all__) <= set(dir(instar))
    assert all(hasattr(instar, name) for name in instar.__all__)
    assert not hasattr(instar, "trian")
    assert {"cut", "cyclegan", "pix2pix"} <= set(instar.names())
