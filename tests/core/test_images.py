import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from instar.core import images, reading
from instar.core.errors import UserError
from instar.core.images import save, to_array, to_image, to_tensor, viewable
from instar.core.reading import UnreadableImage, read

rng = np.random.default_rng(0)
RGB = Image.fromarray(rng.integers(0, 256, (9, 14, 3), dtype=np.uint8))
ALPHA = Image.fromarray(rng.integers(0, 512, (9, 14)).clip(max=255).astype(np.uint8))
WIDE = rng.integers(0, 65536, (9, 14), dtype=np.uint16)


def with_alpha(image: Image.Image, alpha: Image.Image = ALPHA) -> Image.Image:
    image = image.copy()
    image.putalpha(alpha)
    return image


def transparent_palette() -> Image.Image:
    image = RGB.quantize(16)
    image.info["transparency"] = 3
    return image


def half_transparent_palette() -> Image.Image:
    image = RGB.quantize(4)
    image.info["transparency"] = bytes([0, 100, 255, 255])
    return image


# Which file formats hold the mode, so that the round trip goes through real files.
KINDS = {
    "1": (RGB.convert("1"), ".png"),
    "L": (RGB.convert("L"), ".png"),
    "P": (RGB.quantize(40), ".png"),
    "P-transparent": (transparent_palette(), ".png"),
    "P-transparent-gif": (transparent_palette(), ".gif"),
    "RGB": (RGB, ".bmp"),
    "RGB-ppm": (RGB, ".ppm"),
    "RGB-tiff": (RGB, ".tiff"),
    "RGBA": (with_alpha(RGB), ".png"),
    "LA": (with_alpha(RGB.convert("L")), ".png"),
    "I;16": (Image.fromarray(WIDE), ".png"),
    "I;16-tiff": (Image.fromarray(WIDE), ".tif"),
    "I;16B": (Image.frombytes("I;16B", (14, 9), WIDE.astype(">u2").tobytes()), ".tif"),
    "CMYK": (RGB.convert("CMYK"), ".tif"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_identity_round_trip_keeps_mode_size_and_values(kind: str, channels: int, tmp_path: Path) -> None:
    original, suffix = KINDS[kind]
    save(original, tmp_path / f"in{suffix}")
    image = read(tmp_path / f"in{suffix}")
    assert image.mode == original.mode
    array = to_array(image, channels)
    tensor = to_tensor(array)
    assert tensor.shape == (channels, 9, 14)
    assert tensor.dtype == torch.float32
    assert tensor.min() >= -1
    assert tensor.max() <= 1

    save(to_image(tensor, image), tmp_path / f"out{suffix}")
    result = read(tmp_path / f"out{suffix}")
    assert (result.mode, result.size) == (image.mode, image.size)
    if image.mode in ("RGBA", "LA"):
        assert result.getchannel("A").tobytes() == image.getchannel("A").tobytes()
        array, result = array[ALPHA_FULL], to_array(result.convert(image.mode[:-1]), channels)[ALPHA_FULL]
    else:
        result = to_array(result, channels)
    assert array.dtype == result.dtype == (np.uint16 if image.mode in ("I", "F", "I;16", "I;16B") else np.uint8)
    assert np.abs(array.astype(int) - result.astype(int)).max() <= 1


ALPHA_FULL = np.asarray(ALPHA) == 255


def test_wide_images_keep_every_bit() -> None:
    image = Image.fromarray(WIDE)
    assert np.array_equal(to_array(to_image(to_tensor(to_array(image, 3)), image), 1)[:, :, 0], WIDE)


def test_partly_transparent_palette_keeps_its_alpha() -> None:
    image = half_transparent_palette()
    result = to_image(to_tensor(to_array(image, 3)), image)
    assert result.mode == "P"
    assert result.convert("RGBA").getchannel("A").tobytes() == image.convert("RGBA").getchannel("A").tobytes()


def test_transparent_pixels_lie_over_white() -> None:
    image = Image.new("RGBA", (1, 2), (10, 20, 30, 0))
    image.putpixel((0, 1), (0, 0, 0, 128))
    assert to_array(image, 3).tolist() == [[[255, 255, 255]], [[127, 127, 127]]]
    assert to_array(transparent_palette(), 3)[np.asarray(transparent_palette()) == 3].min() == 255


def test_models_of_other_channels() -> None:
    colour = torch.full((3, 9, 14), -1.0)
    colour[1] = 1
    assert np.unique(to_array(to_image(colour, RGB.convert("L")), 1)).tolist() == [150]
    assert np.unique(to_array(to_image(colour, Image.fromarray(WIDE)), 1)).tolist() == [round(0.587 * 65535)]
    gray = to_array(to_image(torch.zeros(1, 9, 14), RGB), 3)
    assert np.unique(gray).tolist() == [128]


def test_values_out_of_range_are_clipped() -> None:
    tensor = torch.tensor([-5.0, 5.0]).expand(3, 1, 2)
    assert to_array(to_image(tensor, Image.new("RGB", (2, 1))), 1).ravel().tolist() == [0, 255]


def test_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="14 x 9"):
        to_image(torch.zeros(3, 14, 9), RGB)


def test_exif_rotation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for suffix in (".jpg", ".webp", ".tif", ".png"):
        path = tmp_path / f"turned{suffix}"
        Image.new("RGB", (20, 10)).save(path, exif=exif)
        assert read(path).size == (10, 20)
        if suffix != ".png":
            assert reading.probe(path)[:4] == (10, 20, 3, "uint8")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"hello" * 99, "not an image"), (None, "no such file"), ("half", "truncated"), ("bits", "")],
)
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_broken_files_are_one_line(content: bytes | str | None, reason: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"bad{suffix}"
    if isinstance(content, str):
        whole = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(whole, images_format(suffix))
        data = whole.getvalue()
        content = data[: len(data) // 2] if content == "half" else data[:20] + b"\xff" * 50
        reason = ""  # each decoder has its own words
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableImage, match=reason or None) as error:
        read(path)
    assert error.value.path == path
    assert "\n" not in str(error.value)
    assert error.value.reason


def images_format(suffix: str) -> str:
    return Image.registered_extensions()[suffix]


def test_values_that_fit_no_range(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 70000]], np.int32)).save(tmp_path / "a.tif")
    Image.fromarray(np.array([[0, np.nan]], np.float32)).save(tmp_path / "b.tif")
    for name in ("a.tif", "b.tif"):
        with pytest.raises(UserError, match="without a range only 0 to"):
            to_array(read(tmp_path / name), 3)


