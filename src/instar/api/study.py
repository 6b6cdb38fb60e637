"""A study with people: a page that asks which translations are better, and what the answers say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from instar.api.paths import AnyPath, Paths, new_folder, several, written_at_once
from instar.core.errors import Message, UserError
from instar.core.events import Listener, ignore
from instar.core.files import text_bytes
from instar.core.settings import Bounds

if TYPE_CHECKING:
    from instar.evaluation.study import Key, StudyResult


@dataclass(frozen=True)
class Study:
    """What `study` wrote."""

    page: Path
    """study.html, which the participants get."""
    key_file: Path
    """key.json, which they do not get."""
    key: Key
    """Which run made which side of which question."""
    notes: list[Message]


def study(  # noqa: PLR0913  (as the command line has flags)
    runs: Paths,
    out: AnyPath,
    *,
    data: Paths = (),
    to: str | None = None,
    count: int = 50,
    question: str | None = None,
    size: int | None = None,
    seed: int = 0,
    device: str = "auto",
    on_event: Listener | None = None,
) -> Study:
    """Write a page that asks people which of two translations is better.

    Args:
        runs: two or more run directories or checkpoints.
        out: folder, to be made, for study.html, which the participants get, and key.json, which they do not.
        data: the images, laid out as for training; the first run's own test images if empty.
        to: domain to translate into, by its name or as A or B; B, the target of the training, if None.
        count: questions for each pair of runs. All pairs are asked on the same inputs.
        question: what the participants are asked; "Which one is the better zebra?", with the name of the domain, if
            None.
        size: side of the pictures in pixels; the size of the training, at which runs translate in any case, if None.
        seed: of the choice of inputs and sides, and of the models' noise or style.
        device: where to compute: auto, cpu, cuda or mps.
        on_event: told what is being done (`Worked`). If it raises, the work ends.

    Raises:
        UserError: there are fewer than two runs, they do not compare, or `out` is there already.
    """
    from instar.evaluation.study import Key, draw_questions
    from instar.evaluation.study_images import study_images
    from instar.reports.study import page

    given = several(runs)
    if len(given) < 2:
        raise UserError("a study needs two runs or more")
    if len({os.path.realpath(path) for path in given}) < len(given):
        raise UserError("a run is given twice")
    for name, value in (("count", count), ("size", size)):
        if value is not None:
            Bounds(1).check(name, value)
    Bounds(0).check("seed", seed)
    folder = new_folder(out)
    shown = study_images(
        given,
        several(data),
        count=count,
        size=size,
        to=to,
        seed=seed,
        device=device,
        on_event=ignore if on_event is None else on_event,
    )
    asked = draw_questions(len(given), len(shown.inputs), seed)
    text = question or shown.question
    name, html = page(shown, asked, text, seed)
    key = Key(name, text, shown.direction, [str(path) for path in given], shown.names, asked, list(shown.notes))
    _write(folder, {"study.html": html, "key.json": f"{key.as_json()}\n"})
    return Study(folder / "study.html", folder / "key.json", key, shown.notes)


def score_study(folder: AnyPath, answers: Paths, out: AnyPath | None = None) -> StudyResult:
    """Count the answers to a study.

    Args:
        folder: of the study, with its key.json.
        answers: the files that the page saved, one per participant.
        out: folder, to be made, for table.md and scores.json; None writes nothing.

    Raises:
        UserError: a file is not of this study, or there are no answers.
    """
    from instar.evaluation.study import read_answers, read_key, score
    from instar.reports.study import markdown

    files = several(answers)
    if not files:
        raise UserError("no answers to count: give the files that the page of the study saved")
    target = None if out is None else new_folder(out)
    key = read_key(Path(folder))
    result = score(key, [read_answers(path, key) for path in files])
    if target:
        _write(target, {"table.md": markdown(result), "scores.json": f"{result.as_json()}\n"})
    return result


def _write(folder: Path, files: Mapping[str, str]) -> None:
    with written_at_once(folder) as part:
        for name, text in files.items():
            (part / name).write_bytes(text_bytes(text))
