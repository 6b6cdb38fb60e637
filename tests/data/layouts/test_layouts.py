"""Which layout reads a data set, and layouts of other packages."""

import sys
import tempfile
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instar.core.batch import Batch, Paired, Part, Unlabelled, Unpaired
from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.core.listing import natural
from instar.data import DataSet, ImageRef, Layout, Splits, find, layouts

from ..searching import search

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def reader(*roots: Path, single: bool = False) -> str:
    """Name of the layout that claims a data set first."""
    cfg = DataConfig(roots=roots)
    found = (kind for kind in layouts.known() if kind.single == single and kind().asked(cfg) and kind().claims(roots))
    return next(kind.__name__ for kind in found)


@pytest.mark.parametrize(
    ("files", "several", "single"),
    [
        (("trainA/1.png", "trainB/2.png"), "SplitDomain", "OneFolder"),
        (("trainA/1.png", "trainB/2.png", "3.png"), "SplitDomain", "OneFolder"),
        (("train/1.png", "trainannot/2.png"), "SplitDomain", "OneFolder"),
        (("train/1.png", "test/2.png"), "SideBySide", "OneFolder"),
        (("1.png", "2.png"), "SideBySide", "OneFolder"),
        (("train/A/1.png", "train/B/2.png"), "SplitThenDomain", "OneFolder"),
        (("train/A/1.png", "train/2.png"), "SplitThenDomain", "OneFolder"),
        (("train/a.txt", "x/1.png"), "SplitThenDomain", "OneFolder"),
        (("A/1.png", "B/2.png"), "DomainFolders", "OneFolder"),
        (("trains/1.png", "planes/2.png"), "DomainFolders", "OneFolder"),
        (("A/train/1.png", "B/train/2.png"), "DomainFolders", "OneFolder"),
        (("A/1.png", "2.png"), "DomainFolders", "OneFolder"),
    ],
)
def test_who_reads_what(make, files: tuple[str, ...], several: str, single: str) -> None:
    root = make(*files)
    assert reader(root) == several
    assert reader(root, single=True) == single
    assert reader(root, root) == "FolderPerDomain"


def test_precedence_is_the_order_of_the_list() -> None:
    assert [kind.__name__ for kind in layouts.known()] == [
        "FolderPerDomain", "Table", "SavedDataset", "Shards", "SplitDomain", "NamedPairs", "SideBySide",
        "SplitThenDomain", "DomainFolders", "OneFolder",
    ]  # fmt: skip


def test_what_nobody_reads(make, tmp_path: Path) -> None:
    root = make("a.txt", "list.md")
    for roots, kind, words in (
        ((root,), Unpaired, r"set: no images .found 1 \.(txt|md) file, 1 \.(txt|md) file."),
        ((root,), Unlabelled, "set: no images"),
        ((root / "list.md",), Unpaired, "is a file: give the folder that holds the images"),
        ((root / "list.md",), Unlabelled, "is a file: give the folder that holds the images"),
        ((root / "gone",), Unpaired, "there is no such folder"),
    ):
        with pytest.raises(UserError, match=words):
            layouts.read(DataConfig(roots=roots), kind)


def test_errors_name_the_folder_and_the_remedy(make, tmp_path: Path) -> None:
    root = make("one/1.png", "two/a.txt", "two/b.txt", "two/c", "none/d.txt", "trainA/1.png", "only/trainA/1.png",
                "only/testA/1.png")  # fmt: skip
    (tmp_path / "empty").mkdir()
    cases = [
        ((), "name a data set folder"),
        ((root,) * 3, "3 folders given"),
        ((tmp_path / "nothing",), "there is no such folder"),
        ((root / "one/1.png",), "is a file: give the folder"),
        ((tmp_path / "empty",), "empty: no images .the folder is empty."),
        ((root / "two",), r"two: no images .found 2 \.txt files, 1 unnamed file."),
        ((root / "one", root / "none"), r"none: no images .found 1 \.txt file."),
        ((root / "one", root / "one"), "given for both"),
        ((root / "one",), "one domain only"),
        ((root / "only",), "one domain only"),
    ]
    for roots, message in cases:
        with pytest.raises(UserError, match=message) as error:
            search(*roots)
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match=r"B: no images .*so A is the only domain"):
        search(make("deep/A/1.png", "deep/B/x.txt") / "deep")


# Any tree that a layout describes reads back as it was written.

# Not "ing", "idation", nor splits themselves: "training" is a split's name, with or without a domain "ing".
NAMES = st.text("abcdefghjklmnopqrsuwxyz0123456789", min_size=1, max_size=5)
Tree = dict[str, dict[str, list[tuple[str, str | None]]]]
"""Domain -> split -> files with their classes."""


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    names = draw(st.lists(NAMES, min_size=2, max_size=4, unique=True))
    splits = ["train", *draw(st.sampled_from([[], ["test"], ["val"], ["test", "val"]]))]
    file = st.tuples(NAMES, st.one_of(st.none(), NAMES))
    files = st.lists(file, min_size=1, max_size=4, unique=True)
    return {name: {split: draw(files) for split in splits} for name in names}


SPELLINGS = {
    "SplitDomain": "{split}{domain}",
    "SplitThenDomain": "{split}/{domain}",
    "DomainFolders": "{domain}/{split}",
    "FolderPerDomain": "{domain}/{split}",
}


