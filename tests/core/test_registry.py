import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import instar
from instar.core import registry
from instar.core.errors import UserError
from instar.core.method import Method, defaults

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_file_names_are_method_names() -> None:
    assert {"cut", "cyclegan", "pix2pix"} <= set(registry.names())
    for name in registry.names():
        assert issubclass(registry.get(name), Method)
    assert instar.get("cut").__name__ == "CUT"
    assert registry.names() == sorted(registry.names())


def test_unknown_method() -> None:
    with pytest.raises(UserError, match="there is no method 'cyclgan'; did you mean 'cyclegan'"):
        registry.get("cyclgan")
    with pytest.raises(UserError, match="there is: bicyclegan, cogan, cut, cyclegan, "):
        registry.get("zzz")


def test_listing_imports_no_method() -> None:
    """One method that is broken must not take the others with it."""
    code = (
        "import sys; from instar.core import registry; registry.names();"
        "print([m for m in sys.modules if m.startswith('instar.methods.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_methods_of_other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("dream", "instar.methods.cut:CUT", "instar.methods")]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "instar.methods" else [])
    assert "dream" in registry.names()
    assert registry.get("dream") is registry.get("cut")


def test_own_methods_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("cut", "nowhere:Nothing", "instar.methods")]
    monkeypatch.setattr(registry, "entry_points", lambda **_: points)
    assert registry.get("cut").__name__ == "CUT"
    assert registry.names().count("cut") == 1


def test_presets_by_name() -> None:
    cut = registry.get("cut")
    assert defaults("cut", cut, None).preset == "paper"
    fast = defaults("cut", cut, "fastcut")
    assert (fast.method.optim.hold, fast.method.optim.lr) == (0.75, 2e-4)  # a nested change keeps the rest
    with pytest.raises(UserError, match="cut has no preset 'fastcat'; did you mean 'fastcut'"):
        defaults("cut", cut, "fastcat")


# What a program registers


@pytest.fixture(autouse=True)
def only_what_a_test_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})


def plugin(folder: Path, file: str = "my_gan.py", change: tuple[str, str] = ("", "")) -> Path:
    text = (EXAMPLES / "l1_unet.py").read_text()
    assert change[0] in text
    (folder / file).write_text(text.replace(*change))
    return folder / file


def test_a_file_is_registered_by_its_name(tmp_path: Path) -> None:
    path = plugin(tmp_path)
    assert instar.register(path) == "my-gan"
    assert "my-gan" in instar.names()
    assert instar.get("my-gan").__name__ == "L1UNet"
    assert registry.code("my-gan") == str(path)
    assert registry.files() == [path]
    assert registry.resolve("my-gan") == registry.resolve(str(path)) == registry.resolve(path) == "my-gan"
    assert registry.resolve(instar.get("my-gan")) == "my-gan"
    assert registry.portable("my-gan")


def test_a_file_that_was_changed_is_read_again(tmp_path: Path) -> None:
    instar.register(plugin(tmp_path))
    before = instar.get("my-gan")
    instar.register(plugin(tmp_path, change=("L1UNet(Method", "Other(Method")))
    assert (before.__name__, instar.get("my-gan").__name__) == ("L1UNet", "Other")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("IdGAN", "id-gan"), ("MyMethod", "my-method"), ("CUT2", "cut2"), ("L1UNet", "l1-u-net"), ("A_b", "a-b")],
)
def test_a_class_is_registered_by_its_name(name: str, expected: str) -> None:
    kind = type(name, (registry.get("cut"),), {})
    assert instar.register(kind) == expected
    assert instar.get(expected) is kind
    again = type(name, (registry.get("cut"),), {})  # a cell that was run again
    assert instar.register(again) == expected
    assert instar.get(expected) is again
    assert registry.files() == []


def test_a_class_that_has_a_name_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert registry.register(registry.get("unit-adaptation")) == "unit-adaptation"
    points = [EntryPoint("dream", f"{Dream.__module__}:Dream", "instar.methods")]
    monkeypatch.setattr(registry, "entry_points", lambda **_: points)
    assert registry.register(Dream) == "dream"
    assert registry._registered == {}


class Dream(registry.get("cut")):  # type: ignore[misc]
    """A class of an importable module."""


def test_which_classes_other_processes_can_have() -> None:
    class Local(registry.get("cut")):  # type: ignore[misc]
        pass

    assert registry.portable(registry.register(Dream))
    assert not registry.portable(registry.register(Local))
    assert registry.portable("cut")
    source = registry.code("dream")
    assert source is not None
    registry._registered.clear()
    assert registry.restore(source) == "dream"
    assert registry.get("dream") is Dream


BROKEN = {
    "syntax": ("def translate(", "def translate((", r"my_gan\.py, line 8\d: SyntaxError: "),
    "import": ("import l1_loss", "import l7_loss", r"line 9: ImportError: cannot import name 'l7_loss'"),
    "module": (
        "import annotations\n",
        "import annotations\nimport nowhere\n",
        "line 4: ModuleNotFoundError: No module",
    ),
    "raises": ("@final\n", 'raise ValueError("one\\ntwo")\n', r"line \d+: ValueError: one two$"),
    "none": ("class L1UNet(Method[Paired])", "class L1UNet", "it holds no method; such a file defines one subclass of"),
    "two": ("@final\n", "class Two(Method[Paired]): pass\n", r"it holds 2 methods \(Two, L1UNet\); such a file"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_cannot_be_used(case: str, tmp_path: Path) -> None:
    old, new, said = BROKEN[case]
    path = plugin(tmp_path, change=(old, new))
    with pytest.raises(UserError, match=said) as error:
        registry.register(path)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(path))
    assert registry.files() == []


def test_names_that_are_taken(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cut\.py: 'cut' is a method of Instar's own; give yours another name"):
        registry.register(plugin(tmp_path, "cut.py"))
    with pytest.raises(UserError, match=r"nowhere\.py: no such file"):
        registry.register(tmp_path / "nowhere.py")
    (tmp_path / "other").mkdir()
    registry.register(plugin(tmp_path))
    with pytest.raises(UserError, match=r"other/my_gan\.py: 'my-gan' is .*my_gan\.py already"):
        registry.register(plugin(tmp_path / "other"))
    with pytest.raises(UserError, match="Plain is no method"):
        registry.register(type("Plain", (), {}))
    with pytest.raises(UserError, match="Method is no method"):
        registry.register(Method)  # type: ignore[type-abstract]


def test_own_methods_and_those_of_packages_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("my-gan", "elsewhere:Gan", "instar.methods")]
    monkeypatch.setattr(registry, "entry_points", lambda **_: points)
    with pytest.raises(UserError, match="'my-gan' is a method of elsewhere:Gan"):
        registry.register(plugin(tmp_path))
