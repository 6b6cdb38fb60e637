"""A study with people: which pairs of pictures they are asked about, and what their answers say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import cattrs
import numpy as np
from numpy.typing import NDArray

from instar.core.errors import Message, UserError
from instar.core.files import read_own
from instar.core.plain import read_json

SIDES = ("left", "right", "unsure")
FEW = 10
"""Participants below which the intervals are said to be rough."""


@dataclass(frozen=True)
class Question:
    """One input and its translations by two of the runs."""

    id: str
    """Random: says nothing about the runs."""
    input: int
    """Place of the input among those of the study."""
    left: int
    """Place of the run whose translation is on the left."""
    right: int

    @property
    def pair(self) -> tuple[int, int]:
        """The two runs, in the order in which they were given."""
        return min(self.left, self.right), max(self.left, self.right)


@dataclass(frozen=True)
class Key:
    """What the page does not say: which run made which side of which question."""

    study: str
    """Fingerprint of the page; answers carry it."""
    text: str
    """The question that was asked."""
    direction: str
    runs: list[str]
    inputs: list[str]
    questions: list[Question]
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> str:
        """Return it as JSON, for `read_key`."""
        return json.dumps(asdict(self), indent=1)


@dataclass(frozen=True)
class Answers:
    """What one participant said."""

    participant: str
    sides: dict[str, str]
    """left, right or unsure, by question."""
    seconds: list[float]


@dataclass(frozen=True)
class Share:
    """A share of answers in [0, 1], with the bounds of its 95 % interval. None where no answer counts."""

    value: float | None
    low: float | None
    high: float | None

    def other(self) -> Share:
        """Return the share of the rest."""
        if self.value is None or self.low is None or self.high is None:
            return self
        return Share(1 - self.value, 1 - self.high, 1 - self.low)


@dataclass(frozen=True)
class Preference:
    """The answers about a pair of runs."""

    a: str
    b: str
    participants: int
    answers: int
    share_a: Share
    share_b: Share
    unsure: Share
    decided: Share
    """A's share of the answers for A or B: "not sure" is left out."""
    halved: Share
    """A's share where "not sure" counts as half an answer for each."""


@dataclass(frozen=True)
class StudyResult:
    """All that a study found."""

    text: str
    direction: str
    participants: int
    answers: int
    pairs: list[Preference]
    notes: list[Message]

    def as_json(self) -> str:
        """Return it as JSON, for other programs."""
        return json.dumps(asdict(self), indent=1)


def draw_questions(runs: int, inputs: int, seed: int = 0) -> list[Question]:
    """Return a question for each pair of `runs` and each of `inputs`, in random order.

    Of the questions of a pair one half, to one, has the first run on the left: who always answers "left" prefers none.
    """
    random = np.random.default_rng(seed)
    found = []
    for a, b in combinations(range(runs), 2):
        swapped = random.permutation(np.arange(inputs) % 2 == random.integers(2))
        found += [(i, *((b, a) if swap else (a, b))) for i, swap in enumerate(swapped)]
    names = random_names(len(found), random)
    return [Question(name, *found[place]) for name, place in zip(names, random.permutation(len(found)), strict=True)]


def random_names(count: int, random: np.random.Generator) -> list[str]:
    """Return different random names of eight letters and digits."""
    names: dict[str, None] = {}
    while len(names) < count:
        names[random.bytes(4).hex()] = None
    return list(names)


