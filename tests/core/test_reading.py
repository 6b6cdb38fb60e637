"""Files that Pillow alone would read as another picture, wait for, or start a program for."""

import os
import struct
import zlib
from pathlib import Path
from traceback import walk_tb
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from instar.core import reading
from instar.core.images import save, to_array, to_image, to_tensor
from instar.core.memory import Budget
from instar.core.raster import Raster
from instar.core.reading import UnreadableImage, decoded, header_notes, notes, probe, read, summed
from instar.core.samples import _depth_in

rng = np.random.default_rng(0)
PICTURE = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))


def values(*shape: int, top: int = 256, kind: str = "u1") -> np.ndarray:
    return rng.integers(0, top, shape).astype(kind)


def png(path: Path, pixels: np.ndarray, colour: int, bits: int, *extra: tuple[bytes, bytes]) -> None:
    """Write a PNG chunk by chunk, for what Pillow does not write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1).astype(">u2" if bits == 16 else "u1")
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)))]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in [*chunks, (b"IEND", b"")]))


@pytest.mark.parametrize("kind", ["EPS", "DDS", "ICO", "PCX", "TGA", "PDF", "SGI"])
@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_other_formats_are_not_opened_whatever_they_are_called(
    kind: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*_: Any, **__: Any) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr("subprocess.Popen", started)
    path = tmp_path / f"scan.{suffix}"
    PICTURE.save(path, format=kind)
    for reader in (read, probe):
        with pytest.raises(UnreadableImage, match="not an image"):
            reader(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "JPEG2000", "TIFF", "BMP", "GIF", "PPM"])
def test_documented_formats_are_read_whatever_they_are_called(kind: str, tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "a.png", format=kind)
    assert read(tmp_path / "a.png").size == (32, 24)


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    for reader in (read, probe):
        with pytest.raises(UnreadableImage, match="not a regular file"):
            reader(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("array", "options", "mode"),
    [
        (values(24, 32, kind="i1"), {}, "1 x int8"),
        (values(24, 32, 4), {"photometric": "rgb", "extrasamples": ["unspecified"]}, "4 x uint8"),
        (values(24, 32, 5), {"photometric": "rgb"}, "5 x uint8"),
        (values(24, 32, 2), {"photometric": "minisblack", "planarconfig": "contig"}, "2 x uint8"),
        (values(24, 32, 5), {"photometric": "minisblack", "planarconfig": "contig"}, "5 x uint8"),
        (values(5, 24, 32), {"photometric": "rgb", "planarconfig": "separate"}, "5 x uint8"),
        (values(24, 32, 3, kind="f4"), {"photometric": "rgb"}, "3 x float32"),
        (values(24, 32, kind="f8"), {}, "1 x float64"),
        (values(24, 32, top=65536, kind="u2"), {"photometric": "miniswhite"}, "1 x uint16"),
        (values(24, 32, 3, top=65536, kind="u2"), {"photometric": "rgb"}, "3 x uint16"),
        (values(24, 32, 4, top=65536, kind="u2"), {"photometric": "rgb", "extrasamples": [2]}, "3 x uint16 + alpha"),
        (values(24, 32, kind="i4"), {}, "1 x int32"),
        (values(24, 32, kind="f4"), {}, "1 x float32"),
    ],
)
@pytest.mark.parametrize("big", [False, True])
def test_what_pillow_has_no_mode_for_is_a_raster_of_its_own_type(
    array: np.ndarray, options: dict[str, Any], mode: str, big: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, bigtiff=big, **options)
    raster, header = read(path), probe(path)
    assert isinstance(raster, Raster)
    assert raster.mode == mode
    assert header[:4] == (32, 24, raster.bands, raster.pixels.dtype.name)
    assert (header.plain, header.alpha, header.inverted) == (False, raster.alpha, raster.inverted)
    planes = array.transpose(1, 2, 0) if options.get("planarconfig") == "separate" else array.reshape(24, 32, -1)
    np.testing.assert_array_equal(raster.pixels, planes)
    assert raster.inverted == (options.get("photometric") == "miniswhite")


@pytest.mark.parametrize(
    ("array", "options", "reason"),
    [
        (values(24, 32, kind="c8"), {}, "complex64: only integers"),
        (values(24, 32, kind="i8"), {}, "int64: only integers"),
        (values(24, 32, 4, top=65536, kind="u2"), {"photometric": "separated"}, None),
    ],
)
def test_what_is_not_read_is_refused_by_name(
    array: np.ndarray, options: dict[str, Any], reason: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, **options)
    if reason is None:  # CMYK of 16 bits stays what Pillow makes of it
        assert notes(read(path)) == (DEEP,)
        return
    for reader in (read, probe):
        with pytest.raises(UnreadableImage, match=reason) as error:
            reader(path)
        assert error.value.path == path


def test_compression_that_needs_an_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values(24, 32, 5), photometric="minisblack", planarconfig="contig", compression="zlib")
    assert read(path).size == (32, 24)
    monkeypatch.setattr("tifffile.TIFF.DECOMPRESSORS", {1: None})
    with pytest.raises(UnreadableImage, match=r"compressed as ADOBE_DEFLATE: pip install '\.\[science\]'"):
        read(path)
    # Of what Pillow has a mode for, the upper bits are better than nothing.
    tifffile.imwrite(path, values(24, 32, 3, top=65536, kind="u2"), photometric="rgb", compression="zlib")
    assert notes(read(path)) == (DEEP,)


def test_white_as_zero_is_read_right_with_8_bits(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 255]], np.uint8), photometric="miniswhite")
    assert to_array(read(tmp_path / "a.tif"), 1).ravel().tolist() == [255, 0]


def test_planes_are_read_as_pixels_are(tmp_path: Path) -> None:
    planes = values(3, 24, 32)
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    assert np.array_equal(to_array(read(tmp_path / "a.tif"), 3), planes.transpose(1, 2, 0))


ZYX = {"axes": "ZYX"}
DEEP = "16 bits a channel, read with 8"


@pytest.mark.parametrize(("name", "colour", "bands"), [("rgb", 2, 3), ("rgba", 6, 4), ("gray+alpha", 4, 2)])
def test_16_bit_colour_of_png_is_read_whole(name: str, colour: int, bands: int, tmp_path: Path) -> None:
    pixels = values(24, 32, bands, top=65536, kind="u2")
    png(tmp_path / "a.png", pixels, colour, 16)
    raster = read(tmp_path / "a.png")
    assert isinstance(raster, Raster)
    np.testing.assert_array_equal(raster.pixels, pixels)
    assert raster.alpha == (bands != 3)
    assert notes(raster) == header_notes(tmp_path / "a.png") == ()


def test_16_bit_colour_of_other_formats_is_said(tmp_path: Path) -> None:
    pixels = values(24, 32, 3, top=65536, kind="u2")
    (tmp_path / "a.ppm").write_bytes(b"P6\n32 24\n65535\n" + pixels.astype(">u2").tobytes())
    assert notes(read(tmp_path / "a.ppm")) == (DEEP,)


def test_depth_is_found_in_the_headers_of_avif_and_jpeg_2000(tmp_path: Path) -> None:
    for name in ("a.jp2", "a.avif", "a.j2k"):
        path = tmp_path / name
        PICTURE.save(path)
        assert header_notes(path) == ()
    raw = bytearray((tmp_path / "a.jp2").read_bytes())
    raw[raw.index(b"ihdr") + 14] = 15
    (tmp_path / "a.jp2").write_bytes(raw)
    assert header_notes(tmp_path / "a.jp2") == (DEEP,)
    raw = bytearray((tmp_path / "a.avif").read_bytes())
    for flags, bits in ((0x40, 10), (0x60, 12)):
        raw[raw.index(b"av1C") + 6] |= flags
        assert _depth_in(bytes(raw)) == bits


def test_ordinary_files_need_no_words(tmp_path: Path) -> None:
    gray = Image.fromarray(values(24, 32, top=65536, kind="u2"))
    for image, suffixes in (
        (PICTURE, ("png", "jpg", "webp", "avif", "tif", "bmp", "ppm", "jp2")),
        (gray, ("png", "tif")),
    ):
        for suffix in suffixes:
            image.save(tmp_path / f"a.{suffix}")
            assert notes(read(tmp_path / f"a.{suffix}")) == ()


@pytest.mark.parametrize("suffix", ["tif", "png", "webp", "avif", "gif"])
def test_pages_and_frames_are_said(suffix: str, tmp_path: Path) -> None:
    frames = [Image.fromarray(values(24, 32, 3)) for _ in range(3)]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    (said,) = notes(read(tmp_path / f"a.{suffix}"))
    assert "the first" in said
    assert "3 pages or frames" in said or suffix == "gif"
    frames[0].save(tmp_path / f"one.{suffix}")
    assert notes(read(tmp_path / f"one.{suffix}")) == ()


@pytest.mark.parametrize(
    "options",
    [{"imagej": True, "metadata": ZYX}, {"ome": True, "metadata": ZYX}, {"bigtiff": True}],
)
def test_stacks_are_said(options: dict[str, Any], tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", values(5, 24, 32, top=65536, kind="u2"), photometric="minisblack", **options)
    assert notes(read(tmp_path / "a.tif")) == ("5 pages or frames, of which the first is read",)


@pytest.mark.parametrize("options", [{"imagej": True}, {"ome": True}])
def test_channels_that_a_file_names_are_bands(options: dict[str, Any], tmp_path: Path) -> None:
    stack = values(2, 5, 24, 32, top=65536, kind="u2")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stack, photometric="minisblack", metadata={"axes": "ZCYX"}, **options)
    raster = read(path)
    assert isinstance(raster, Raster)
    np.testing.assert_array_equal(raster.pixels, stack[0].transpose(1, 2, 0))
    assert notes(raster) == ("2 pages or frames, of which the first is read",)


@pytest.mark.parametrize(("top", "said"), [(4096, "sixteenth"), (8000, "eighth"), (65536, "")])
def test_values_that_use_little_of_the_range_are_said(top: int, said: str, tmp_path: Path) -> None:
    pixels = values(24, 32, top=top, kind="u2")
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray((pixels / 65535).astype(np.float32)).save(tmp_path / "a.tif")
    for name in ("a.png", "a.tif"):
        words = notes(read(tmp_path / name))
        assert words == ((f"all values lie in the lowest {said} of the range, near black",) if said else ())


def test_values_below_0_are_of_another_range(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.linspace(-1000, 600, 24 * 32).reshape(24, 32).astype(np.int16))
    assert notes(read(tmp_path / "a.tif")) == ()


@pytest.mark.parametrize(("mode", "colour"), [("L", 0), ("RGB", 2)])
def test_a_transparent_colour_becomes_an_alpha_channel(mode: str, colour: int, tmp_path: Path) -> None:
    pixels = values(24, 32, len(mode))
    pixels[3, 4] = 7
    pixels[5, 6] = 9
    png(tmp_path / "a.png", pixels, colour, 8, (b"tRNS", struct.pack(f">{len(mode)}H", *([7] * len(mode)))))
    image = read(tmp_path / "a.png")
    assert any("alpha channel in results" in word for word in notes(image))
    assert (to_array(image, 3)[3, 4] == 255).all()
    result = to_image(to_tensor(to_array(image, 3)), image)
    save(result, tmp_path / "b.png")
    back = read(tmp_path / "b.png")
    assert back.mode == {"L": "LA", "RGB": "RGBA"}[mode]
    opacity = np.asarray(back.getchannel("A"))
    assert (opacity[3, 4], opacity[5, 6]) == (0, 255)


def test_a_transparent_colour_of_16_bits_is_said(tmp_path: Path) -> None:
    png(tmp_path / "a.png", values(24, 32, top=65536, kind="u2"), 0, 16, (b"tRNS", struct.pack(">H", 7)))
    assert notes(read(tmp_path / "a.png")) == ("a transparent colour, read as opaque",)


@pytest.mark.parametrize("name", [b"iTXt", b"zTXt", b"iCCP", b"iTXt-plain"])
def test_large_texts_and_profiles_do_not_hide_the_picture(name: bytes, tmp_path: Path) -> None:
    data = bytes(values(3_000_000))
    content = {
        b"iTXt": b"key\0\1\0\0\0" + zlib.compress(b"x" * len(data)),
        b"iTXt-plain": b"key\0\0\0\0\0" + b"x" * len(data),
        b"zTXt": b"key\0\0" + zlib.compress(data),
        b"iCCP": b"key\0\0" + zlib.compress(data),
    }[name]
    pixels = values(24, 32, 3)
    png(tmp_path / "a.png", pixels, 2, 8, (name[:4], content))
    assert np.array_equal(to_array(read(tmp_path / "a.png"), 3), pixels)


def test_an_image_beyond_the_memory_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "DECODING", Budget(lambda: 2 * 10**9))
    path = tmp_path / "a.png"
    Image.new("1", (30000, 30000)).save(path)
    assert path.stat().st_size < 3_000_000
    for reader in (read, probe):
        with pytest.raises(UnreadableImage, match=r"30000 x 30000 pixels need 21\.6 GB to be read; 2\.0 GB"):
            reader(path)


def test_memory_is_reserved_until_the_image_is_done_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    budget = Budget(lambda: 10**6)
    monkeypatch.setattr(reading, "DECODING", budget)
    PICTURE.save(tmp_path / "a.png")
    with decoded(tmp_path / "a.png") as image:
        assert budget._used >= image.width * image.height * 3
    assert budget._used == 0
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:900])
    with pytest.raises(UnreadableImage):
        read(tmp_path / "a.png")
    assert budget._used == 0


@pytest.mark.parametrize(
    ("name", "header"),
    [("large.ppm", b"P6\n3000 3000\n255\n"), ("deep.pgm", b"P5\n3000 3000\n65535\n"), ("large.png", b"")],
)
def test_an_error_that_is_kept_holds_no_pixels(name: str, header: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(header + bytes(100))
    if not header:
        Image.effect_noise((600, 600), 90).save(path)
        path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(UnreadableImage) as raised:
        read(path)
    assert isinstance(raised.value.__cause__, Exception)
    where = {frame.f_code.co_filename: frame.f_locals for frame, _ in walk_tb(raised.value.__cause__.__traceback__)}
    assert any("PIL" in file for file in where)
    assert not any(where.values())


def test_an_error_of_the_one_who_reads_stays_his(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "a.png")
    with pytest.raises(KeyError), decoded(tmp_path / "a.png"):
        raise KeyError


def test_words_are_summed_up() -> None:
    assert summed([("a.png", ["deep", "pages"]), ("b.png", ["deep"])]) == [
        "deep: 2 images, a.png first",
        "pages: 1 image, a.png first",
    ]


def test_a_file_without_pixels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "none.tif", np.zeros((0, 4), np.uint8))
    for reader in (read, probe):
        with pytest.raises(UnreadableImage, match=r"none\.tif"):
            reader(tmp_path / "none.tif")
