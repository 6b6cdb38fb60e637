import pickle
from pathlib import Path

import pytest

from instar.core.errors import Mention, Message, UserError, call, nearest, setting
from instar.core.reading import UnreadableImage


def test_a_message_is_spelled_for_python() -> None:
    error = UserError(f"{setting('data.size', 48)}: these take 32 px; set {setting('data.size', 32)}")
    assert str(error) == "size=48: these take 32 px; set size=32"
    assert error.setting == "data.size"


@pytest.mark.parametrize(
    ("text", "python"),
    [
        (setting("train.steps"), "steps"),
        (setting("method.nce_x", 0.0), "method.nce_x=0"),
        (setting("method.light", True), "method.light=True"),
        (setting("method.stages", (0.4, 0.2)), "method.stages=0.4 0.2"),
        (setting("data.roots", Path("a/b")), "data.roots=a/b"),
        (setting("to", "zebra"), "to=zebra"),
        (call("resume", Path("runs/first")), "instar.resume('runs/first')"),
        (call("methods"), "instar.methods()"),
        (call("resume", "runs/x", steps=8, allow_code=True), "instar.resume('runs/x', steps=8, allow_code=True)"),
        ("no setting at all", "no setting at all"),
    ],
)
def test_spelling(text: str, python: str) -> None:
    assert Message(text) == python


def test_other_spellings() -> None:
    seen: list[Mention] = []

    def spell(mention: Mention) -> str:
        seen.append(mention)
        return mention.name.upper()

    message = UserError(f"{setting('train.clip', 1)}, or {call('resume', 'runs/x')}").message
    assert message.spelled(spell) == "TRAIN.CLIP, or RESUME"
    assert seen == [Mention("train.clip", ("1",)), Mention("resume", ("runs/x",), call=True)]


def test_a_message_of_a_message_keeps_its_mentions() -> None:
    assert Message(Message(setting("data.size", 3))).spelled(lambda mention: mention.name) == "data.size"


def test_errors_travel_between_processes() -> None:
    error = UserError(f"{setting('data.size', 3)} is small")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.setting, again.message.raw) == (str(error), "data.size", error.message.raw)
    image = pickle.loads(pickle.dumps(UnreadableImage(Path("x.png"), "the file is empty")))
    assert (str(image), image.path, image.reason) == ("x.png: the file is empty", Path("x.png"), "the file is empty")


def test_nearest() -> None:
    assert nearest("stpes", ["steps", "size"]) == "; did you mean 'steps'?"
    assert nearest("zzz", ["b", "a"]) == "; there is: a, b"


@pytest.mark.parametrize("name", ["\ue000train.steps\ue002", "<train.steps>", "{x} %s [/bold]", "字é"])
def test_what_files_are_called_is_no_setting(name: str) -> None:
    assert str(UserError(f"{name}: broken")) == f"{name}: broken"
    assert UserError(f"{name}: broken").setting == ""


def test_names_of_files_neither_end_the_line_nor_move_the_cursor() -> None:
    name = "a\nb\r\x1b[31m\x07\x9b\u2028\u202egnp\udcff"
    error = UserError(f"{name}: broken; set {setting('out', name)}, {call('resume', name)}")
    seen = r"a\nb\r\x1b[31m\x07\x9b\u2028\u202egnp\udcff"
    assert str(error).startswith(f"{seen}: broken; set out={seen}")
    for text in (str(error), error.message.spelled(lambda mention: mention.values[0])):
        assert text.isprintable()


def test_values_of_strangers_end_no_mention() -> None:
    assert str(UserError(setting("out", "a\0>b\0<c"))) == r"out=a\0>b\0<c"
