import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

import instar
from instar.core import registry
from instar.core.errors import UserError
from instar.core.method import Method, defaults


def test_file_names_are_method_names() -> None:
    assert {"cut", "cyclegan", "pix2pix"} <= set(registry.names())
    for name in registry.names():
        assert issubclass(registry.get(name), Method)
    assert instar.get("cut").__name__ == "CUT"
    assert registry.names() == sorted(registry.names())


def test_unknown_method() -> None:
    with pytest.raises(UserError, match="there is no method 'cyclgan'; did you mean 'cyclegan'"):
        registry.get("cyclgan")
    with pytest.raises(UserError, match="there is: bicyclegan, cut, cyclegan, "):
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
