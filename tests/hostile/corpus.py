"""Files that call themselves images: broken, oversized, of other formats and depths, under names that hurt."""

from __future__ import annotations

import io
import os
import random
import socket
import struct
import unicodedata
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

FORMATS = {
    "png": "PNG", "jpg": "JPEG", "webp": "WEBP", "tif": "TIFF", "bmp": "BMP", "gif": "GIF", "ppm": "PPM",
    "jp2": "JPEG2000", "avif": "AVIF",
}  # fmt: skip
FOREIGN = ("EPS", "ICO", "PCX", "DDS", "TGA", "SGI", "PDF", "IM", "MSP", "ICNS")
Content = tuple[str, bytes]
"""A suffix, and what is in the file."""


def picture(chance: random.Random, side: int = 40) -> Image.Image:
    """Return a picture like no other."""
    coarse = np.random.default_rng(chance.getrandbits(32)).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side + 3), Image.Resampling.BICUBIC)


def content(image: Image.Image, kind: str) -> bytes:
    """Return an image as a file of a format."""
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, *chunks: bytes, bits: int = 8, colour: int = 2, data: bytes = b"") -> bytes:
    """Return a PNG of which the header says what it likes."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(data)) if data else b""
    return b"\x89PNG\r\n\x1a\n" + b"".join([header, *chunks, body, chunk(b"IEND", b"")])


def good(chance: random.Random) -> Content:
    """A picture as any other."""
    suffix = chance.choice(["png", "jpg", "bmp", "tif"])
    return suffix, content(picture(chance), FORMATS[suffix])


def cut(chance: random.Random) -> Content:
    """A file that ends too early."""
    suffix, kind = chance.choice(list(FORMATS.items()))
    whole = content(picture(chance), kind)
    return suffix, whole[: chance.randrange(len(whole))]


def flipped(chance: random.Random) -> Content:
    """A file with some bits of it flipped."""
    suffix, kind = chance.choice(list(FORMATS.items()))
    whole = bytearray(content(picture(chance), kind))
    for _ in range(chance.choice([1, 1, 4, 20])):
        whole[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
    return suffix, bytes(whole)


def flipped_header(chance: random.Random) -> Content:
    """A file with bytes of its beginning replaced."""
    suffix, kind = chance.choice(list(FORMATS.items()))
    whole = bytearray(content(picture(chance), kind))
    for _ in range(chance.choice([1, 2, 6])):
        whole[chance.randrange(min(len(whole), 64))] = chance.choice([0, 1, 0x7F, 0x80, 0xFF])
    return suffix, bytes(whole)


def wrong_suffix(chance: random.Random) -> Content:
    """A picture under the suffix of another format."""
    suffix, other = chance.sample(list(FORMATS), 2)
    image = picture(chance)
    if chance.random() < 0.5:
        image = image.convert(chance.choice(["RGBA", "P", "L", "1", "LA"]))
    kind = FORMATS[other]
    try:
        return suffix, content(image, kind)
    except (OSError, ValueError):  # a format that knows no such mode
        return suffix, content(image.convert("RGB"), kind)


def foreign(chance: random.Random) -> Content:
    """A file of a format that is not read, under the suffix of one that is."""
    kind = chance.choice(FOREIGN)
    image = picture(chance).resize((32, 32))
    return chance.choice(["tif", "png", "jpg"]), content(image.convert("1") if kind == "MSP" else image, kind)


def no_image(chance: random.Random) -> Content:
    """Anything else."""
    texts = [
        b"", b"\x00", b"not an image\n" * 50, b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS\n(%pipe%id) (w) file",
        b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"II*\x00", b"RIFF\x00\x00\x00\x00WEBP", b"P6\n", b"BM",
        b"PK\x03\x04" + bytes(200), chance.randbytes(3000),
    ]  # fmt: skip
    return chance.choice(list(FORMATS)), chance.choice(texts)


def giant(chance: random.Random) -> Content:
    """A header of dimensions that no memory holds, or a small file that becomes large."""
    side = chance.choice([20_000, 65_500, 2**31 - 1])
    other = chance.choice([1, 40, side])
    return chance.choice(
        [
            ("png", png(side, other, data=bytes(100))),
            ("png", png(other, side, bits=16, data=bytes(100))),
            ("png", png(side, other, bits=1, colour=0, data=bytes(100))),
            ("ppm", f"P6\n{side} {other}\n255\n".encode() + bytes(300)),
            ("bmp", b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, side, other, 1, 24, 0, 0, 1, 1, 0, 0)),
            ("gif", b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\x00\x00\x00"),
            ("png", content(Image.new("L", (30_000, chance.choice([2, 300]))), "PNG")),
            ("jpg", content(Image.new("L", (65_500, 1)), "JPEG")),
        ]
    )


def extra_chunks(chance: random.Random) -> Content:
    """A PNG with texts, profiles and other parts that are long, compressed, or wrong."""
    long = chance.choice([10, 100_000, 5_000_000])
    packed, turned = zlib.compress(bytes(long * 10)), chance.choice([0, 6, 9])
    parts = [
        chunk(b"tEXt", b"Comment\0" + b"x" * long),
        chunk(b"zTXt", b"Comment\0\0" + packed),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + packed),
        chunk(b"iCCP", b"icc\0\0" + packed),
        chunk(b"eXIf", b"MM\0*" + chance.randbytes(60)),
        chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">HHI", turned, 0, 0)),
        chunk(b"tRNS", chance.randbytes(chance.choice([1, 6, 300]))),
        chunk(b"PLTE", chance.randbytes(chance.choice([3, 5, 768]))),
        chunk(b"acTL", struct.pack(">II", chance.choice([1, 5, 2**31]), 0)),
        chunk(b"pHYs", bytes(9)),
        chunk(b"gAMA", bytes(4)),
    ]  # fmt: skip
    side = 36
    rows = b"".join(b"\0" + chance.randbytes(side * 3) for _ in range(side))
    return "png", png(side, side, *chance.sample(parts, chance.choice([1, 2, 3])), data=rows)


def samples(chance: random.Random) -> Content:
    """A TIFF of another sample format, depth, number of bands or pages."""
    rng = np.random.default_rng(chance.getrandbits(32))
    dtype = chance.choice(["u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8", "c8"])
    shape = chance.choice(
        [(36, 40), (36, 40, 2), (36, 40, 3), (36, 40, 4), (36, 40, 5), (3, 36, 40), (7, 36, 40), (0, 4)]
    )
    values = (rng.random(shape) * chance.choice([1, 255, 4095, 65535])).astype(dtype)
    if dtype[0] == "f" and values.size and chance.random() < 0.5:
        values.flat[0] = chance.choice([np.nan, np.inf, -np.inf])
    file = io.BytesIO()
    options = chance.choice(
        [{}, {"compression": "zlib"}, {"tile": (16, 16)}, {"photometric": "miniswhite"}, {"imagej": True}]
    )
    try:
        tifffile.imwrite(file, values, **options)
    except Exception:  # not every option is for every array
        file = io.BytesIO()
        tifffile.imwrite(file, values[..., 0] if values.ndim == 3 else values.real.astype("f4"))
    return "tif", file.getvalue()


def modes(chance: random.Random) -> Content:
    """A picture of any mode that a format holds, of one or many frames, of one pixel or a strip."""
    suffix, kind = chance.choice(list(FORMATS.items()))
    image = picture(chance).resize(chance.choice([(40, 40), (1, 1), (1, 300), (300, 2), (33, 33)]))
    image = image.convert(chance.choice(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F"]))
    file = io.BytesIO()
    try:
        frames = chance.choice([[], [image.copy(), image.copy()]])
        image.save(file, kind, **({"save_all": True, "append_images": frames} if frames else {}))
    except (OSError, ValueError, KeyError):
        return suffix, content(image.convert("RGB"), kind)
    return suffix, file.getvalue()


CONTENTS: dict[str, Callable[[random.Random], Content]] = {
    one.__name__.replace("_", " "): one
    for one in (
        cut, flipped, flipped_header, wrong_suffix, foreign, no_image, giant, extra_chunks, samples, modes, good
    )
}  # fmt: skip
NAMES: dict[str, str] = {
    "plain": "",
    "255 bytes": "字" * 80,
    "composed": "\u00e9",
    "decomposed": unicodedata.normalize("NFD", "\u00e9"),
    "a line feed": " a\nb",
    "escape codes": " \x1b[31mred\x1b[0m\x07\x08",
    "markup": " [bold]x [link=a]",
    "markup that is not closed": " [red",
    "percent and braces": " %s %d {x} {{ y }} $(touch PWNED) `id`",
    "quotes": " 'a' \"b\" \\",
    "right to left": " \u202egnp",
    "no UTF-8": " \udcff\udcfe",
    "a private use character": " \ue000train.steps\ue002",
    "spaces at the end": "   ",
    "a pattern": " [a-z]*?",
    "capitals": ".PNG",
}
"""Kinds of names, and what is put after the number of the file."""


def named(number: int, kind: str, suffix: str) -> str:
    """Return the name of a file: its number, by which it is found again in what is printed, then what hurts."""
    stem = f"h{number:04d}{NAMES[kind]}"
    room = 255 - len(f".{suffix}".encode())
    while len(os.fsencode(stem)) > room:
        stem = stem[:-1]
    return f"{stem}.{suffix}"


def token(name: str) -> str:
    """Return the beginning of a file's name, which no other has."""
    return name[:5]


