"""The one exception that a user may see: a line that says what is wrong and what to do.

The library does not know who calls it. Its messages name settings and use cases, not flags and commands:

    UserError(f"{setting('data.size', 48)}: these networks take 32 px; set {setting('data.size', 32)}")

reads "size=48: ..., set size=32" in Python; the command line spells the same message "--size 48: ..., set --size 32".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from os import fspath
from pathlib import PurePath

# NUL is in no name of a file, whatever a stranger calls his files.
_OPEN, _VALUE, _CLOSE, _CALL, _IS = "\0<", "\0=", "\0>", "\0!", "\0:"
_MENTION = re.compile(f"{_OPEN}(.*?){_CLOSE}", re.DOTALL)
_UNSEEN = re.compile(r"[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters in names of files that end the line, move the cursor, turn the direction of writing, or are none."""

LONGEST = 60
"""Characters of a wrong value or name in a message."""
SHORT = {
    "data.size": "size",
    "data.source": "source",
    "data.target": "target",
    "train.steps": "steps",
    "train.batch": "batch",
    "train.seed": "seed",
    "train.device": "device",
    "train.devices": "devices",
    "train.precision": "precision",
    "method.channels": "channels",
}
"""Settings that are known by a name without their section: `size=64` in Python, `--size 64` on the command line."""


@dataclass(frozen=True)
class Mention:
    """A setting, or a call of a use case, in a message."""

    name: str
    """Dotted path of a setting, such as method.width, or the name of a use case, such as resume."""
    values: tuple[str, ...] = ()
    """The setting's value, if one is mentioned, or the arguments of the call."""
    call: bool = False
    keywords: tuple[tuple[str, str], ...] = ()
    """Settings that are given in a call, with their values."""


Speller = Callable[[Mention], str]
"""Writes a mention as those whom a message is for would type it."""


class Message(str):
    """A line for people. As a string it is spelled for Python; `spelled` gives it in other spellings."""

    raw: str

    def __new__(cls, text: str) -> Message:
        """Take a text in which `setting` and `call` may stand."""
        raw = text.raw if isinstance(text, Message) else text
        self = super().__new__(cls, _spell(raw, in_python))
        self.raw = raw
        return self

    def spelled(self, speller: Speller) -> str:
        """Return the line with its settings and calls as `speller` writes them."""
        return _spell(self.raw, speller)


class UserError(Exception):
    """Something in the user's input or files is wrong. The message is one line with the remedy.

    Attributes:
        message: the line.
        setting: dotted path of the first setting that it mentions; "" if it mentions none.
    """

    def __init__(self, message: str) -> None:
        self.message = Message(message)
        super().__init__(self.message)
        mentions = [mention for mention in map(_parsed, _MENTION.findall(self.message.raw)) if not mention.call]
        self.setting = mentions[0].name if mentions else ""

    def __str__(self) -> str:
        return str(self.message)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (type(self), self.message.raw, self.__dict__)


def setting(name: str, value: object = None) -> str:
    """Return a setting for a message, with its value unless that is None.

    Args:
        name: dotted path in the settings of a run, such as data.size, or a parameter's name, such as to.
        value: what it is, or should be, set to. True and False become switches on the command line.
    """
    return _OPEN + _VALUE.join([name, *([] if value is None else [_plain(value)])]) + _CLOSE


def call(use_case: str, *arguments: object, **settings: object) -> str:
    """Return a call of a use case of Instar for a message, such as resume of a run, perhaps with settings."""
    given = [f"{name}{_IS}{_plain(value)}" for name, value in settings.items()]
    return _OPEN + _VALUE.join([_CALL + use_case, *map(_plain, arguments), *given]) + _CLOSE


def in_python(mention: Mention) -> str:
    """Spell a mention as Python does: size=64, method.nce_x=0, instar.resume('runs/first')."""
    if mention.call:
        given = [*map(repr, mention.values), *(f"{name}={_literal(value)}" for name, value in mention.keywords)]
        return f"instar.{mention.name}({', '.join(given)})"
    name = SHORT.get(mention.name, mention.name)
    return f"{name}={mention.values[0]}" if mention.values else name


def shown(value: object) -> str:
    """Return a value that is not as it should be for a message: a part of it, if it is long."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``", did you mean 'x'?"`` for the closest of `known`, else a list of what there is."""
    names = sorted(known)
    close = get_close_matches(word[:LONGEST], names, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; there is: {', '.join(names)}"


def _spell(raw: str, speller: Speller) -> str:
    said = _MENTION.sub(lambda found: speller(_parsed(found[1])), raw)
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), said)


def _parsed(mention: str) -> Mention:
    name, *given = mention.split(_VALUE)
    values = tuple(value for value in given if _IS not in value)
    keywords = tuple((key, value) for key, _, value in (word.partition(_IS) for word in given if _IS in word))
    return Mention(name.removeprefix(_CALL), values, call=name.startswith(_CALL), keywords=keywords)


def _literal(value: str) -> str:
    """Return a value as Python writes it: numbers and True as they are, texts in quotes."""
    return value if re.fullmatch(r"-?\d[\d.e+-]*|True|False|None", value) else repr(value)


def _plain(value: object) -> str:
    if isinstance(value, PurePath):
        return fspath(value)
    if isinstance(value, (tuple, list)):
        return " ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value).replace("\0", "\\0")


def _rebuilt(kind: type[UserError], raw: str, state: dict[str, object]) -> UserError:
    """Unpickle an error of any kind without calling its constructor, whose arguments may differ."""
    error = kind.__new__(kind)
    error.__dict__.update(state)
    error.args = (Message(raw),)
    return error


def first_line(error: BaseException) -> str:
    """Return the first line of what another library says."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
