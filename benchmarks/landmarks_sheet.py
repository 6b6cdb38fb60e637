"""A sheet of what TransGaGa makes of held-out images of both domains, for a results page.

    python benchmarks/landmarks_sheet.py RUN DATA -o SHEET.jpg [--columns 8]

Rows, for each domain: inputs with their landmarks, translations with the landmarks they are drawn from, inputs drawn
anew within their domain in the appearance of the one to the right (the last one in that of the first). The files are
spread evenly over the held-out ones, not chosen.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from torchvision.transforms.functional import to_pil_image, to_tensor
from torchvision.utils import make_grid

import instar
from instar.core.run import read_config
from instar.data import open_data
from instar.inference.landmark_pictures import numbered

TILE = 128


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--columns", type=int, default=8)
    args = parser.parse_args()

    config = read_config(args.run / "config.yaml")
    cfg = replace(config.data, roots=(args.data.absolute(),))
    samples = open_data(cfg, config.method.channels, instar.get(config.name).data, 1, 0).samples(args.columns)
    model = instar.load(args.run)
    first, second = model.domains
    tiles = []
    for source, to, x in ((first, second, samples.images["a"]), (second, first, samples.images["b"])):
        inputs = [to_pil_image(one.add(1).div(2)) for one in x[: args.columns]]
        out, there = model.moved(inputs, to, source=source)
        looks = [model.style_of(inputs[(i + 1) % len(inputs)], source) for i in range(len(inputs))]
        found = [model.landmarks(image, source) for image in inputs]
        own = [model.moved([i], source, source=source, style=s)[0][0] for i, s in zip(inputs, looks, strict=True)]
        for images, points in ((inputs, found), (out, there)):
            tiles += [numbered(image(one), at) for one, at in zip(images, points, strict=True)]
        tiles += [image(one) for one in own]
    sheet = torch.stack([to_tensor(one.resize((TILE, TILE), Image.Resampling.BICUBIC)) for one in tiles])
    picture = make_grid(sheet, nrow=args.columns, padding=4, pad_value=1.0)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    to_pil_image(picture).save(args.out, quality=80)
    print(f"{args.out}: {args.out.stat().st_size / 1000:.0f} kB")


def image(picture: object) -> Image.Image:
    """Return a picture of 8 bits, as all are here."""
    assert isinstance(picture, Image.Image)
    return picture


if __name__ == "__main__":
    main()
