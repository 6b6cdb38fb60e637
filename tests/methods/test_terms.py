"""Every logged term stands as a literal in its method's source, with its weight on the same line."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import instar

ROOT = Path(instar.__file__).parent / "methods"
NAMES = [name for name in instar.names() if instar.get(name).__module__.startswith("instar.methods.")]


def trees(name: str) -> list[ast.Module]:
    """The source of a method: its file, or all files of its package."""
    place = ROOT / name.replace("-", "_")
    paths = sorted(place.glob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    return [ast.parse(path.read_text()) for path in paths]


def calls(tree: ast.AST, function: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function:
            yield node


def literals(name: str, function: str) -> set[str]:
    """The first arguments of all calls of a function in a method's source; one that is no literal is an error."""
    found = set()
    for tree in trees(name):
        for call in calls(tree, function):
            first = call.args[0]
            assert isinstance(first, ast.Constant), f"line {call.lineno}: {ast.unparse(call)}"
            assert isinstance(first.value, str)
            found.add(first.value)
    return found


SHARED = {"pairs_loss": ("fake", "source"), "penalties": ("r1", "r2")}
"""Terms of losses that several methods call; `of` is put before their names."""


def shared(name: str) -> set[str]:
    """The terms that a method takes from shared losses."""
    found = set()
    for function, terms in SHARED.items():
        for call in (call for tree in trees(name) for call in calls(tree, function)):
            before = [keyword.value for keyword in call.keywords if keyword.arg == "of"]
            assert all(isinstance(value, ast.Constant) for value in before), f"line {call.lineno}: {ast.unparse(call)}"
            prefix = "".join(str(ast.literal_eval(value)) for value in before)
            found |= {prefix + term for term in terms}
    return found


def documented(name: str) -> set[str]:
    return set(re.findall(r"^ +(\w+/\w+): \S", inspect.getdoc(instar.get(name)) or "", re.MULTILINE))


@pytest.mark.parametrize("name", NAMES)
def test_a_documented_term_is_found_by_its_name(name: str) -> None:
    """And no term is in the source that is not documented: a misspelt one is both."""
    assert {term.split("/")[1] for term in documented(name)} == literals(name, "term") | shared(name)
    assert {term.split("/")[0] for term in documented(name)} == literals(name, "Objective")


def unweighted(tree: ast.AST) -> list[str]:
    """Products that weigh several terms at once, and terms whose name and weight are not on one line."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            inside = list(calls(node, "term"))
            if inside and inside != [node.right]:
                found.append(f"line {node.lineno}: {ast.unparse(node)}")
            if inside and node.left.lineno != node.right.lineno:
                found.append(f"line {node.lineno}: the weight of {ast.unparse(node.right)} is on another line")
    return found + [
        f"line {call.lineno}: {ast.unparse(call)}" for call in calls(tree, "term") if call.args[0].lineno != call.lineno
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_weight_stands_before_its_term(name: str) -> None:
    """So that `grep 'term("cycle'` answers how much a loss weighs, for all methods."""
    assert [line for tree in trees(name) for line in unweighted(tree)] == []


@pytest.mark.parametrize(
    ("source", "fine"),
    [
        ('w.cycle * term("cycle", x)', True),
        ('w.a * w.b * term("cycle", x) + term("gan", y)', True),
        ('w.cycle * (term("a", x) + term("b", y))', False),
        ('(1 - r) * term("a", x) * 2', False),
        ('w.cycle * term(\n    "cycle", x)', False),
        ('(w.cycle\n * term("cycle", x))', False),
    ],
)
def test_what_is_asked_of_a_sum(source: str, fine: bool) -> None:
    assert (unweighted(ast.parse(source)) == []) == fine


@pytest.mark.parametrize("name", NAMES)
def test_roles_have_one_name(name: str) -> None:
    """The loss of G is built in `generator_loss`, that of D in `discriminator_loss`."""
    defined = {node.name for tree in trees(name) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    objectives = literals(name, "Objective")
    assert ("G" in objectives) == ("generator_loss" in defined)
    assert ("D" in objectives) == ("discriminator_loss" in defined)
