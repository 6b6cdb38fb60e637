"""`instar fit`: what a training takes on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from tyro.conf import arg

from instar.cli.flags import spell
from instar.cli.parser import console
from instar.cli.progress import Screen
from instar.cli.train import parse_method
from instar.core import registry

USAGE = """usage: instar fit METHOD DATA... [--sizes S...] [--batches B...] [--precisions 32 bf16] [--preset P]

Measures memory and seconds a step, each in a process of its own, and says how long a run takes and what is fastest.
instar fit METHOD --help lists all options, which are those of instar train METHOD. Methods: """
OWN = [
    ("sizes", Annotated[tuple[int, ...], arg(help="Sides of the crops; that of the preset if not given.")], ()),
    (
        "batches",
        Annotated[
            tuple[int, ...],
            arg(help="Images per domain in a step; if not given, the preset's and twice as many while that gains."),
        ],
        (),
    ),
    (
        "precisions",
        Annotated[
            tuple[Literal["32", "bf16"], ...],
            arg(help="If not given, 32, and bf16 where the device computes in it."),
        ],
        (),
    ),
]
"""What this command has beside the settings of a run."""


def run(arguments: Sequence[str]) -> int:
    """Measure, print the table and the advice, and return 0."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE + ", ".join(registry.names()))
        return 0 if arguments else 2
    config, own = parse_method(arguments[0], arguments[1:], "fit", OWN)
    from instar.api.fit import fit_config

    with Screen(console(), "measuring") as on_event:
        found = fit_config(config, own["sizes"], own["batches"], own["precisions"], on_event)
    print("\n".join(line.spelled(spell) for line in found.lines()))
    return 0
