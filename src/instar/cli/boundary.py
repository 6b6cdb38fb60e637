"""What the command line says of errors that are nobody's input: a line, and an exit code of their own."""

from __future__ import annotations

import sys
import traceback

from instar.core.memory import is_out_of_memory

MACHINE = 3
"""Exit code where the machine gave out: memory, a disk, the rights of a file."""
BUG = 70
"""Exit code of an error in Instar itself (EX_SOFTWARE of sysexits)."""
_SMALLER = {
    "train": "give a smaller --batch or --size, or a --preset with smaller networks; checkpoints are kept",
    "translate": "give --tile auto, a lower --size or a smaller --batch",
}
"""What takes less memory, by command."""


def last_words(error: Exception, command: str = "") -> int:
    """Print what happened to stderr, and return the exit code.

    A full memory, an error of the operating system and too deep a nesting are one line. Of anything else the traceback
    is printed, with a line that asks for a report.

    Args:
        error: that nothing expected.
        command: during which it came, such as train.
    """
    line, code = _line(error, command)
    if code == BUG:
        traceback.print_exception(error)
    print(f"instar: {line}", file=sys.stderr)
    return code


def _line(error: Exception, command: str) -> tuple[str, int]:
    said = " ".join(str(error).split())
    if is_out_of_memory(error):
        return f"out of memory; {_SMALLER.get(command, 'give fewer or smaller images')}", MACHINE
    if isinstance(error, RuntimeError) and said == "can't start new thread":
        return "no more threads can be started: memory, or the number of processes, is at its limit", MACHINE
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or said or type(error).__name__}", MACHINE
    if isinstance(error, RecursionError):
        return "a file is nested too deeply to be read", MACHINE
    return f"this is an error of Instar ({type(error).__name__}); please report it with the lines above", BUG
