"""`instar demo`: train on drawn images, translate held-out ones, and score them against the known truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from instar.cli.parser import console, parse
from instar.core.errors import UserError, setting

if TYPE_CHECKING:
    from PIL.Image import Image

TRAIN, TEST, SHOWN = 400, 40, 8


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Train pix2pix to put stripes on drawn animals, on this machine, and look at what it learned.

    Started again on the same folder, an interrupted demo goes on where it was.
    """

    out: Annotated[Path, arg(aliases=["-o"])] = Path("instar-demo")
    """Folder for the images, the run and the result."""
    steps: int = 1500
    """Training steps."""


def run(arguments: Sequence[str]) -> int:
    """Draw, train, translate, score, and print where the picture is."""
    args = parse(Demo, arguments, "instar demo")
    from instar.cli import train
    from instar.data.shapes import write

    data, where = args.out / "data", args.out / "run"
    if (where / "config.yaml").exists():
        code = train.resume(train.Resume(resume=where))
    else:
        flags = (
            f"--preset small --method.width 24 --steps {args.steps} --train.preview-every 250 --train.save-every 250"
        )
        config, _ = train.parse_method("pix2pix", [str(data), "-o", str(where), *flags.split()])
        console().print(f"drawing {TRAIN} pairs to train on and {TEST} to judge by: animals, and the same with stripes")
        try:
            write(data, TRAIN, TEST)
        except OSError as error:
            raise UserError(f"{setting('out', args.out)}: cannot be written ({error.strerror})") from error
        code = train.start(config, where)
    if code:
        return code
    print(score(args.out))
    return 0


def score(folder: Path) -> str:
    """Translate the held-out images, write the picture, and return the scores in words."""
    import numpy as np
    import torch
    from PIL import Image

    import instar
    from instar.core.board import labelled
    from instar.core.images import save, to_array, to_tensor, viewable
    from instar.metrics.paired import psnr

    names = sorted((folder / "data" / "testA").glob("*.png"))
    plain = [Image.open(path) for path in names]
    truth = [Image.open(folder / "data" / "testB" / path.name) for path in names]
    made = [viewable(image) for image in instar.load(folder / "run").translate(plain)]

    def mean_psnr(images: Sequence[Image.Image]) -> float:
        x, y = (torch.stack([to_tensor(to_array(image, 3)) for image in side]) for side in (images, truth))
        return float(np.mean(psnr(x, y).numpy()))

    picture = folder / "result.png"
    save(labelled(_sheet([plain[:SHOWN], made[:SHOWN], truth[:SHOWN]]), ["input", "translation", "truth"]), picture)
    return (
        f"held-out images against the truth, peak signal-to-noise ratio, mean of {len(names)}:\n"
        f"  the input as it is  {mean_psnr(plain):5.1f} dB\n"
        f"  translated          {mean_psnr(made):5.1f} dB\n"
        f"picture (input / translation / truth): {picture}"
    )


def _sheet(rows: Sequence[Sequence[Image]]) -> Image:
    """Return rows of equal images as one picture, twice enlarged."""
    from PIL import Image as Pillow

    side, gap = 2 * rows[0][0].width, 4
    sheet = Pillow.new("RGB", (len(rows[0]) * (side + gap) + gap, len(rows) * (side + gap) + gap), "white")
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            sheet.paste(
                image.resize((side, side), Pillow.Resampling.NEAREST), (gap + x * (side + gap), gap + y * (side + gap))
            )
    return sheet
