from dataclasses import fields

import pytest

import instar
from instar.cli.flags import spell, with_flags, without_flags
from instar.core.config import DataConfig, TrainConfig
from instar.core.errors import Message, call, setting
from instar.core.method import defaults


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (setting("data.size", 48), "--size 48"),
        (setting("method.nce_x"), "--method.nce-x"),
        (setting("method.light", True), "--method.light"),
        (setting("method.two_sided", False), "--method.no-two-sided"),
        (setting("data.source", "A"), "--from A"),
        (setting("out", "runs/x"), "-o runs/x"),
        (setting("to", "zebra"), "--to zebra"),
        (call("resume", "runs/x"), "instar train --resume runs/x"),
        (call("check"), "instar check DATA"),
        (call("resume", "runs/x", steps=8, allow_code=True), "instar train --resume runs/x --steps 8 --allow-code"),
    ],
)
def test_spelling(text: str, flags: str) -> None:
    assert Message(text).spelled(spell) == flags


@pytest.mark.parametrize("name", instar.names())
def test_settings_come_back_equal_and_short_flags_are_unique(name: str) -> None:
    config = defaults(name, instar.get(name), None)
    taken = ["--out", "-o", "--preset", "--resume", "--config", "--help", "-h"]
    for section, settings in (("data", config.data), ("train", config.train), ("method", config.method)):
        flagged = with_flags(settings, section)
        assert isinstance(flagged, type(settings))
        assert without_flags(flagged) == settings
        for field in fields(flagged):
            for note in getattr(field.type, "__metadata__", ()):
                taken += getattr(note, "aliases", None) or ()
    assert len(taken) == len(set(taken))
    assert {"--size", "--steps", "--batch", "--seed", "--device", "--channels", "--from", "--to"} <= set(taken)


def test_positional_settings_have_no_flag() -> None:
    hints = {field.name: str(field.type) for field in fields(with_flags(DataConfig(), "data"))}
    assert "Suppress" in hints["roots"]
    assert with_flags(TrainConfig(steps=7), "train").steps == 7