def pipe(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(path.parent)  # a socket's path has at most 107 bytes
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)


def endless_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def dangling(path: Path) -> None:
    path.symlink_to("nowhere.png")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def a_folder(path: Path) -> None:
    path.mkdir()


def closed(path: Path) -> None:
    path.write_bytes(content(Image.new("RGB", (40, 40), "red"), "PNG"))
    path.chmod(0)


def linked(path: Path) -> None:
    target = path.parent.parent / f"elsewhere-{path.name}"
    target.write_bytes(content(picture(random.Random(path.name)), "PNG"))
    path.symlink_to(target)


SPECIAL: dict[str, Callable[[Path], None]] = {
    one.__name__.replace("_", " "): one
    for one in (pipe, unix_socket, endless_device, dangling, link_to_itself, a_folder, closed, linked)
}
"""What is no file: makes it."""


def folder_loop(folder: Path) -> None:
    (folder / "loop").symlink_to(folder)


def link_above(folder: Path) -> None:
    (folder / "above").symlink_to(folder.parent.parent)


def closed_folder(folder: Path) -> None:
    (folder / "h9000 closed").mkdir()
    (folder / "h9000 closed" / "1.png").write_bytes(content(Image.new("RGB", (40, 40)), "PNG"))
    (folder / "h9000 closed").chmod(0)


