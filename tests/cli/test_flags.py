import contextlib
from dataclasses import fields
from pathlib import Path

import pytest

import instar
from instar.cli import main
from instar.cli.flags import program, spell, with_flags, without_flags
from instar.core.config import DataConfig, TrainConfig
from instar.core.errors import Mention, Message, call, setting
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


@pytest.mark.parametrize("there", [True, False])
def test_commands_can_be_pasted_where_the_program_is_not_on_the_path(
    there: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "venv" / "bin" / "instar"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh")
    script.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(script.parent) if there else str(tmp_path))
    monkeypatch.setattr("sys.argv", [str(script), "demo"])
    said = spell(Mention("translate", ("demo/run",), call=True))
    assert said == f"{'instar' if there else './venv/bin/instar'} translate demo/run IMAGES -o OUT"
    monkeypatch.chdir(tmp_path / "venv" / "bin")
    assert program() == ("instar" if there else "./instar")


COMMANDS = [*main.COMMANDS, "train cut", "train tunit", "train --config x", "train --resume x"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_no_none(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(SystemExit):
        main.run([*command.split(), "--help"])
    said = capsys.readouterr().out
    assert "usage" in said
    for odd in ("{None}", "default: )", "default: None", "[[PATH"):
        assert odd not in said
