"""Tables, saved data sets and shards hold what the folders hold that they were made from."""

from pathlib import Path

import pytest

from instar.core.batch import Unlabelled
from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.core.formats import DomainFormat
from instar.data import cache, find
from instar.data.fingerprint import difference, fingerprint
from instar.data.layouts import read

from ..packing import PACKED, csv_of_pairs, tsv_of_domains
from ..searching import names, search

pytest.importorskip("pyarrow")
FILES = [f"{split}{domain}/{i}.png" for split in ("train", "test") for domain in "AB" for i in range(4)]


@pytest.fixture
def folder(make) -> Path:
    return make(*FILES)


@pytest.mark.parametrize("layout", PACKED)
@pytest.mark.parametrize("paired", [False, True])
def test_the_same_images_in_the_same_order(folder: Path, tmp_path: Path, layout: str, paired: bool) -> None:
    plain = search(folder, paired=paired)
    found = search(PACKED[layout](folder, tmp_path), paired=paired)
    assert found.names == plain.names
    for split in ("train", "test"):
        for domain, refs in plain.images(split).items():
            pixels = [ref.read().tobytes() for ref in refs]
            assert [ref.read().tobytes() for ref in found.images(split)[domain]] == pixels, (split, domain)
            assert [ref.probe() for ref in found.images(split)[domain]] == [ref.probe() for ref in refs]


@pytest.mark.parametrize("layout", PACKED)
def test_one_folder_of_all_with_the_domains_as_classes(folder: Path, tmp_path: Path, layout: str) -> None:
    found = find(DataConfig(roots=(PACKED[layout](folder, tmp_path),)), Unlabelled)
    assert {ref.label for ref in found.train["a"]} == {"A", "B"}
    assert (len(found.train["a"]), len(found.test["a"])) == (8, 8)


@pytest.mark.parametrize("layout", PACKED)
def test_the_cache_and_the_fingerprint_see_a_change_of_one_image(folder: Path, tmp_path: Path, layout: str) -> None:
    place = PACKED[layout](folder, tmp_path)
    before = search(place, paired=True)
    key, seen = cache.key(before.rows(before.train)[0], 20, [DomainFormat(channels=3)]), fingerprint(before)
    same = search(place, paired=True)
    assert (cache.key(same.rows(same.train)[0], 20, [DomainFormat(channels=3)]), fingerprint(same)) == (key, seen)
    (folder / "trainA/2.png").write_bytes((folder / "trainB/3.png").read_bytes())
    for path in [place, *place.rglob("*")] if place.is_dir() else [place]:
        if path.is_file() and layout not in ("csv", "tsv"):
            path.unlink()
    if place.is_dir():
        place.rename(tmp_path / "old")
    after = search(PACKED[layout](folder, tmp_path), paired=True)
    assert cache.key(after.rows(after.train)[0], 20, [DomainFormat(channels=3)]) != key
    assert difference(seen, fingerprint(after)).startswith("A: 1 changed (")


def test_two_tables_are_two_domains(folder: Path) -> None:
    for name in "AB":
        (folder / f"{name}.csv").write_text("\n".join(["image", *(f"train{name}/{i}.png" for i in range(4))]))
    found = search(folder / "B.csv", folder / "A.csv", paired=True)
    assert (found.names["a"], names(found.train["a"])) == ("B", [f"{i}.png" for i in range(4)])
    assert found.train["b"][1].path == folder / "trainA/1.png"


def test_equal_names_below_the_folder_of_a_domain_are_pairs(make) -> None:
    root = make("in/x/1.png", "in/y/1.png", "out/x/1.png", "out/y/1.png")
    lines = ["image,domain", *(f"{domain}/{name}/1.png,{domain}" for domain in ("out", "in") for name in "yx")]
    (root / "t.csv").write_text("\n".join(lines))
    found = search(root / "t.csv", paired=True)
    parents = [[ref.path.parent.name for ref in found.train[domain]] for domain in "ab"]
    assert parents == [["y", "x"], ["y", "x"]]


def test_label_names_the_domains_if_nothing_else_does(folder: Path) -> None:
    (folder / "t.csv").write_text("image,label\ntrainA/1.png,cat\ntrainB/1.png,dog\n")
    assert dict(search(folder / "t.csv").names) == {"a": "cat", "b": "dog"}
    (folder / "t.csv").write_text("image,label,domain\ntrainA/1.png,cat,A\ntrainB/1.png,dog,B\n")
    assert search(folder / "t.csv").train["a"][0].label == "cat"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image\ntrainA/1.png\n", r"line 2: of no domain: name the domains in a column 'domain'"),
        ("image,domain\ntrainA/1.png,A\ntrainB/1.png,\n", "line 3: of no domain"),
        ("image,domain\ntrainA/1.png,A\ntrainA/2.png,A\n", "holds one domain only: name the domains"),
        ("image,domain,split\ntrainA/1.png,A,holdout\n", "line 2: the split 'holdout' is none of train, test and val"),
        ("A,B,domain\ntrainA/1.png,trainB/1.png,A\n", "line 2: names a domain, and several columns hold images"),
        ("A,B,split\ntrainA/1.png,trainB/1.png,test\n", "there are no training images of A"),
    ],
)
def test_errors_name_the_row(folder: Path, text: str, words: str) -> None:
    (folder / "t.csv").write_text(text)
    with pytest.raises(UserError, match=words):
        search(folder / "t.csv")


def test_validation_images_serve_as_test_images(folder: Path) -> None:
    (folder / "t.csv").write_text("A,B,split\ntrainA/1.png,trainB/1.png,\ntrainA/2.png,trainB/2.png,validation\n")
    found = search(folder / "t.csv")
    assert (len(found.train["a"]), len(found.test["a"])) == (1, 1)


def test_a_folder_of_images_is_no_set_of_tables(folder: Path, tmp_path: Path) -> None:
    csv_of_pairs(folder, tmp_path)
    tsv_of_domains(folder, tmp_path)
    (folder / "state.json").write_text("{}")
    (folder / "x.tar").write_bytes(b"")
    (folder / "x.parquet").write_bytes(b"")
    assert names(read(DataConfig(roots=(folder,)), search(folder).kind).domains["A"].train) == [
        f"{i}.png" for i in range(4)
    ]