def read_key(folder: Path) -> Key:
    """Read the key of a study. A missing or damaged one is a `UserError`."""
    path = folder / "key.json"
    values = _read(path, f"{folder} is not the folder of a study; it should hold study.html and key.json")
    try:
        key = cattrs.structure(values, Key)
    except (cattrs.BaseValidationError, ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{path}: not the key of a study") from error
    if any(not 0 <= run < len(key.runs) for one in key.questions for run in (one.left, one.right)):
        raise UserError(f"{path}: not the key of a study: it has questions about runs that it does not name")
    return key


def read_answers(path: Path, key: Key) -> Answers:
    """Read a file that the page saved.

    Raises:
        UserError: it is no such file, or of another study.
    """
    values = _read(path, f"{path}: there is no such file")
    try:
        study, participant, said = str(values["study"]), str(values["participant"]), values["answers"]
        sides = {str(one["question"]): str(one["side"]) for one in said}
        seconds = [float(one["ms"]) / 1000 for one in said]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: not a file of answers; give what the page of the study saved") from error
    if study != key.study:
        raise UserError(f"{path}: answers to another study ({study}, not {key.study})")
    known = {question.id for question in key.questions}
    if not set(sides) <= known or not set(sides.values()) <= set(SIDES):
        raise UserError(f"{path}: has answers that the page cannot give; was it edited?")
    return Answers(participant, sides, seconds)


def score(key: Key, answers: Sequence[Answers], draws: int = 2000, seed: int = 0) -> StudyResult:
    """Count the answers for each pair of runs, with 95 % intervals.

    The intervals are bootstrap percentiles. Each draw takes participants with replacement and, for all of them the
    same, questions with replacement (the pigeonhole bootstrap: Owen 2007, Annals of Applied Statistics 1(2)), so that
    they speak of other people and other inputs. Questions drawn for each participant apart would forget that some
    inputs are hard for all. Of each one fewer is drawn than there are, so that the variance between participants, or
    between questions, is unbiased (Rao & Wu 1988, JASA 83). With one participant only questions are drawn.

    Args:
        key: of the study.
        answers: of one participant each; of several files of one participant the longest counts.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        UserError: there is no answer at all.
    """
    longest: dict[str, Answers] = {}
    for one in sorted(answers, key=lambda one: len(one.sides)):
        longest[one.participant] = one
    people = list(longest.values())
    total = sum(len(one.sides) for one in people)
    if not total:
        raise UserError("there are no answers in these files")
    notes = list(key.notes)
    if len(people) < len(answers):
        notes.append("several files of one participant: the longest of them is counted")
    pairs = sorted({question.pair for question in key.questions})
    preferences = [_preference(key, pair, people, draws, seed) for pair in pairs]
    return StudyResult(
        key.text, key.direction, len(people), total, preferences, list(map(Message, notes + _habits(people, key)))
    )


def _preference(key: Key, pair: tuple[int, int], people: Sequence[Answers], draws: int, seed: int) -> Preference:
    """Return what `people` said about a pair of runs."""
    asked = [question for question in key.questions if question.pair == pair]
    votes = np.zeros((3, len(people), len(asked)))  # for a, for b, not sure
    for p, one in enumerate(people):
        for q, question in enumerate(asked):
            side = one.sides.get(question.id)
            if side == "unsure":
                votes[2, p, q] = 1
            elif side:
                votes[int((question.left if side == "left" else question.right) != pair[0]), p, q] = 1
    votes = votes[:, votes.any((0, 2))]  # those who answered about this pair
    totals = votes.sum((1, 2))
    drawn = _resampled(votes, draws, np.random.default_rng(seed))

    def share(part: tuple[float, float, float], of: tuple[float, float, float] = (1, 1, 1)) -> Share:
        if not totals @ of:
            return Share(None, None, None)
        counted = drawn @ of > 0  # a draw may hold no answer that counts
        low, high = np.percentile((drawn @ part)[counted] / (drawn @ of)[counted], (2.5, 97.5))
        return Share(float(totals @ part / (totals @ of)), float(low), float(high))

    return Preference(
        a=key.runs[pair[0]],
        b=key.runs[pair[1]],
        participants=votes.shape[1],
        answers=int(totals.sum()),
        share_a=share((1, 0, 0)),
        share_b=share((0, 1, 0)),
        unsure=share((0, 0, 1)),
        decided=share((1, 0, 0), of=(1, 1, 0)),
        halved=share((1, 0, 0.5)),
    )


def _resampled(votes: NDArray[np.float64], draws: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Return the totals (draws, K) of votes (K, participants, questions) over draws of both with replacement."""
    _, people, asked = votes.shape
    if not people:
        return np.zeros((draws, len(votes)))
    person, question = (random.multinomial(max(n - 1, 1), np.full(n, 1 / n), draws) for n in (people, asked))
    return np.stack([((person @ kind) * question).sum(1) for kind in votes], 1)


def _habits(people: Sequence[Answers], key: Key) -> list[str]:
    """Return what a reader must know about the participants."""
    sides = [side for one in people for side in one.sides.values()]
    decided = len(sides) - sides.count("unsure")
    notes = [f"median time of an answer: {median(t for one in people for t in one.seconds):.1f} s"]
    if decided:
        notes.append(f"the left picture was chosen in {sides.count('left') / decided:.0%} of the decided answers")
    missing = len(people) * len(key.questions) - len(sides)
    if missing:
        notes.append(f"{missing} questions were not answered")
    if len(people) == 1:
        notes.append("one participant: the intervals are over questions alone, and do not speak of other people")
    elif len(people) < FEW:
        notes.append(f"intervals over {len(people)} participants are rough: too narrow where their tastes differ")
    return notes


def _read(path: Path, missing: str) -> dict[str, Any]:
    try:
        with read_own(path) as file:
            values = read_json(file.read())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(missing) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON") from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: cannot be read as JSON")
    return values
