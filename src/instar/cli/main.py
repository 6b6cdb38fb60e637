"""The command `instar`: finds the sub-command, and turns errors into one line and an exit code.

Nothing heavy is imported before a command needs it, so that help comes at once.
"""

from __future__ import annotations

import importlib
import io
import keyword
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from instar.core.errors import UserError, nearest, shown
from instar.core.registry import register


class Command(NamedTuple):
    """A sub-command: a module of this folder with a function `run(arguments) -> exit code`."""

    usage: str
    about: str


COMMANDS = {
    "methods": Command("", "list the methods: paper, data, directions"),
    "check": Command("DATA...", "read every file of a data set and say what is wrong with it"),
    "advise": Command("DATA...", "look at a data set: which method, how long, what to expect"),
    "train": Command("METHOD DATA... -o RUN", "train a model; `instar train --resume RUN` goes on with one"),
    "fit": Command("METHOD DATA...", "measure what a training takes here: memory and time by size and batch"),
    "view": Command("RUN...", "a page with samples over time, curves and settings; several runs are compared"),
    "translate": Command("RUN INPUT... -o OUT", "translate files and folders with a trained model"),
    "evaluate": Command("RUN [DATA...]", "score a run on held-out images, or a folder of pictures of any tool"),
    "compare": Command("RUN... -o OUT", "score runs side by side: a table with pictures"),
    "benchmark": Command(
        "SPEC.yaml", "train and score a grid of methods, data sets and seeds; goes on where it stopped"
    ),
    "export": Command("RUN -o MODEL", "write a trained model as ONNX, OpenVINO or a PyTorch program, and compare both"),
    "import": Command("FORMAT FILE... -o RUN", "make a run of a checkpoint that the authors' own code has saved"),
    "push": Command("RUN ADDRESS", "share a trained model on a hub (hf://OWNER/NAME) or as a folder, with a card"),
    "serve": Command("RUN|MODEL...", "translate over HTTP: several models, batches, limits, a token"),
    "studio": Command("[ROOT]", "a page to look at images, train, watch, translate and score"),
    "styles": Command(
        "RUN INPUT... -o TABLE", "write the styles of images, and the domains they are put in, as a table"
    ),
    "inspect": Command("RUN [DATA...]", "one page: the domains that a model found, a map of styles, a grid"),
    "study": Command("RUN RUN... -o STUDY", "ask people which translations are better; --score counts the answers"),
    "demo": Command("", "train a small model on drawn images and score it: minutes on a laptop"),
}


PLUGIN = "--plugin"
CLOSED = 141
"""Exit code where the reader of the output has gone: that of a program which SIGPIPE ends."""
STDERR = 2


def main() -> None:
    """Entry point of the console script."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # where the terminal or the pipe has no λ, help shows a ?
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code.

    0 done, 1 some files failed, 2 wrong input, 3 memory or disk gave out, 70 an error of Instar itself, 130 stopped,
    141 nobody reads the output any more.
    """
    try:
        code = _run(arguments)
        if sys.stdout is not None:  # it is None where it was closed before
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output, `head` perhaps, has gone, or the terminal was closed
        _to_nowhere()
        return CLOSED
    except MemoryError:  # there was none left even for the module that has the words
        os.write(STDERR, b"instar: out of memory\n")
        return 3
    return code


def _run(arguments: Sequence[str]) -> int:
    """Run a command line, and turn what it raises into a line and an exit code."""
    try:
        return _command(arguments)
    except UserError as error:
        if (
            os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0")) == "0"
        ):  # one of several processes says it for all
            from instar.cli.flags import spell

            print(f"instar: {error.message.spelled(spell)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("instar: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        raise
    except Exception as error:
        from instar.cli.boundary import last_words

        return last_words(error, arguments[0])


def _command(arguments: Sequence[str]) -> int:
    arguments, plugins = _without_plugins(arguments)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(overview())
        return 0 if arguments else 2
    name = arguments[0]
    if name in ("-V", "--version"):
        from importlib.metadata import version

        print(f"instar {version('instar')}")
        return 0
    if name not in COMMANDS:
        raise UserError(f"there is no command {shown(name)}{nearest(name, COMMANDS)}")
    for file in plugins:
        register(file)
    module = importlib.import_module(f"instar.cli.{name}{'_' * keyword.iskeyword(name)}")
    code: int = module.run(list(arguments[1:]))
    return code


def _to_nowhere() -> None:
    """Let what is still to be written to a pipe without a reader go nowhere: the interpreter flushes as it ends."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # None, or no file
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def overview() -> str:
    """Return the text of `instar --help`."""
    width = max(len(f"{name} {command.usage}") for name, command in COMMANDS.items())
    lines = [f"  instar {f'{name} {command.usage}':<{width}}  {command.about}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "Train and use image-to-image translation models on your own images.",
            "",
            *lines,
            "",
            "instar COMMAND --help explains a command, instar train METHOD --help a method's options.",
            "--plugin FILE, with any command, makes the method in a Python file known.",
        ]
    )


def _without_plugins(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Take `--plugin FILE` out of a command line; return the rest, and the files."""
    rest: list[str] = []
    files: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == PLUGIN:
            files.append(next(words, "FILE"))
        elif word.startswith(f"{PLUGIN}="):
            files.append(word.split("=", 1)[1])
        else:
            rest.append(word)
    return rest, files
