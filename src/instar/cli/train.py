"""`instar train`: a new run, a repeated one, or a resumed one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, make_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.console import Console
from tyro.conf import Positional, arg

from instar.cli.flags import spell, with_flags, without_flags
from instar.cli.parser import console, parse
from instar.cli.work import work_bar
from instar.core import registry
from instar.core.config import RunConfig
from instar.core.errors import UserError
from instar.core.events import ignore

if TYPE_CHECKING:
    from instar.core.method import Method
    from instar.data import Data

USAGE = """usage: instar train METHOD DATA... -o RUN [--preset P] [--steps N] [--size S] [--batch B] [--seed K]
                    [--device D]
       instar train --config RUN/config.yaml -o NEW_RUN
       instar train --resume RUN

instar train METHOD --help lists that method's options. Methods: """


@dataclass(frozen=True, kw_only=True)
class Resume:
    """Go on with an interrupted run exactly where its last checkpoint stands."""

    resume: Path
    """The run directory."""


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """Start a new run with the settings of another."""

    config: Path
    """The config.yaml of a run."""
    out: Annotated[Path, arg(aliases=["-o"])]
    """Directory of the new run."""


def run(arguments: Sequence[str]) -> int:
    """Train, and return 0 at the end of the run, 130 if it was stopped before."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE + ", ".join(registry.names()))
        return 0 if arguments else 2
    if _has(arguments, "--resume"):
        if len(arguments) > (1 if arguments[0].startswith("--resume=") else 2):
            raise UserError("--resume RUN stands alone: a run keeps the settings of its config.yaml")
        where = parse(Resume, arguments, "instar train").resume
        return _resume(where)
    if _has(arguments, "--config"):
        repeat = parse(Repeat, arguments, "instar train")
        from instar.core.run import read_config

        return start(read_config(repeat.config), repeat.out, console())
    name, rest = arguments[0], arguments[1:]
    config, out = parse_method(name, rest)
    return start(config, out, console())


def parse_method(name: str, arguments: Sequence[str]) -> tuple[RunConfig, Path]:
    """Parse the flags of one method into the settings of a run and its directory."""
    if name.startswith("-"):
        raise UserError(f"instar train takes the method first, not {name}; methods: {', '.join(registry.names())}")
    method = registry.get(name)
    from instar.core.method import defaults

    base = defaults(name, method, _value(arguments, "--preset"))
    presets = "Defaults to start from. " + "\n".join(f"{key}: {p.about}." for key, p in method.presets.items())
    sections = {name: with_flags(getattr(base, name), name) for name in ("data", "train", "method")}
    paper = method.paper
    about = f"{paper.title}. {paper.authors}, {paper.year}, {paper.url}" if paper else "A method of Instar's own."
    kind = make_dataclass(
        "Train",
        [
            (
                "roots",
                Annotated[
                    Positional[tuple[Path, ...]], arg(metavar="DATA...", help="Data set folder, or one per domain.")
                ],
            ),
            ("out", Annotated[Path, arg(aliases=["-o"], help="Directory of the run, to be made.")]),
            ("preset", Annotated[str, arg(help=presets, metavar="NAME")], base.preset),
            *((name, type(flagged), flagged) for name, flagged in sections.items()),
        ],
        frozen=True,
        kw_only=True,
        namespace={"__doc__": about},
    )
    args: Any = parse(kind, arguments, f"instar train {name}")
    # Unlike resolve(), this keeps the name of a symbolic link: a folder's name is its domain's.
    roots = tuple(Path(os.path.abspath(path)) for path in args.roots)  # noqa: PTH100
    data, train, chosen = (without_flags(getattr(args, name)) for name in sections)
    source = Path(os.path.abspath(train.start_from)) if train.start_from else None  # noqa: PTH100
    config = replace(base, data=replace(data, roots=roots), train=replace(train, start_from=source), method=chosen)
    return config, args.out


def start(config: RunConfig, out: Path, screen: Console) -> int:
    """Begin a new run in `out`."""
    from instar.engine.parallel import is_main

    if is_main() and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists already; go on with `instar train --resume {out}` or choose another -o")
    return _train(config, out, screen, fresh=True)


def _resume(where: Path) -> int:
    from instar.core.run import CONFIG, read_config

    if not (where / CONFIG).is_file():
        raise UserError(f"--resume {where}: not a run directory (it has no {CONFIG})")
    return _train(read_config(where / CONFIG), where, console(), fresh=False)


def _train(config: RunConfig, out: Path, screen: Console, *, fresh: bool) -> int:
    from instar.core.run import checkpoints, write_config
    from instar.core.seed import seed_step
    from instar.engine import parallel
    from instar.engine.log import describe, logger, open_run_log
    from instar.engine.start import pinned, take_over
    from instar.engine.trainer import Trainer

    kind = registry.get(config.name)
    fabric = parallel.launch(config.train)
    with fabric.rank_zero_first():  # the first process decodes the images, the others find its cache
        data = _open(config, kind, fabric.global_rank, fabric.world_size, screen)
    seed_step(config.train.seed, 0)
    method = kind(config.method)
    if config.data.size % method.size_divisor:
        raise UserError(
            f"--size {config.data.size}: {config.name} with these options needs a multiple of {method.size_divisor}"
        )
    note = method.check(config)
    config = pinned(config) if fresh else config
    began = "" if checkpoints(out) else take_over(method, config)
    scorer = _scorer(config, data) if config.train.score_every and fabric.is_global_zero else None
    config = replace(config, data=config.data.named(data.found.names))
    if not fabric.is_global_zero:
        screen.quiet = True
        logger.handlers = []
    else:
        if fresh:
            try:
                out.mkdir(parents=True, exist_ok=True)
                write_config(config, out)
            except OSError as error:
                raise UserError(f"-o {out}: cannot be written ({error.strerror})") from error
        open_run_log(out)
        logger.info(describe(fabric.device, config.train.precision, fabric.world_size, config.train.seed))
    fabric.barrier()
    _say_data(data, logger)
    for line in filter(None, (note, began, _precision(config.train.precision, fabric.device.type))):
        logger.info(line)
    trainer = Trainer(fabric, method, config, out, data.train, data.samples(8), scorer)
    finished = trainer.fit(screen)
    if finished:
        logger.info(
            f"done: step {trainer.step}, {trainer.seconds / 60:.1f} min; "
            f"translate with: instar translate {out} IMAGES -o OUT"
        )
        return 0
    logger.info(f"stopped at step {trainer.step}; go on with: instar train --resume {out}")
    return 130


def _precision(precision: str, device: str) -> str:
    from instar.core.device import has_bf16

    if precision == "32" or has_bf16(device):
        return ""
    return "note: --precision bf16: this processor has no instructions for it; steps are many times faster without"


def _open(config: RunConfig, kind: type[Method[Any]], rank: int, world: int, screen: Console) -> Data:
    from instar.data import open_data

    if not config.data.roots:
        raise UserError("no data set given: instar train METHOD DATA... -o RUN")
    with work_bar(screen) as listen:
        return open_data(
            config.data,
            config.method.channels,
            kind.data,
            config.train.batch,
            config.train.seed,
            rank=rank,
            world=world,
            on_event=ignore if rank else listen,
        )


def _scorer(config: RunConfig, data: Data) -> Any:
    from instar.evaluation.validation import extractor_of, scorer

    extractor = extractor_of(config.train.score_with)
    return scorer(extractor, data.found.val, data.channels, config.data.size, config.train.seed)


def _say_data(data: Data, logger: Any) -> None:
    found = data.found
    for domain in found.kind.sources():
        train, test = data.train.stores[domain], found.test[domain]
        logger.info(f"{found.names[domain]}: {len(train)} images to train on, {len(test)} held out")
    kept = next(iter(found.val.values()))
    if kept:
        logger.info(f"{len(kept)} more of each kept to score the run while it trains")
    for note in data.notes:
        logger.info(note.spelled(spell))
    if data.bad:
        logger.warning(f"{len(data.bad)} unreadable file(s) left out:")
        for path, reason in data.bad:
            logger.warning(f"  {path}: {reason}")


def _has(arguments: Sequence[str], flag: str) -> bool:
    return any(a == flag or a.startswith(f"{flag}=") for a in arguments)


def _value(arguments: Sequence[str], flag: str) -> str | None:
    for here, following in zip(arguments, [*arguments[1:], None], strict=True):
        if here == flag:
            return following
        if here.startswith(f"{flag}="):
            return here.split("=", 1)[1]
    return None
