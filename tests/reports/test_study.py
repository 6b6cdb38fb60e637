import base64
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from evaluation.parts import data_set
from evaluation.test_study import key, said
from PIL import Image

from instar.evaluation.study import Share, draw_questions, score
from instar.evaluation.study_images import study_images
from instar.reports.data_uris import png
from instar.reports.study import markdown, page, percent

Runs = Callable[..., Path]


def test_the_table_as_text() -> None:
    asked = draw_questions(2, 4)
    result = score(key(asked), [said("x", asked, "aaab")])
    lines = markdown(result).splitlines()
    assert lines[0] == "Which?  horse -> zebra  1 participant, 4 answers"
    assert lines[2] == "|  | A: run-0, B: run-1 |"
    assert next(line for line in lines if line.startswith("| A is better")).startswith("| A is better | 75.0 % (")
    assert percent(Share(0.5, 0.25, 1.0)) == "50.0 % (25.0 to 100.0)"
    assert percent(Share(None, None, None)) == "-"
    assert json.loads(result.as_json())["pairs"][0]["share_b"]["value"] == 0.25


def test_a_pair_nobody_answered() -> None:
    asked = draw_questions(3, 2)
    answers = said("x", asked, "".join("a" if q.pair == (0, 1) else "-" for q in asked))
    assert "| answers | 2 | 0 | 0 |" in markdown(score(key(asked, 3), [answers]))


def test_a_name_with_a_bar_makes_no_column() -> None:
    asked = draw_questions(2, 4)
    made = replace(key(asked), runs=["a|b", "c"])
    header, rule = markdown(score(made, [said("x", asked, "aaab")])).splitlines()[2:4]
    assert header == r"|  | A: a\|b, B: c |"
    assert rule == "| --- | --- |"


def test_the_page_is_blind_and_holds_its_study_images(run_directory: Runs, tmp_path: Path) -> None:
    data = data_set(tmp_path / "set")
    runs = [run_directory("cut"), run_directory("cyclegan")]
    shown = study_images(runs, [data], count=3)
    asked = draw_questions(2, 3)
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
        assert found[one["input"]] == png(shown.inputs[question.input])
        assert found[one["left"]] == png(shown.translations[question.left][question.input])
        assert found[one["right"]] == png(shown.translations[question.right][question.input])
    assert page(shown, asked, "Which?")[0] != study
    for uri in found.values():
        picture = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,"))))
        assert (picture.size, picture.info) == ((32, 32), {})
