"""`instar train`: a new run, a repeated one, or a resumed one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, make_dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from instar.cli.flags import spell, with_flags, without_flags
from instar.cli.parser import console, parse
from instar.cli.progress import TrainScreen
from instar.core import registry
from instar.core.duration import seconds_of
from instar.core.errors import UserError, setting
from instar.core.settings import PositiveInt, with_changes
from instar.core.store import absolute

if TYPE_CHECKING:  # NumPy, which help and refusals can do without
    from instar.core.config import RunConfig

STOPPED = 130
"""Exit code of a training that was stopped."""
USAGE = """usage: instar train METHOD DATA... -o RUN [--preset P] [--steps N] [--size S] [--batch B] [--seed K]
                    [--device D] [--budget 4h]
       instar train --config RUN/config.yaml -o NEW_RUN [--allow-code]
       instar train --resume RUN [--steps N] [--devices N] [--allow-changes] [--allow-code]

instar train METHOD --help lists that method's options. Methods: """


@dataclass(frozen=True, kw_only=True)
class Resume:
    """Go on with an interrupted run exactly where its last checkpoint stands."""

    resume: Path
    """The run directory, or one of its checkpoints, to go on from there."""
    steps: PositiveInt | None = None
    """New length of the whole run."""
    devices: PositiveInt | None = None
    """Processes from here on; those of before if not given."""
    allow_changes: bool = False
    """Go on although the images, or settings in config.yaml, are not those of the checkpoint."""
    allow_code: bool = False
    """Run the code that config.yaml names in train.score_with."""


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """Start a new run with the settings of another."""

    config: Path
    """The config.yaml of a run."""
    out: Annotated[Path, arg(aliases=["-o"])]
    """Directory of the new run."""
    budget: str | None = None
    """Time that it may take, such as 4h, instead of the steps that the file says."""
    allow_code: bool = False
    """Run the code that the file names in train.score_with."""


BUDGET = "Time that the run may take, such as 4h or 90m, instead of `train.steps`: steps are measured, then fixed."
OWN: list[tuple[str, Any, Any]] = [
    ("out", Annotated[Path, arg(aliases=["-o"], help="Directory of the run, to be made.")], ...),
    ("budget", Annotated[str | None, arg(help=BUDGET, metavar="TIME", help_behavior_hint="")], None),
]
"""What this command has beside the settings of a run; ... where there is no default."""


def run(arguments: Sequence[str]) -> int:
    """Train, and return 0 at the end of the run, 130 if it was stopped before."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE + ", ".join(registry.names()))
        return 0 if arguments else 2
    if _has(arguments, "--resume"):
        _check_alone(arguments)
        return resume(parse(Resume, arguments, "instar train"))
    if _has(arguments, "--config"):
        repeat = parse(Repeat, arguments, "instar train")
        from instar.api.settings import config_of

        config = config_of(None, (), repeat.config, None, {}, allow_code=repeat.allow_code)
        return start(config, repeat.out, repeat.budget)
    if _has(arguments, "--budget") and _has(arguments, "--steps"):
        raise UserError(f"{setting('budget')} and {setting('train.steps')} both say how long the run is: give one")
    config, own = parse_method(arguments[0], arguments[1:])
    return start(config, own["out"], own["budget"])


def start(config: RunConfig, out: Path, budget: str | None = None) -> int:
    """Begin a new run in `out`, of the steps in `config` or of those that take as long as `budget` says."""
    from instar.api.session import begin

    seconds = None if budget is None else seconds_of("budget", budget)
    return _shown(lambda screen: begin(config, out, screen, screen.stop, spell, budget=seconds))


def resume(args: Resume) -> int:
    """Go on with a run."""
    from instar.api.session import go_on

    return _shown(
        lambda screen: go_on(
            args.resume,
            screen,
            screen.stop,
            spell,
            steps=args.steps,
            devices=args.devices,
            allow_changes=args.allow_changes,
            allow_code=args.allow_code,
        )
    )


def parse_method(
    name: str, arguments: Sequence[str], command: str = "train", own: Sequence[tuple[str, Any, Any]] = OWN
) -> tuple[RunConfig, dict[str, Any]]:
    """Parse the flags of one method, given by its name or its file, into the settings of a run.

    Args:
        name: of the method, or its file.
        arguments: the flags.
        command: which is given them.
        own: what the command has beside these settings: names, types, and defaults or `...`; returned by name.
    """
    if name.startswith("-"):
        raise UserError(f"instar {command} takes the method first, not {name}; methods: {', '.join(registry.names())}")
    given, name = name, registry.resolve(name)
    from instar.core.choices import choices
    from instar.core.config import under_preset

    method = choices(name)
    base = under_preset(name, method.options, method.presets, _value(arguments, "--preset"))
    presets = "Defaults to start from. " + "\n".join(f"{key}: {p.about}." for key, p in method.presets.items())
    sections = {name: with_flags(getattr(base, name), name) for name in ("data", "train", "method")}
    paper = method.paper
    about = f"{paper.title}. {paper.authors}, {paper.year}, {paper.url}" if paper else "Of no paper: of known parts."
    kind = make_dataclass(
        command.title(),
        [
            (
                "roots",
                Annotated[
                    Positional[tuple[Path, ...]], arg(metavar="DATA...", help="Data set folder, or one per domain.")
                ],
            ),
            *((name, hint) if default is ... else (name, hint, default) for name, hint, default in own),
            ("preset", Annotated[str, arg(help=presets, metavar="NAME")], base.preset),
            *((name, type(flagged), flagged) for name, flagged in sections.items()),
        ],
        frozen=True,
        kw_only=True,
        namespace={"__doc__": about},
    )
    args: Any = parse(kind, arguments, f"instar {command} {given}")
    # Unlike resolve(), this keeps the name of a symbolic link: a folder's name is its domain's.
    roots = tuple(Path(os.path.abspath(path)) for path in args.roots)  # noqa: PTH100
    data, train, chosen = (without_flags(getattr(args, name)) for name in sections)
    source = absolute(train.start_from) if train.start_from else None
    # Only now, after help and wrong flags: the class checks what its settings say together, and brings PyTorch.
    checked = with_changes(registry.get(name).options(), asdict(chosen))
    config = replace(base, data=replace(data, roots=roots), train=replace(train, start_from=source), method=checked)
    return config, {name: getattr(args, name) for name, _, _ in own}


def _shown(training: Callable[[TrainScreen], None]) -> int:
    with TrainScreen(console()) as screen:
        training(screen)
    return 0 if screen.reached else STOPPED


def _check_alone(arguments: Sequence[str]) -> None:
    """Refuse flags of a new run, and a method, beside `--resume`."""
    own = {f"--{field.name.replace('_', '-')}" for field in fields(Resume)}
    flags = {word.split("=", 1)[0] for word in arguments if word.startswith("-")}
    if not arguments[0].startswith("-") or not flags <= own | {"-h", "--help", "--no-allow-changes", "--no-allow-code"}:
        raise UserError(
            f"--resume RUN takes {', '.join(sorted(own - {'--resume'}))} alone: else a run keeps the settings of its "
            "config.yaml; for other ones start a new run with --config, or with --train.start-from RUN"
        )


def _has(arguments: Sequence[str], flag: str) -> bool:
    return any(a == flag or a.startswith(f"{flag}=") for a in arguments)


def _value(arguments: Sequence[str], flag: str) -> str | None:
    for here, following in pairwise([*arguments, None]):
        if here == flag:
            return following
        if here and here.startswith(f"{flag}="):
            return here.split("=", 1)[1]
    return None