def test_gigapixel_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    RGB.save(tmp_path / "a.png")
    monkeypatch.setattr(reading, "MAX_PIXELS", 9 * 14 - 1)
    for reader in (read, reading.probe):
        with pytest.raises(UnreadableImage, match="gigapixel"):
            reader(tmp_path / "a.png")


def test_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("L", (4, 4), value) for value in (7, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert np.unique(to_array(read(tmp_path / "a.gif"), 1)).tolist() == [7]


def test_colour_profile_is_kept(tmp_path: Path) -> None:
    image = RGB.copy()
    image.info["icc_profile"] = b"profile" * 20
    save(image, tmp_path / "a.png")
    like = read(tmp_path / "a.png")
    save(to_image(torch.zeros(3, 9, 14), like), tmp_path / "b.png")
    assert read(tmp_path / "b.png").info["icc_profile"] == b"profile" * 20


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.webp"])
def test_lossy_formats_stay_close(name: str, tmp_path: Path) -> None:
    smooth = RGB.resize((4, 4)).resize((64, 64), Image.Resampling.BICUBIC)
    save(smooth, tmp_path / "new" / name)
    difference = to_array(read(tmp_path / "new" / name), 3).astype(int) - to_array(smooth, 3)
    assert np.abs(difference).mean() < 3


def test_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    save(RGB, path)
    before = path.read_bytes()
    with pytest.raises(UserError, match="RGBA"):
        save(with_alpha(RGB), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.jpg"]
    with pytest.raises(UserError, match=r"\.xyz"):
        save(RGB, tmp_path / "a.xyz")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_centre_square(dtype: type, channels: int) -> None:
    array = np.zeros((10, 30, channels), dtype)
    array[:, 10:20] = np.iinfo(dtype).max
    square = images.centre_square(array, 16)
    assert square.shape == (16, 16, channels)
    assert square.dtype == dtype
    assert (square == np.iinfo(dtype).max).all()


@pytest.mark.parametrize(
    ("mode", "shown"), [("L", "L"), ("RGB", "RGB"), ("P", "RGB"), ("RGBA", "RGB"), ("I;16", "RGB")]
)
def test_viewable(mode: str, shown: str) -> None:
    image = Image.new("L", (4, 3), 128).convert("RGB" if mode == "P" else mode.replace("I;16", "L"))
    if mode == "I;16":
        image = Image.fromarray(np.full((3, 4), 32896, np.uint16))
    seen = viewable(image.quantize() if mode == "P" else image)
    assert (seen.mode, seen.size) == (shown, (4, 3))
    assert {int(value) for value in np.unique(np.asarray(seen))} == {128}


@pytest.mark.parametrize("name", ["字" * 83 + ".png", "a" * 251 + ".png", "b" * 251 + ".jpg"])
def test_names_as_long_as_the_file_system_takes(name: str, tmp_path: Path) -> None:
    save(RGB, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert read(tmp_path / name).size == RGB.size
