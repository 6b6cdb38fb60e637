from pathlib import Path

import pytest

from instar.core.errors import UserError
from instar.core.store import Repository, local, place, refused


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("hf://ann/zebra", Repository("ann/zebra")),
        ("hf:/ann/zebra", Repository("ann/zebra")),  # as a path has it
        ("hf://ann/zebra@v1.0", Repository("ann/zebra", "v1.0")),
        ("file:///store/a%20b", Path("/store/a b")),
        ("file:/store/a", Path("/store/a")),
        ("runs/first", Path("runs/first")),
        ("hf", Path("hf")),
    ],
)
def test_what_an_address_means(text: str, meant: object) -> None:
    assert place(text) == meant
    assert place(Path(text)) == meant


@pytest.mark.parametrize("text", ["hf://ann", "hf://ann/zebra/more", "hf:///", "hf://ann/ze bra", "hf://../x@"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UserError, match="a model of a hub is hf://OWNER/NAME"):
        place(text)


def test_a_hub_without_its_library_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"pip install '\.\[hub\]'"):
        local("hf://ann/zebra")


def test_errors_of_the_library_by_their_names() -> None:
    class RepositoryNotFoundError(Exception):
        pass

    where = Repository("ann/zebra")
    assert "no such model, or it is private" in str(refused(where, RepositoryNotFoundError("404")))
    assert "the hub cannot be asked (no route)" in str(refused(where, OSError("no\nroute")))