def write(root: Path, tree: Tree, spelling: str) -> None:
    for domain, splits in tree.items():
        for split, files in splits.items():
            for name, label in files:
                folder = root / spelling.format(split=split, domain=domain) / (label or "")
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{name}.png").touch()


def as_tree(data: DataSet) -> dict[str, dict[str, set[tuple[str, str | None]]]]:
    def files(refs: list[ImageRef]) -> set[tuple[str, str | None]]:
        return {(ref.path.stem, ref.label) for ref in refs}

    return {
        name: {"train": files(one.train), "test": files(one.test), "val": files(one.val)}
        for name, one in data.domains.items()
    }


@pytest.mark.parametrize("layout", SPELLINGS)
@settings(max_examples=60, deadline=None)
@given(tree=trees())
def test_a_tree_reads_back_to_the_same_assignment(layout: str, tree: Tree) -> None:
    wanted = {
        domain: {
            "train": set(splits["train"]),
            "test": set(splits.get("test") or splits.get("val", [])),
            "val": set(splits.get("val", [])) if "test" in splits else set(),
        }
        for domain, splits in tree.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "set")
        write(root, tree, SPELLINGS[layout])
        roots = tuple(root / name for name in tree) if layout == "FolderPerDomain" else (root,)
        assert reader(*roots) == layout
        parts = {name: Part(order=i, crop=i) for i, name in enumerate(tree)}
        data = layouts.read(DataConfig(roots=roots), type("Many", (Batch,), {"parts": parts}))
        assert as_tree(data) == wanted
        assert list(data.domains) == (list(tree) if layout == "FolderPerDomain" else sorted_as_folders(root, tree))
        keys = {ref.key for one in data.domains.values() for ref in one.train}
        assert keys == {f"{label}/{name}" if label else name for t in tree.values() for name, label in t["train"]}


def sorted_as_folders(root: Path, tree: Tree) -> list[str]:
    if (root / f"train{next(iter(tree))}").is_dir():
        return sorted(tree)
    return sorted(tree, key=lambda name: natural(root / name))


# Layouts of other packages


def write_list(root: Path) -> None:
    (root / "pairs.txt").write_text("train p/1.png d/one.png\ntrain p/2.png d/two.png\ntest p/3.png d/three.png\n")


def check_pairs(root: Path) -> None:
    pairs = find(DataConfig(roots=(root,)), Paired)
    assert pairs.names == {"a": "first", "b": "second"}
    assert [ref.path.stem for ref in pairs.train["a"]] == ["1", "2"]
    assert [ref.path.stem for ref in pairs.train["b"]] == ["one", "two"]
    assert [ref.path.stem for ref in pairs.test["b"]] == ["three"]
    back = find(DataConfig(roots=(root,), source="second"), Unpaired)
    assert back.names == {"a": "second", "b": "first"}
    assert back.train["a"] == pairs.train["b"]


FILES = ("p/1.png", "p/2.png", "p/3.png", "d/one.png", "d/two.png", "d/three.png")


@pytest.fixture
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "_registered", [])


def test_a_registered_layout_is_asked_first(make, nothing_registered: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    listed = import_module("pairs_list").PairsList

    root = make(*FILES)
    write_list(root)
    assert reader(root) == "DomainFolders"
    assert layouts.register(listed) is listed
    layouts.register(listed)
    assert [kind.__name__ for kind in layouts.known()].count("PairsList") == 1
    assert reader(root) == "PairsList"
    check_pairs(root)
    (root / "pairs.txt").write_text("train p/1.png\n")
    with pytest.raises(UserError, match=r"pairs\.txt, line 1: expected train, test or val and two paths"):
        find(DataConfig(roots=(root,)), Paired)

    @layouts.register
    class Later(Layout):
        def claims(self, roots: tuple[Path, ...]) -> bool:
            return True

        def read(self, cfg: DataConfig) -> DataSet:
            return DataSet({"x": Splits([]), "y": Splits([])})

    assert reader(root) == "Later"


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    """As pip does it: a package's metadata with an entry point."""
    info = folder / "outside-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[instar.layouts]\npairs-list = {target}\n")
    monkeypatch.syspath_prepend(folder)


def test_an_entry_point_of_another_package(
    make, nothing_registered: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "outside_pairs.py").write_text((EXAMPLES / "pairs_list.py").read_text())
    install(tmp_path / "site", monkeypatch, "outside_pairs:PairsList")
    monkeypatch.delitem(sys.modules, "outside_pairs", raising=False)
    root = make(*FILES)
    assert reader(root) == "DomainFolders"
    write_list(root)
    check_pairs(root)


def test_an_entry_point_that_cannot_be_loaded(
    make, nothing_registered: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site").mkdir()
    install(tmp_path / "site", monkeypatch, "not_there:PairsList")
    with pytest.raises(UserError, match="the layout 'pairs-list' of not_there:PairsList cannot be loaded"):
        find(DataConfig(roots=(make("A/1.png", "B/1.png"),)), Unpaired)


def test_a_layout_for_one_domain_gives_one(make, nothing_registered: None) -> None:
    @layouts.register
    class Two(Layout):
        single = True

        def claims(self, roots: tuple[Path, ...]) -> bool:
            return True

        def read(self, cfg: DataConfig) -> DataSet:
            return DataSet({"x": Splits([]), "y": Splits([])})

    with pytest.raises(ValueError, match="Two is to give one domain, not x, y"):
        find(DataConfig(roots=(make("A/1.png"),)), Unlabelled)
