import json
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from instar.core.errors import UserError
from instar.evaluation.study import (
    Answers,
    Key,
    Question,
    Share,
    draw_questions,
    read_answers,
    read_key,
    score,
)


def key(asked: list[Question], runs: int = 2) -> Key:
    return Key("s", "Which?", "horse -> zebra", [f"run-{i}" for i in range(runs)], [], asked)


def said(person: str, asked: list[Question], chosen: str) -> Answers:
    """Answers by letters: a, b, u (not sure) or - (no answer), a letter for each question."""
    sides = {}
    for question, letter in zip(asked, chosen, strict=True):
        if letter == "u":
            sides[question.id] = "unsure"
        elif letter != "-":
            run = question.pair["ab".index(letter)]
            sides[question.id] = "left" if question.left == run else "right"
    return Answers(person, sides, [1.0] * len(sides))


def test_every_pair_is_asked_about_every_input_on_both_sides() -> None:
    asked = draw_questions(3, 11, seed=1)
    assert sorted((q.pair, q.input) for q in asked) == sorted(
        (pair, i) for pair in combinations(range(3), 2) for i in range(11)
    )
    assert len({q.id for q in asked}) == len(asked) == 33
    for pair in combinations(range(3), 2):
        assert sum(q.left == pair[0] for q in asked if q.pair == pair) in (5, 6)
    inputs = [q.input for q in asked]
    assert inputs != sorted(inputs)
    assert asked == draw_questions(3, 11, seed=1)
    assert [q.id for q in asked] != [q.id for q in draw_questions(3, 11, seed=2)]


def test_the_odd_question_goes_to_either_side() -> None:
    """With an odd count one side has one more; over seeds that is not always the same one."""
    counts = Counter(sum(q.left == 0 for q in draw_questions(2, 5, seed)) for seed in range(40))
    assert set(counts) == {2, 3}


def test_a_table_counted_by_hand() -> None:
    asked = draw_questions(2, 8)
    result = score(key(asked), [said("x", asked, "aaaaabuu"), said("y", asked, "abbbuuu-")])
    (pair,) = result.pairs
    assert (pair.a, pair.b) == ("run-0", "run-1")
    assert (result.participants, result.answers, pair.participants, pair.answers) == (2, 15, 2, 15)
    # 6 for A, 4 for B, 5 not sure
    assert pair.share_a.value == pytest.approx(6 / 15)
    assert pair.share_b.value == pytest.approx(4 / 15)
    assert pair.unsure.value == pytest.approx(5 / 15)
    assert pair.decided.value == pytest.approx(6 / 10)
    assert pair.halved.value == pytest.approx(8.5 / 15)
    assert "1 questions were not answered" in result.notes


def test_pairs_are_counted_apart() -> None:
    asked = draw_questions(3, 4)
    letters = {(0, 1): "a", (0, 2): "b", (1, 2): "u"}
    result = score(key(asked, 3), [said("x", asked, "".join(letters[q.pair] for q in asked))])
    assert [(p.a, p.b) for p in result.pairs] == [("run-0", "run-1"), ("run-0", "run-2"), ("run-1", "run-2")]
    assert [p.share_a.value for p in result.pairs] == [1, 0, 0]
    assert [p.share_b.value for p in result.pairs] == [0, 1, 0]
    assert [p.unsure.value for p in result.pairs] == [0, 0, 1]
    assert result.pairs[2].decided == Share(None, None, None)
    assert result.pairs[2].halved == Share(0.5, 0.5, 0.5)


def test_a_pair_nobody_answered() -> None:
    asked = draw_questions(3, 2)
    result = score(key(asked, 3), [said("x", asked, "".join("a" if q.pair == (0, 1) else "-" for q in asked))])
    assert [p.answers for p in result.pairs] == [2, 0, 0]
    assert result.pairs[1].share_a == Share(None, None, None)


def test_who_always_says_left_prefers_none() -> None:
    asked = draw_questions(2, 40)
    lazy = Answers("x", {q.id: "left" for q in asked}, [0.2] * 40)
    result = score(key(asked), [lazy])
    assert result.pairs[0].share_a.value == 0.5
    assert "the left picture was chosen in 100% of the decided answers" in result.notes
    assert "median time of an answer: 0.2 s" in result.notes


def test_one_participant_and_few() -> None:
    asked = draw_questions(2, 4)
    one = score(key(asked), [said("x", asked, "aabb")])
    assert any("over questions alone" in note for note in one.notes)
    few = score(key(asked), [said(name, asked, "aabb") for name in "xyz"])
    assert any("3 participants are rough" in note for note in few.notes)
    enough = score(key(asked), [said(name, asked, "aabb") for name in "abcdefghij"])
    assert not any("participant" in note for note in enough.notes)


