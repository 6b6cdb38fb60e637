"""`instar export`: a trained model as one file for another runtime, and how well both agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, arg

from instar.cli.parser import console, parse
from instar.cli.progress import Screen, say

if TYPE_CHECKING:
    from instar.exporting.result import ExportResult


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write a trained model for another runtime, and compare both on images.

    A difference above 1/255 is an error, but not of int8.
    """

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """Run directory (its last checkpoint is used) or one checkpoint."""
    out: Annotated[Path, arg(aliases=["-o"])]
    """The file, which ends with .onnx, .xml (OpenVINO) or .pt2 (PyTorch); one that is there is replaced."""
    to: Literal["onnx", "openvino", "torch"] = "onnx"
    """Format: onnx; openvino, an .xml with its .bin; torch, a program of torch.export."""
    domain: str | None = None
    """Domain that the file translates into, by its name or as A or B; B, the target of the training, if not given."""
    int8: bool = False
    """With openvino: compute with 8-bit integers. Faster where the processor can, and different: the table says how."""
    license: str | None = None
    """What may be done with the weights, in your words, to be kept in the file."""


def run(arguments: Sequence[str]) -> int:
    """Write the file, print a table, and return 0."""
    args = parse(Export, arguments, "instar export")
    from instar.api.export import export

    screen = console()
    with Screen(screen, "loading") as on_event:
        found = export(
            args.run,
            args.out,
            to=args.to,
            domain=args.domain,
            int8=args.int8,
            license=args.license,
            on_event=on_event,
        )
    show(found, Console())
    say(screen, f"written: {found.path} ({found.bytes / 1e6:.1f} MB), {found.card.source} to {found.card.target}")
    return 0


def show(found: ExportResult, screen: Console) -> None:
    """Print differences, times and memory, a row for each size."""
    table = Table(box=None, pad_edge=False)
    table.add_column("size")
    table.add_column("largest", justify="right")
    table.add_column("mean", justify="right")
    distance = found.parity[0].distance
    if distance is not None:
        table.add_column(distance[0].replace("-", "-\n"), justify="right")
    for one in found.parity[0].measured:
        table.add_column(one.runtime.replace(" ", "\n") + "\nms an\nimage", justify="right")
        table.add_column("memory\nMB", justify="right")
    for row in found.parity:
        cells = [cell for one in row.measured for cell in (f"{one.milliseconds:.1f}", _megabytes(one.bytes))]
        apart = [] if row.distance is None else [f"{row.distance[1]:.1e}"]
        table.add_row(f"{row.width} x {row.height}", f"{row.largest:.1e}", f"{row.mean:.1e}", *apart, *cells)
    screen.print(f"differences on {found.images}; values are 0 to 1, 1/255 = 3.9e-03", highlight=False, markup=False)
    screen.print(table)


def _megabytes(count: int | None) -> str:
    return "" if count is None else f"{count / 1e6:.0f}"
