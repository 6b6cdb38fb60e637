import base64
import io
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instar.core.errors import UserError
from instar.evaluation.study import Answers, Key, Question, Result, Share, choose, read_answers, read_key, score
from instar.reports.study_page import page, pictures
from instar.reports.study_table import markdown, percent

from .parts import data_set

Runs = Callable[..., Path]


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
    asked = choose(3, 11, seed=1)
    assert sorted((q.pair, q.input) for q in asked) == sorted(
        (pair, i) for pair in combinations(range(3), 2) for i in range(11)
    )
    assert len({q.id for q in asked}) == len(asked) == 33
    for pair in combinations(range(3), 2):
        assert sum(q.left == pair[0] for q in asked if q.pair == pair) in (5, 6)
    inputs = [q.input for q in asked]
    assert inputs != sorted(inputs)
    assert asked == choose(3, 11, seed=1)
    assert [q.id for q in asked] != [q.id for q in choose(3, 11, seed=2)]


def test_the_odd_question_goes_to_either_side() -> None:
    """With an odd count one side has one more; over seeds that is not always the same one."""
    counts = Counter(sum(q.left == 0 for q in choose(2, 5, seed)) for seed in range(40))
    assert set(counts) == {2, 3}


def test_a_table_counted_by_hand() -> None:
    asked = choose(2, 8)
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
    asked = choose(3, 4)
    letters = {(0, 1): "a", (0, 2): "b", (1, 2): "u"}
    result = score(key(asked, 3), [said("x", asked, "".join(letters[q.pair] for q in asked))])
    assert [(p.a, p.b) for p in result.pairs] == [("run-0", "run-1"), ("run-0", "run-2"), ("run-1", "run-2")]
    assert [p.share_a.value for p in result.pairs] == [1, 0, 0]
    assert [p.share_b.value for p in result.pairs] == [0, 1, 0]
    assert [p.unsure.value for p in result.pairs] == [0, 0, 1]
    assert result.pairs[2].decided == Share(None, None, None)
    assert result.pairs[2].halved == Share(0.5, 0.5, 0.5)


def test_a_pair_nobody_answered() -> None:
    asked = choose(3, 2)
    result = score(key(asked, 3), [said("x", asked, "".join("a" if q.pair == (0, 1) else "-" for q in asked))])
    assert [p.answers for p in result.pairs] == [2, 0, 0]
    assert result.pairs[1].share_a == Share(None, None, None)
    assert "| answers | 2 | 0 | 0 |" in markdown(result)


def test_who_always_says_left_prefers_none() -> None:
    asked = choose(2, 40)
    lazy = Answers("x", {q.id: "left" for q in asked}, [0.2] * 40)
    result = score(key(asked), [lazy])
    assert result.pairs[0].share_a.value == 0.5
    assert "the left picture was chosen in 100% of the decided answers" in result.notes
    assert "median time of an answer: 0.2 s" in result.notes


def test_one_participant_and_few() -> None:
    asked = choose(2, 4)
    one = score(key(asked), [said("x", asked, "aabb")])
    assert any("over questions alone" in note for note in one.notes)
    few = score(key(asked), [said(name, asked, "aabb") for name in "xyz"])
    assert any("3 participants are rough" in note for note in few.notes)
    enough = score(key(asked), [said(name, asked, "aabb") for name in "abcdefghij"])
    assert not any("participant" in note for note in enough.notes)


def test_the_longest_file_of_a_participant_counts() -> None:
    asked = choose(2, 4)
    result = score(key(asked), [said("x", asked, "aaaa"), said("x", asked, "bb--")])
    assert (result.participants, result.answers) == (1, 4)
    assert result.pairs[0].share_a.value == 1
    assert any("several files of one participant" in note for note in result.notes)


def test_no_answers() -> None:
    with pytest.raises(UserError, match="no answers"):
        score(key(choose(2, 2)), [Answers("x", {}, [])])


def test_one_participant_has_the_interval_of_the_binomial() -> None:
    """Questions alone are drawn: 60 of 100 gives 0.6 ± 1.96 sqrt(0.24 / 100)."""
    asked = choose(2, 100)
    result = score(key(asked), [said("x", asked, "a" * 60 + "b" * 40)], draws=20_000)
    share = result.pairs[0].share_a
    assert (share.low, share.high) == pytest.approx((0.6 - 0.096, 0.6 + 0.096), abs=0.011)


def votes(people: float, inputs: float, noise: float, random: np.random.Generator) -> tuple[Key, list[Answers]]:
    """Simulated answers of 12 people about 30 inputs: a taste of each person, a difficulty of each input, chance."""
    asked = choose(2, 30, seed=int(random.integers(1000)))
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
    asked = choose(2, 20)
    result = score(key(asked), [said(str(p), asked, "a" * 16 + "bbuu") for p in range(8)])
    share = result.pairs[0].halved
    assert share.low is not None
    assert share.low > 0.5
    assert share.other().high == pytest.approx(1 - share.low)


