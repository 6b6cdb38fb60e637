"""Pairs by a regular expression, in one folder and in folders of domains."""

from pathlib import Path

import pytest

from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.data.check import check

from ..searching import names, search


@pytest.mark.parametrize(
    ("expression", "domains", "pairs"),
    [
        ("(.*)_[LR]", ("L", "R"), [("1_L.png", "1_R.png"), ("2_L.png", "2_R.png")]),
        ("(.*)_[LR]", ("L", "R"), [("1_L.png", "1_R.jpg"), ("2_L.png", "2_R.jpg")]),
        ("(.*?)(?:_mask)?", ("image", "mask"), [("1.png", "1_mask.png"), ("2.png", "2_mask.png")]),
        ("[ab]-(.*)", ("a", "b"), [("a-1-x.png", "b-1-x.png"), ("a-2-x.png", "b-2-x.png")]),
        (
            r"(p\d+)_(?:in|out)_(t\d)",
            ("in", "out"),
            [("p1_in_t0.png", "p1_out_t0.png"), ("p1_in_t1.png", "p1_out_t1.png")],
        ),
    ],
)
def test_one_folder(make, expression: str, domains: tuple[str, str], pairs: list[tuple[str, str]]) -> None:
    found = search(make(*(name for pair in pairs for name in pair)), paired=True, pair_by=expression)
    assert tuple(found.names.values()) == domains
    assert list(zip(*(names(found.train[domain]) for domain in "ab"), strict=True)) == pairs


def test_splits_and_names_that_do_not_match(make) -> None:
    root = make("train/1_L.png", "train/1_R.png", "train/readme.png", "test/2_L.png", "test/2_R.png", "test/3_L.png")
    found = search(root, paired=True, pair_by="(.*)_[LR]")
    assert names(found.train["b"]) == ["1_R.png"]
    assert names(found.test["a"]) == ["2_L.png"]
    said = "\n".join(map(str, found.notes))
    assert "1 test image of L without a partner: 3_L.png" in said
    assert "left out: 1 whose names are not those of a pair:" in said
    assert "readme.png" in said


@pytest.mark.parametrize(
    ("files", "expression"),
    [
        (("A/1_L.png", "A/2_L.png", "B/1.png", "B/2.png"), "(.*)_L"),
        (("A/1_L.png", "A/2_L.png", "B/1_R.png", "B/2_R.png"), "(.*)_[LR]"),
        (("A/x/1_L.png", "A/y/1_L.png", "B/x/1_R.png", "B/y/1_R.png"), "(.*)_[LR]"),
    ],
)
def test_folders_of_domains(make, files: tuple[str, ...], expression: str) -> None:
    found = search(make(*files), paired=True, pair_by=expression)
    a, b = ([ref.path.as_posix().split("/set/A/")[-1].split("/set/B/")[-1] for ref in found.train[d]] for d in "ab")
    assert [name.replace("_L", "") for name in a] == [name.replace("_R", "") for name in b]
    assert len(a) == 2
    assert len(search(make(*files), pair_by=expression).train["a"]) == 2  # methods without pairs read the same folders


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("(.*", r"pair_by=\(\.\*: is no regular expression"),
        (".*_L", "has no group in parentheses"),
    ],
)
def test_an_expression_that_cannot_be(expression: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        DataConfig(pair_by=expression)


def test_what_fits_nothing_or_too_much(make) -> None:
    root = make("A/1_L.png", "A/2_L.png", "B/1_R.png", "B/2_R.png")
    with pytest.raises(
        UserError, match=r"no train image of A has the name .*pairs are matched by data\.pair_by=\(\.\*\)_x"
    ):
        search(root, paired=True, pair_by="(.*)_x")
    with pytest.raises(UserError, match=r"1_L\.png and 2_L\.png of A would be of the same pair, 'L'"):
        search(root, paired=True, pair_by=r"\d_(.)")
    with pytest.raises(UserError, match=r"pairs are matched by file name.*data\.pair_by takes a regular expression"):
        search(root, paired=True)
    with pytest.raises(UserError, match=r"no name matches, 1_L\.png first"):
        search(root / "A", pair_by="(x)")
    with pytest.raises(UserError, match=r"all names that match are of one domain \(L\)"):
        search(root / "A", pair_by="(.*)_L")


def test_check_reads_them_as_pairs(make) -> None:
    root = make("1_L.png", "1_R.png", "2_L.png", "2_R.png", "3_L.png")
    said = "\n".join(map(str, check(DataConfig(roots=(root,), pair_by="(.*)_[LR]")).lines()))
    assert "train L: 3 images" in said
    assert "1 train image of L without a partner: 3_L.png" in said


def test_a_run_keeps_the_expression(tmp_path: Path) -> None:
    from instar.core.settings import from_dict, to_dict  # noqa: PLC0415

    assert "pair_by" not in to_dict(DataConfig())
    cfg = DataConfig(pair_by="(.*)_L")
    assert from_dict(DataConfig, to_dict(cfg), "x") == cfg