def test_the_longest_file_of_a_participant_counts() -> None:
    asked = draw_questions(2, 4)
    result = score(key(asked), [said("x", asked, "aaaa"), said("x", asked, "bb--")])
    assert (result.participants, result.answers) == (1, 4)
    assert result.pairs[0].share_a.value == 1
    assert any("several files of one participant" in note for note in result.notes)


def test_no_answers() -> None:
    with pytest.raises(UserError, match="no answers"):
        score(key(draw_questions(2, 2)), [Answers("x", {}, [])])


def test_one_participant_has_the_interval_of_the_binomial() -> None:
    """Questions alone are drawn: 60 of 100 gives 0.6 ± 1.96 sqrt(0.24 / 100)."""
    asked = draw_questions(2, 100)
    result = score(key(asked), [said("x", asked, "a" * 60 + "b" * 40)], draws=20_000)
    share = result.pairs[0].share_a
    assert (share.low, share.high) == pytest.approx((0.6 - 0.096, 0.6 + 0.096), abs=0.011)


def votes(people: float, inputs: float, noise: float, random: np.random.Generator) -> tuple[Key, list[Answers]]:
    """Simulated answers of 12 people about 30 inputs: a taste of each person, a difficulty of each input, chance."""
    asked = draw_questions(2, 30, seed=int(random.integers(1000)))
    taste, ease = random.normal(0, people, 12), random.normal(0, inputs, 30)
    answers = []
    for p in range(12):
        strength = taste[p] + ease + random.normal(0, noise, 30)
        answers.append(said(str(p), asked, "".join("a" if s > 0 else "b" for s in strength)))
    return key(asked), answers


@pytest.mark.parametrize(
    ("people", "inputs", "noise"),
    [(0, 0, 1), (1, 0, 0.5), (0, 1, 0.5), (1, 1, 1)],
    ids=["chance", "people", "inputs", "all"],
)
def test_intervals_hold_the_truth(people: float, inputs: float, noise: float) -> None:
    """Whatever the answers depend on, 95 % intervals hold the true share of 0.5 nearly as often, or more often."""
    random = np.random.default_rng(0)
    held = 0
    for _ in range(100):
        made, answers = votes(people, inputs, noise, random)
        share = score(made, answers, draws=300).pairs[0].share_a
        assert share.low is not None
        assert share.high is not None
        held += share.low <= 0.5 <= share.high
    assert held >= 89  # 95 - 3 standard deviations


def test_a_clear_preference_is_found() -> None:
    asked = draw_questions(2, 20)
    result = score(key(asked), [said(str(p), asked, "a" * 16 + "bbuu") for p in range(8)])
    share = result.pairs[0].halved
    assert share.low is not None
    assert share.low > 0.5
    assert share.other().high == pytest.approx(1 - share.low)


def test_files_of_answers_are_checked(tmp_path: Path) -> None:
    asked = draw_questions(2, 2)
    made = key(asked)
    good = {"study": "s", "participant": "p", "answers": [{"question": asked[0].id, "side": "unsure", "ms": 1500}]}
    path = tmp_path / "answers.json"

    def refused(values: object, match: str) -> None:
        path.write_text(values if isinstance(values, str) else json.dumps(values))
        with pytest.raises(UserError, match=match):
            read_answers(path, made)

    path.write_text(json.dumps(good))
    assert read_answers(path, made) == Answers("p", {asked[0].id: "unsure"}, [1.5])
    refused({**good, "study": "t"}, "another study")
    refused({**good, "answers": [{"question": "none", "side": "left", "ms": 1}]}, "cannot give")
    refused({**good, "answers": [{"question": asked[0].id, "side": "up", "ms": 1}]}, "cannot give")
    refused({**good, "answers": [{"side": "left"}]}, "not a file of answers")
    refused({"study": "s"}, "not a file of answers")
    refused("{", "cannot be read as JSON")
    refused("[]", "cannot be read as JSON")
    path.unlink()
    with pytest.raises(UserError, match="no such file"):
        read_answers(path, made)


def test_the_key_comes_back(tmp_path: Path) -> None:
    made = replace(key(draw_questions(3, 2), 3), notes=["a note"])
    (tmp_path / "key.json").write_text(made.as_json())
    assert read_key(tmp_path) == made
    assert "a note" in score(made, [said("x", made.questions, "aabbuu")]).notes
    (tmp_path / "key.json").write_text("{}")
    with pytest.raises(UserError, match="not the key of a study"):
        read_key(tmp_path)
    with pytest.raises(UserError, match="not the folder of a study"):
        read_key(tmp_path / "none")
