"""A sheet of held-out images and their translations, for a results page.

    python benchmarks/sheet.py RUN DATA -o SHEET.jpg [--to A|B] [--columns 10] [--styles 1]
                               [--references N] [--size PX] [--brighten] [--also RUN ...]

Rows: input, translation (one for each style, the same styles for all columns), translations in the styles of real
images of the target, which stand at the left, and for pairs the truth; all spread evenly over the held-out files, not
chosen. With `--also` a row more for each further run that was trained on the same data.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch.nn.functional import interpolate
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid

import instar
from instar.core.images import colour
from instar.core.run import read_config
from instar.data import open_data


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--to", default=None)
    parser.add_argument("--columns", type=int, default=10)
    parser.add_argument("--styles", type=int, default=1, help="for methods with styles: how many are shown")
    parser.add_argument("--references", type=int, default=0, help="rows in the styles of held-out images of the target")
    parser.add_argument("--size", type=int, default=None, help="of the images; that of the training if not given")
    parser.add_argument("--brighten", action="store_true", help="show inputs from their least to their largest value")
    parser.add_argument("--also", type=Path, nargs="+", default=[], help="further runs: the same inputs, a row each")
    args = parser.parse_args()

    config = read_config(args.run / "config.yaml")
    kind, size = instar.get(config.name), args.size or config.data.size
    cfg = replace(config.data, roots=(args.data.absolute(),), size=size)
    channels = {domain: config.method.channels_of(domain) for domain in kind.data.parts}
    data = open_data(cfg, channels, kind.data, 1, 0, formats=config.formats)
    samples = data.samples(max(args.columns, args.references))
    translator = instar.load(args.run)
    to = translator.domain(args.to)
    origin = next(domain for domain in samples.parts if domain != to)
    source, truth = samples.images[origin], samples.images[to]
    shown = truth[:: max(1, len(truth) // max(1, args.references))][: args.references]
    source, truth = source[: args.columns], truth[: args.columns]
    styles = translator.styles(args.styles) if args.styles > 1 else [None]
    styles = [*styles, *(translator.style_of(to_pil_image(one.add(1).div(2)), to) for one in shown)]
    made = [translator.tensors(source, to, style=style) for style in styles]
    made += [other.tensors(source, other.domain(args.to)) for other in map(instar.load, args.also)]
    rows = [colour(row) for row in (source, *made, *([truth] if samples.paired(origin, to) else []))]
    if args.brighten:
        rows[0] = (rows[0] - rows[0].min()) / (rows[0].max() - rows[0].min()) * 2 - 1
    if len(shown):
        blank = torch.ones_like(rows[0][:1])
        before = [blank] * (1 + len(made) - len(shown)) + [colour(one[None]) for one in shown]
        rows = [torch.cat([one, row]) for one, row in zip(before, rows, strict=True)]
    tiles = interpolate(torch.cat(rows), scale_factor=max(1, 128 // size), mode="nearest")
    sheet = make_grid(tiles.clamp(-1, 1).add(1).div(2), nrow=len(rows[0]), padding=4, pad_value=1.0)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    to_pil_image(sheet).save(args.out, quality=80)
    print(f"{args.out}: {args.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
