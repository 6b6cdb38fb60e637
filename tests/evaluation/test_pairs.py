from collections.abc import Callable
from pathlib import Path

import pytest

from instar.core.errors import Message, UserError
from instar.evaluation.label_maps import LabelTask
from instar.evaluation.pairs import SHOWN, over_pairs
from instar.evaluation.report import COPY, LAST, Column, Report
from instar.evaluation.runs import Extras, evaluate_run
from instar.evaluation.score import Score, by_name

from .parts import data_set, extractor


def report(direction: str, copy: float, last: float, *others: Score) -> Report:
    columns = [
        Column(COPY, [Score("KID", copy, "lower", 0.0, 9.0)]),
        Column(LAST, [Score("KID", last, "lower", 0.0, 9.0), *others], step=5, minutes=1.0),
    ]
    return Report("run", "x", direction, "protocol", columns, [Message(f"about {direction[0]}"), Message("same")])


def test_means_over_pairs_and_one_score_for_each() -> None:
    more, fewer = Score("spots", 3.0), Score("spots", 5.0)
    found = over_pairs(
        [report("a -> b", 1.0, 2.0, more, Score("only here", 1.0)), report("b -> a", 3.0, 5.0, fewer)], "KID"
    )
    assert found.direction == "all pairs"
    copy, last = found.columns
    assert by_name(copy.scores) == {"KID": 2.0, "KID, a -> b": 1.0, "KID, b -> a": 3.0}
    assert by_name(last.scores) == {"KID": 3.5, "spots": 4.0, "KID, a -> b": 2.0, "KID, b -> a": 5.0}
    assert (last.scores[0].low, last.scores[0].better, last.scores[2].high) == (None, "lower", 9.0)
    assert (last.step, last.minutes) == (5, 1.0)
    assert last.verdict == "worse than a copy"
    assert not copy.verdict
    assert found.notes[:3] == ["about a", "same", "about b"]
    assert found.notes[3] == "all scores are means over 2 pairs of domains: a -> b, b -> a"


def test_one_pair_is_left_as_it_is_and_many_have_no_scores_of_their_own() -> None:
    one = report("a -> b", 1.0, 2.0)
    assert over_pairs([one], "KID") is one
    into = [report(f"{number} -> a", 1.0, float(number)) for number in range(SHOWN + 1)]
    found = over_pairs(into, "KID")
    assert found.direction == "each -> a"
    assert by_name(found.columns[1].scores) == {"KID": SHOWN / 2}


def test_a_run_of_two_domains_is_scored_both_ways(run_directory: Callable[..., Path], tmp_path: Path) -> None:
    data, run = data_set(tmp_path / "set"), run_directory("starganv2")
    both = evaluate_run(run, [data], extractor=extractor())
    ways = [evaluate_run(run, [data], extractor=extractor(), to=to) for to in ("horse", "zebra")]
    assert [way.direction for way in ways] == ["zebra -> horse", "horse -> zebra"]
    for place, column in enumerate(both.columns):
        scores = [by_name(way.columns[place].scores) for way in ways]
        for name, value in by_name(column.scores).items():
            if ", " not in name:
                assert value == pytest.approx((scores[0][name] + scores[1][name]) / 2)
        assert {f"Colours-KID, {way.direction}" for way in ways} <= by_name(column.scores).keys() or not scores[0]
    with pytest.raises(UserError, match="among any domains, of which none is label maps: leave out palette, segmenter"):
        evaluate_run(run, [data], extractor=extractor(), extras=Extras(labels=LabelTask(None, None)))
