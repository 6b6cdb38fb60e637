import os
from pathlib import Path

import pytest
from PIL import Image
from reports import viewed

from instar.core.errors import UserError
from instar.core.run import read_config, write_config
from instar.core.settings import with_changes
from instar.studio.root import OWN, Root


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Root:
    monkeypatch.setattr("instar.studio.root.FRESH", -1.0)
    folder = tmp_path / "root"
    for name in ("photos/trainA", "photos/trainB", "split/train/cats", "split/train/dogs", "plain", OWN, ".hidden"):
        (folder / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(folder / name / "1.png")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "1.png").write_bytes(b"theirs")
    return Root(folder)


@pytest.mark.parametrize(
    "name",
    [
        *("..", "../secret", "/", "/etc/passwd", "photos/../../secret", "away", "away/1.png", "runs/away"),
        *(OWN, f"{OWN}/1.png", f"photos/../{OWN}", "", "  ", "a\0b", None, 3, ["plain"], "none", "x" * 5000),
    ],
)
def test_nothing_outside_is_named(root: Root, name: object) -> None:
    (root.path / "away").symlink_to(root.path.parent / "secret")
    (root.path / "runs").mkdir()
    (root.path / "runs" / "away").symlink_to("../../secret")
    with pytest.raises(UserError) as error:
        root.inside(name)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_what_is_inside(root: Root) -> None:
    (root.path / "link").symlink_to("photos")
    assert root.inside("plain") == root.path / "plain"
    assert root.inside(" photos/trainA ") == root.path / "photos" / "trainA"
    assert root.inside("link") == root.path / "photos"
    assert root.name(root.inside("link")) == "photos"


def test_a_root_that_is_a_link_or_none(root: Root, tmp_path: Path) -> None:
    (tmp_path / "short").symlink_to(root.path)
    assert Root(tmp_path / "short").inside("plain") == root.path / "plain"
    with pytest.raises(UserError, match="no such folder"):
        Root(tmp_path / "none")


def test_data_sets_come_before_folders_of_images(root: Root) -> None:
    assert root.data() == [
        *("photos", "split", "photos/trainA", "photos/trainB", "plain", "split/train/cats", "split/train/dogs"),
    ]


def test_runs_the_newest_first_and_models(root: Root) -> None:
    first, second = viewed.make(root.path / "first"), root.path / "runs" / "second"
    (root.path / "runs").mkdir()
    viewed.make(second)
    os.utime(first / "metrics.jsonl", (1, 1))
    os.utime(first / "config.yaml", (1, 1))
    assert root.runs() == ["runs/second", "first"]
    assert "first/samples" not in root.data()
    (first / "checkpoints" / "step-000000002").mkdir(parents=True)
    (root.path / "m.onnx").touch()
    assert root.models() == ["first", "m.onnx"]
    assert root.run("first") == first
    with pytest.raises(UserError, match="not a run"):
        root.run("plain")


def test_a_folder_is_not_looked_through_at_each_request(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("instar.studio.root.FRESH", 1000.0)
    assert root.runs() == []
    viewed.make(root.path / "first")
    assert root.runs() == []
    root.new("runs", "second")
    assert root.runs() == ["first"], "what is made here is seen at once"


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".x", "a b", "x" * 65, None, "-o"])
def test_names_of_what_is_made(root: Root, name: object) -> None:
    with pytest.raises(UserError, match="a name has letters"):
        root.new("runs", name)


def test_what_is_there_is_not_made_again(root: Root) -> None:
    assert root.new("runs", "one") == root.path / "runs" / "one"
    (root.path / "runs" / "one").mkdir(parents=True)
    assert root.new("runs", "one").is_dir(), "empty"
    (root.path / "runs" / "one" / "x").touch()
    with pytest.raises(UserError, match="exists already"):
        root.new("runs", "one")
    (root.path / "comparisons").symlink_to(root.path.parent / "secret")
    with pytest.raises(UserError, match="outside"):
        root.new("comparisons", "one")


def test_a_run_whose_images_lie_outside(root: Root) -> None:
    run = viewed.make(root.path / "first")
    root.check_images(run)
    config = read_config(run / "config.yaml")
    for roots, start in (((root.path.parent / "secret",), None), ((), root.path.parent)):
        data = with_changes(config.data, {"roots": roots})
        write_config(
            with_changes(config, {"data": data, "train": with_changes(config.train, {"start_from": start})}), run
        )
        with pytest.raises(UserError, match="outside of the folder"):
            root.check_images(run)
