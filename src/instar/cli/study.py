"""`instar study`: ask people which translations are better, blind, and count what they said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional, arg

from instar.cli.flags import spell
from instar.cli.parser import console, parse
from instar.cli.progress import Screen, say
from instar.core.errors import UserError

if TYPE_CHECKING:
    from instar.evaluation.study import StudyResult


@dataclass(frozen=True, kw_only=True)
class Study:
    """Ask people which of two translations is better: write one page for the browser, or --score its answers."""

    files: Annotated[Positional[tuple[Path, ...]], arg(metavar="RUN RUN... | ANSWERS...")] = ()
    """Two or more run directories or checkpoints; with --score the files that the page saved, one per participant."""
    score: Annotated[Path | None, arg(metavar="STUDY")] = None
    """Folder of a study whose answers are to be counted: instar study --score STUDY ANSWERS.json..."""
    out: Annotated[Path | None, arg(aliases=["-o"])] = None
    """Folder, to be made, for study.html, which the participants get, and key.json, which they do not; with --score
    for table.md and scores.json."""
    data: tuple[Path, ...] = ()
    """Images, laid out as for training; the first run's own test images if not given."""
    to: str | None = None
    """Domain to translate into, by its name or as A or B; B, the target of the training, if not given."""
    count: int = 50
    """Questions for each pair of runs. All pairs are asked on the same inputs. The page holds its pictures: with
    two runs and 50 questions 2 MB at 64 px, 5 MB at 128 px, 20 MB at 256 px; a third more with each further run."""
    question: str | None = None
    """What the participants are asked; "Which one is the better zebra?", with the name of the domain, if not given."""
    size: int | None = None
    """Side of the pictures in pixels; the size of the training, at which runs translate in any case, if not given."""
    seed: int = 0
    """Of the choice of inputs and sides, and of the models' noise or style."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto takes the first of cuda, mps, cpu that is there."""

    def __post_init__(self) -> None:
        if not self.score and not self.out:
            raise UserError("a study needs two runs or more, and a folder: instar study RUN RUN -o STUDY")
        if self.score and not self.files:
            raise UserError("no answers to count: instar study --score STUDY ANSWERS.json...")


def run(arguments: Sequence[str]) -> int:
    """Write a study or count its answers, and return 0."""
    args = parse(Study, arguments, "instar study")
    from instar.api.study import score_study, study

    if args.score:
        show(score_study(args.score, args.files, args.out), Console())
        return 0
    assert args.out
    screen = console()
    with Screen(screen, "loading") as on_event:
        made = study(
            args.files,
            args.out,
            data=args.data,
            to=args.to,
            count=args.count,
            question=args.question,
            size=args.size,
            seed=args.seed,
            device=args.device,
            on_event=on_event,
        )
    for note in made.notes:
        say(screen, f"note: {note.spelled(spell)}")
    say(screen, f"written: {made.page} ({len(made.key.questions)} questions, {made.page.stat().st_size / 1e6:.1f} MB)")
    count = f"instar study --score {args.out} ANSWERS.json..."
    say(screen, f"count the answers with: {count}; keep key.json from the participants")
    return 0


def show(result: StudyResult, screen: Console) -> None:
    """Print the preferences as a table, a column for each pair of runs."""
    from instar.reports.study import LEGEND, ROWS, title

    screen.print(title(result), highlight=False, markup=False)
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for pair in result.pairs:
        table.add_column(Text(f"A: {pair.a}\nB: {pair.b}"), justify="right", overflow="fold")
    for name, cell in ROWS.items():
        table.add_row(name, *(cell(pair) for pair in result.pairs))
    screen.print(table)
    for note in [*LEGEND, *result.notes]:
        screen.print(f"note: {note}", highlight=False, markup=False)
