"""Sets of emoji by two vendors: the same 1,443 things, drawn by Google (Noto) and by Twitter (Twemoji), 64 px on white.

    python benchmarks/emoji.py FOLDER [--archives GOOGLE.tgz TWITTER.tgz]

Fetches two packages with `npm pack`, 136 MB, unless their archives are given, and writes

    FOLDER/vendors    unpaired: of half the things trainA holds Google's, of the others trainB holds Twitter's;
                      testA and testB hold 200 things that training has not seen, the same in both
    FOLDER/pairs      paired: all things but those 200 in trainA and trainB, which in testA and testB

Noto Emoji is Apache-2.0, Twemoji CC BY 4.0, so the sets, and models trained on them, may be passed on with these names.
Left out: flags, components such as hair, and variants of skin and gender, which are nearly the same picture many times.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from PIL import Image

PACKAGES = {
    "google": (
        "emoji-datasource-google@16.0.0",
        "6517b17f3b3b315a0b9e6cd998db0ee132a19c02",
    ),
    "twitter": (
        "emoji-datasource-twitter@16.0.0",
        "ec5fae0ae1c7fbb427adcd793f9b676ef2a483d1",
    ),
}
"""By vendor: the package, and how the SHA-512 of its archive begins."""
LEFT_OUT = ("Flags", "Component")
HELD_OUT = 200
SIZE = 64


def fetched(folder: Path) -> dict[str, Path]:
    """Return the archives by vendor, once npm has put them into a folder."""
    names = [name for name, _ in PACKAGES.values()]
    subprocess.run(["npm", "pack", "--silent", *names], cwd=folder, check=True)
    return {vendor: folder / f"{name.replace('@', '-')}.tgz" for vendor, (name, _) in PACKAGES.items()}


def pictures(archive: Path, vendor: str) -> dict[str, Image.Image]:
    """Return a vendor's pictures on white by the names of their files, in the order of the list of emoji."""
    content = archive.read_bytes()
    if not hashlib.sha512(content).hexdigest().startswith(PACKAGES[vendor][1]):
        sys.exit(f"{archive}: this is not {PACKAGES[vendor][0]}")
    with tarfile.open(fileobj=io.BytesIO(content)) as files:
        listed = json.load(files.extractfile("package/emoji.json"))  # type: ignore[arg-type]
        return {
            emoji["image"]: on_white(files.extractfile(f"package/img/{vendor}/64/{emoji['image']}").read())  # type: ignore[union-attr]
            for emoji in listed
            if emoji["category"] not in LEFT_OUT and not is_variant(emoji)
        }


def is_variant(emoji: Mapping[str, str]) -> bool:
    """Return whether an emoji is one of several of the same thing: joined with a sign for a man or a woman."""
    return any(sign in emoji["unified"].split("-") for sign in ("2640", "2642", "1F468", "1F469")) and (
        "200D" in emoji["unified"]
    )


def on_white(file: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(file)).convert("RGBA").resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    return white.convert("RGB")


def write(folder: Path, pictures: Mapping[str, Image.Image], names: Iterable[str]) -> None:
    folder.mkdir(parents=True)
    for name in names:
        pictures[name].save(folder / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="new or empty")
    parser.add_argument("--archives", type=Path, nargs=2, metavar=("GOOGLE", "TWITTER"))
    given = parser.parse_args()
    folder: Path = given.folder
    if folder.exists() and any(folder.iterdir()):
        parser.error(f"{folder} is not empty")
    with tempfile.TemporaryDirectory() as scratch:
        archives = dict(zip(PACKAGES, given.archives, strict=True)) if given.archives else fetched(Path(scratch))
        google, twitter = (pictures(archives[vendor], vendor) for vendor in ("google", "twitter"))
    names = sorted(google.keys() & twitter.keys())
    random.Random(0).shuffle(names)
    held_out, training = names[:HELD_OUT], names[HELD_OUT:]
    half = len(training) // 2
    for kind, names_a, names_b in (("vendors", training[:half], training[half:]), ("pairs", training, training)):
        write(folder / kind / "trainA", google, names_a)
        write(folder / kind / "trainB", twitter, names_b)
        write(folder / kind / "testA", google, held_out)
        write(folder / kind / "testB", twitter, held_out)
        print(f"{folder / kind}: {len(names_a)} and {len(names_b)} to train on, {HELD_OUT} of each to test")


if __name__ == "__main__":
    main()
