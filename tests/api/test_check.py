"""`instar.check`, as Python calls it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import instar
from instar.core.errors import UserError
from instar.core.events import Event, Worked


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("trainA/1", "trainA/2", "trainB/1", "testA/3", "testB/3"):
        path = tmp_path / "set" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
    return tmp_path / "set"


def test_a_folder_of_domains(root: Path) -> None:
    events: list[Event] = []
    report = instar.check(root, on_event=events.append)
    assert report.problems == 0
    assert [(group.split, group.domain, len(group.facts)) for group in report.groups] == [
        ("train", "A", 2), ("train", "B", 1), ("test", "A", 1), ("test", "B", 1),
    ]  # fmt: skip
    assert report.lines()[-1] == "0 problems found"
    assert events == [Worked("reading images", done, 5) for done in range(1, 6)]
    assert instar.check(str(root)).lines() == report.lines()


def test_folders_one_by_one_and_by_name(root: Path) -> None:
    folders = [root / "trainA", str(root / "trainB")]
    assert [group.domain for group in instar.check(folders).groups] == ["trainA", "trainB"]
    assert [group.domain for group in instar.check(folders, source="trainB").groups] == ["trainB", "trainA"]
    with pytest.raises(UserError, match="there is no such folder"):
        instar.check(root / "nothing")


def test_messages_are_spelled_for_python(root: Path) -> None:
    """A wrong name makes it a plain folder of images, with a note."""
    report = instar.check(root, target="C")
    assert "note: target=C: no such domain" in "\n".join(report.lines())
    assert sum(len(group.facts) for group in report.groups) == 5


def test_all_of_three_domains(root: Path) -> None:
    (root / "trainC").mkdir()
    Image.effect_noise((40, 40), 60).save(root / "trainC" / "1.png")
    report = instar.check(root)
    assert [(group.split, group.domain) for group in report.groups] == [
        ("train", "A"), ("train", "B"), ("train", "C"), ("test", "A"), ("test", "B"),
    ]  # fmt: skip
    assert report.notes == []
    assert [group.domain for group in instar.check(root, "C", "A").groups] == ["C", "A", "A"]
