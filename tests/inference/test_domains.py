from dataclasses import replace

import pytest

import instar
from instar.core.method import defaults, outline
from instar.inference.domains import Domains


def domains(source: str | None, target: str | None, name: str = "cyclegan") -> Domains:
    config = defaults(name, instar.get(name), "tiny")
    config = replace(config, data=replace(config.data, source=source, target=target))
    kind = instar.get(name)
    return Domains.of(config, kind.data.parts, outline(kind, config.method).targets)


@pytest.mark.parametrize(
    ("name", "key"), [("horse", "a"), ("HORSE", "a"), ("Zebra", "b"), ("A", "a"), ("a", "a"), ("B", "b"), ("cow", None)]
)
def test_a_domain_by_name_or_key(name: str, key: str | None) -> None:
    assert domains("horse", "zebra").key(name) == key


def test_names_win_over_keys() -> None:
    """Trained from B to A: the second domain is called A."""
    found = domains("B", "A")
    assert (found.key("A"), found.key("b")) == ("b", "a")


def test_source_target_and_opposite() -> None:
    found = domains(None, None)
    assert (found.source, found.target) == ("a", "b")
    assert (found.opposite("a"), found.opposite("b")) == ("b", "a")
    assert dict(found.names) == {"a": "A", "b": "B"}


def test_more_domains_than_two() -> None:
    config = defaults("cyclegan", instar.get("cyclegan"), "tiny")
    found = Domains.of(config, "abc", ("b", "c"))
    assert (found.targets, found.target, found.key("c"), found.names["c"]) == (("b", "c"), "b", "c", "C")
    config = replace(config, data=config.data.named({"a": "dawn", "b": "dusk", "c": "noon"}))
    named = Domains.of(config, "abc", ("b", "c"))
    assert (named.key("Noon"), named.key("c"), named.names["a"]) == ("c", "c", "dawn")


def test_one_way() -> None:
    assert domains("horse", "zebra", "cut").targets == ("b",)
    assert domains("horse", "zebra").targets == ("a", "b")