def of_systems(folder: Path) -> None:
    for name in ("@eaDir", ".hidden", "__MACOSX"):
        (folder / name).mkdir()
        (folder / name / "thumb.png").write_bytes(content(Image.new("RGB", (40, 40)), "PNG"))
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "._h.png").write_bytes(b"\0")


def closing_markup(folder: Path) -> None:
    (folder / "h8000 [").mkdir()
    (folder / "h8000 [" / "link].png").write_bytes(b"no image")


def deep(folder: Path) -> None:
    place = folder
    for _ in range(60):
        place /= "d"
    place.mkdir(parents=True)


FOLDERS: dict[str, Callable[[Path], None]] = {
    one.__name__.replace("_", " "): one
    for one in (folder_loop, link_above, closed_folder, of_systems, closing_markup, deep)
}
"""What is put into a folder beside the files."""


def write(folder: Path, count: int, seed: str) -> dict[str, str]:
    """Write hostile files into a folder, each kind in turn, and return what each is, by its name."""
    chance, written = random.Random(seed), {}
    folder.mkdir(parents=True, exist_ok=True)
    kinds = [*CONTENTS, *SPECIAL]
    for number in range(count):
        kind = kinds[number % len(kinds)]
        called = list(NAMES)[(number + number // len(NAMES)) % len(NAMES)]
        suffix, data = ("png", b"") if kind in SPECIAL else CONTENTS[kind](chance)
        path = folder / named(number, called, suffix)
        if kind in SPECIAL:
            SPECIAL[kind](path)
        else:
            path.write_bytes(data)
        written[path.name] = f"{kind}, {called}"
    for make in FOLDERS.values():
        make(folder)
    return written