def test_files_of_answers_are_checked(tmp_path: Path) -> None:
    asked = choose(2, 2)
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
    made = replace(key(choose(3, 2), 3), notes=["a note"])
    (tmp_path / "key.json").write_text(made.as_json())
    assert read_key(tmp_path) == made
    assert "a note" in score(made, [said("x", made.questions, "aabbuu")]).notes
    (tmp_path / "key.json").write_text("{}")
    with pytest.raises(UserError, match="not the key of a study"):
        read_key(tmp_path)
    with pytest.raises(UserError, match="not the folder of a study"):
        read_key(tmp_path / "none")


def test_the_table_as_text() -> None:
    asked = choose(2, 4)
    result: Result = score(key(asked), [said("x", asked, "aaab")])
    lines = markdown(result).splitlines()
    assert lines[0] == "Which?  horse -> zebra  1 participant, 4 answers"
    assert lines[2] == "|  | A: run-0, B: run-1 |"
    assert next(line for line in lines if line.startswith("| A is better")).startswith("| A is better | 75.0 % (")
    assert percent(Share(0.5, 0.25, 1.0)) == "50.0 % (25.0 to 100.0)"
    assert percent(Share(None, None, None)) == "-"
    assert json.loads(result.as_json())["pairs"][0]["share_b"]["value"] == 0.25


def test_the_page_is_blind_and_holds_its_pictures(run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set")
    runs = [run_directory("cut"), run_directory("cyclegan")]
    shown = pictures(runs, [data], count=3)
    asked = choose(2, 3)
    study, html = page(shown, asked, "Which <b>one</b>?</script>")
    assert len(study) == 12
    words = re.sub(r"data:image/png;base64,[\w+/=]+", "", html)
    hidden = [
        "cut",
        "cyclegan",
        *map(str, runs),
        str(tmp_path),
        *shown.names,
        *(Path(name).name for name in shown.names),
    ]
    assert [word for word in hidden if word in words] == []
    # Nor does it ask for anything: no address, and nothing but its pictures is loaded.
    assert re.findall(r"\w+://|<link|<script src|<img[^>]* src|url\(|fetch\(|import\(", words) == []
    values = json.loads(html.split('id="study">')[1].split("</script>")[0])
    assert set(values) == {"study", "question", "questions", "pictures"}
    assert values["question"] == "Which <b>one</b>?</script>"
    found = values["pictures"]
    assert list(found) == sorted(found)
    assert len(found) == 9
    # Each question shows its input and, on the sides that the key says, what the runs made of it.
    for one, question in zip(values["questions"], asked, strict=True):
        assert set(one) == {"id", "input", "left", "right"}
        assert found[one["input"]] == shown.inputs[question.input]
        assert found[one["left"]] == shown.translations[question.left][question.input]
        assert found[one["right"]] == shown.translations[question.right][question.input]
    assert page(shown, asked, "Which?")[0] != study
    assert all(uri.startswith("data:image/png;base64,") for uri in found.values())


def test_the_choice_of_inputs(run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set")
    (data / "test" / "horse" / "0.png").write_bytes(b"no image")
    runs = [run_directory("cut"), run_directory("cyclegan")]
    few = pictures(runs, [data], count=4)
    assert len(few.names) == len(set(few.names)) == 4
    assert few.names != pictures(runs, [data], count=4, seed=5).names
    assert few.direction == "horse -> zebra"
    assert few.question == "Which one is the better zebra?"
    assert replace(few, target="B").question == "Which translation is the better one?"
    everything = pictures(runs, [data], count=50)
    assert len(everything.names) == 11
    assert "50 inputs were asked for, there are 11" in everything.notes


def test_equal_translations_are_said(run_directory: Runs, tmp_path: Path) -> None:
    run = run_directory("cut")
    shown = pictures([run, run], [data_set(tmp_path / "set")], count=3)
    assert any("3 translations are equal" in note for note in shown.notes)


def test_sizes_and_directions(run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set")
    other = tmp_path / "other"
    shutil.copytree(run_directory("cut"), other)
    for config in other.rglob("config.yaml"):
        config.write_text(config.read_text().replace("size: 32", "size: 64"))
    runs = [run_directory("cyclegan"), other]
    with pytest.raises(UserError, match="--size"):
        pictures(runs, [data], count=2)
    shown = pictures(runs, [data], count=2, size=48)
    for uri in [*shown.inputs, *shown.translations[0], *shown.translations[1]]:
        picture = Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))
        assert picture.size == (48, 48)
        assert picture.info == {}
    back = tmp_path / "back"
    shutil.copytree(run_directory("cut"), back)
    for config in back.rglob("config.yaml"):
        text = config.read_text().replace("source: horse", "source: x").replace("target: zebra", "target: horse")
        config.write_text(text.replace("source: x", "source: zebra"))
    with pytest.raises(UserError, match="different directions"):
        pictures([run_directory("cut"), back], [data], count=2)
