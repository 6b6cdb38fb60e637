"""A clip in, a clip out: its frames, times, size, colours and sound."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from identity import identity
from PIL import Image

from instar.core.errors import UserError
from instar.core.formats import DomainFormat, own_format
from instar.core.raster import LUMA, Raster
from instar.inference.request import TranslationRequest
from instar.inference.results import Single
from instar.inference.translate_files import translate_files
from instar.inference.video import Clip, Stopped, translate_video
from instar.inference.video_values import VideoValues

av = pytest.importorskip("av")


def clip(
    path: Path,
    size: tuple[int, int] = (64, 48),
    frames: int = 12,
    *,
    sound: bool = True,
    rate: int = 25,
    deep: bool = False,
    **stream: Any,
) -> Path:
    """A white bar that moves over colours."""
    webm, odd = path.suffix == ".webm", size[0] % 2 or size[1] % 2
    with av.open(str(path), "w") as out:
        video = out.add_stream("libvpx-vp9" if webm else "libx264", rate=rate, options={"crf": "10"})
        video.width, video.height, video.pix_fmt = *size, "yuv444p" if odd and not webm else "yuv420p"
        if deep:
            video.pix_fmt = "yuv420p10le"
        for name, value in stream.items():
            setattr(video.codec_context, name, value)
        tone = out.add_stream("libopus" if webm else "aac", rate=48_000, layout="mono") if sound else None
        for i in range(frames):
            made = av.VideoFrame.from_ndarray(picture(size, i), format="rgb24")
            if deep:
                made = av.VideoFrame.from_ndarray(deep_picture(size), format="rgb48le")
            made = made.reformat(
                format=video.pix_fmt,
                dst_colorspace=video.codec_context.colorspace,
                dst_color_range=stream.get("color_range", 0),
            )
            made.pts = i + (i > frames // 2) * 3  # a pause: not all frames take the same time
            out.mux(video.encode(made))
        if tone:
            waves = np.sin(np.arange(48_000 * frames // rate) / 20).astype(np.float32)[None]
            for start in range(0, waves.shape[1] - 960, 960):
                part = av.AudioFrame.from_ndarray(waves[:, start : start + 960], format="flt", layout="mono")
                part.sample_rate, part.pts = 48_000, start
                out.mux(tone.encode(part))
            out.mux(tone.encode())
        out.mux(video.encode())
    return path


def picture(size: tuple[int, int], number: int) -> np.ndarray:
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.arange(width) * 255 // width
    pixels[..., 2] = (np.arange(height) * 200 // height)[:, None]
    pixels[height // 4 : height // 2, 2 * number : 2 * number + 16] = (250, 240, 20)
    return pixels


def deep_picture(size: tuple[int, int]) -> np.ndarray:
    """A slope of gray over a sixteenth of the range, which has 16 values in 8 bits."""
    width, height = size
    return np.broadcast_to(
        (np.arange(width) * 4096 // width + 30000).astype(np.uint16)[:, None], (height, width, 3)
    ).copy()


def same(frames: list[Image.Image]) -> list[Single]:
    return [Single(frame) for frame in frames]


def through(source: Path, target: Path, network: Callable[..., Sequence[Any]] = same, **more: Any) -> Clip:
    plain = DomainFormat(channels=3)
    options: dict[str, Any] = {"batch": lambda w, h: 4, "tick": lambda done, total: None, "stopped": lambda: False}
    return translate_video(source, target, network, VideoValues(plain, plain), **(options | more))


def frames_of(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as found:
        return [(float(frame.time), frame.to_ndarray(format="rgb24")) for frame in found.decode(video=0)]


def sound_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as found:
        return [bytes(packet) for packet in found.demux(audio=0) if packet.size]


@pytest.mark.parametrize("size", [(64, 48), (63, 47), (64, 47)])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".webm"])
def test_frames_times_size_and_sound_stay(tmp_path: Path, suffix: str, size: tuple[int, int]) -> None:
    source, target = clip(tmp_path / f"in{suffix}", size), tmp_path / f"out{suffix}"
    told: list[tuple[int, int]] = []
    found = through(source, target, tick=lambda *numbers: told.append(numbers))
    before, after = frames_of(source), frames_of(target)
    assert [time for time, _ in after] == pytest.approx([time for time, _ in before], abs=1e-3)
    assert [pixels.shape for _, pixels in after] == [(size[1], size[0], 3)] * 12
    differences = [np.abs(one.astype(int) - other).mean() for (_, one), (_, other) in zip(before, after, strict=True)]
    assert max(differences) < 4
    assert sound_of(target) == sound_of(source)
    assert (found.width, found.height, found.frames) == (*size, 12)
    assert found.flicker.output == found.flicker.input > 0
    assert [done for done, _ in told] == [4, 8, 12]
    odd_h264 = suffix != ".webm" and size != (64, 48)
    assert ["of odd width" in note for note in found.notes] == [True] * odd_h264
    assert {path.name for path in tmp_path.iterdir()} == {source.name, target.name}


@pytest.mark.parametrize("space", [1, 5])
def test_colours_stay_whatever_the_matrix(tmp_path: Path, space: int) -> None:
    source = clip(tmp_path / "in.mp4", sound=False, colorspace=space, color_primaries=space, color_trc=space)
    through(source, tmp_path / "out.mp4")
    for (_, one), (_, other) in zip(frames_of(source), frames_of(tmp_path / "out.mp4"), strict=True):
        # 1.2 to 1.6 by the codec's rounding; another matrix makes 11 to 15.
        assert np.abs(one.astype(int).mean((0, 1)) - other.mean((0, 1))).max() < 4
    with av.open(str(tmp_path / "out.mp4")) as found:
        assert int(found.streams.video[0].codec_context.colorspace) == space


def test_the_network_sees_the_frames_and_its_pictures_are_written(tmp_path: Path) -> None:
    seen: list[np.ndarray] = []

    def negative(frames: list[Image.Image]) -> list[Single]:
        seen.extend(np.asarray(frame) for frame in frames)
        return [Single(Image.fromarray(255 - np.asarray(frame))) for frame in frames]

    source = clip(tmp_path / "in.mp4", frames=6)
    through(source, tmp_path / "out.mp4", negative)
    for (_, one), there, (_, other) in zip(frames_of(source), seen, frames_of(tmp_path / "out.mp4"), strict=True):
        assert np.array_equal(one, there)
        assert np.abs((255 - one.astype(int)) - other).mean() < 4


def test_other_formats_and_sound_that_they_do_not_hold(tmp_path: Path) -> None:
    source = clip(tmp_path / "in.mp4")
    assert through(source, tmp_path / "out.webm").notes == (
        "its sound (aac) is not kept, for .webm files hold none of that kind",
    )
    assert len(frames_of(tmp_path / "out.webm")) == 12
    assert through(source, tmp_path / "out.avi").frames == 12


def test_frames_are_not_gathered(tmp_path: Path) -> None:
    most = 0

    def count(frames: list[Image.Image]) -> list[Single]:
        nonlocal most
        most = max(most, len(frames))
        return same(frames)

    through(clip(tmp_path / "in.mp4", frames=40), tmp_path / "out.mp4", count, batch=lambda w, h: 3)
    assert most == 3


def test_errors_are_one_line_and_leave_nothing(tmp_path: Path) -> None:
    source = clip(tmp_path / "in.mp4")
    (tmp_path / "text.mp4").write_text("hello" * 100)
    (tmp_path / "cut.mp4").write_bytes(source.read_bytes()[:500])
    with av.open(str(tmp_path / "sound.mp4"), "w") as out:
        tone = out.add_stream("aac", rate=48_000, layout="mono")
        part = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="flt", layout="mono")
        part.sample_rate = 48_000
        out.mux(tone.encode(part))
        out.mux(tone.encode())
    there = {path.name for path in tmp_path.iterdir()}
    for name, words in (("text", "cannot be translated"), ("cut", "cannot be translated"), ("sound", "holds no video")):
        with pytest.raises(UserError, match=words) as error:
            through(tmp_path / f"{name}.mp4", tmp_path / "out.mp4")
        assert str(error.value).startswith(str(tmp_path / f"{name}.mp4"))
        assert "\n" not in str(error.value)

    def broken(frames: list[Image.Image]) -> list[Single]:
        raise UserError("out of memory")

    with pytest.raises(UserError, match="out of memory"):
        through(source, tmp_path / "out.mp4", broken)
    with pytest.raises(Stopped):
        through(source, tmp_path / "out.mp4", stopped=lambda: True)
    assert {path.name for path in tmp_path.iterdir()} == there


def test_without_pyav_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r"in\.mp4: videos need PyAV: pip install '\.\[video\]'"):
        through(tmp_path / "in.mp4", tmp_path / "out.mp4")


FOLDERS = Path(__file__).parents[:2]
KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from test_video import same, through
def die(frames):
    die.seen += len(frames)
    if die.seen > 8:
        os.kill(os.getpid(), signal.SIGKILL)
    return same(frames)
die.seen = 0
through(Path(sys.argv[1]), Path(sys.argv[2]), die)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="a kill of this system")
def test_a_kill_leaves_no_half_video(tmp_path: Path) -> None:
    source, target = clip(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    arguments = [sys.executable, "-c", KILLED, str(source), str(target), *map(str, FOLDERS)]
    done = subprocess.run(arguments, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not target.exists()
    assert all(path.name.startswith(".") for path in tmp_path.iterdir() if path != source)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_10_bits_stay_10_where_the_codec_has_them(suffix: str, tmp_path: Path) -> None:
    source = clip(tmp_path / "a.mp4", (256, 48), frames=4, sound=False, deep=True)
    kinds: set[type] = set()

    def network(frames: list[Any]) -> list[Single]:
        kinds.update(map(type, frames))
        return same(frames)

    made = through(source, tmp_path / f"b{suffix}", network)
    with av.open(str(tmp_path / f"b{suffix}")) as found:
        frame = next(found.decode(video=0))
        levels = np.unique(frame.to_ndarray(format="rgb48le")[..., 0] >> 6)
    if suffix == ".webm" and not any("10" in one.name for one in av.codec.Codec("libvpx-vp9", "w").video_formats):
        assert made.notes == ("10 bits a channel, written with 8",)
        assert kinds == {Image.Image}
        return
    assert made.notes == ()
    assert kinds == {Raster}
    assert frame.format.name == "yuv420p10le"
    assert len(levels) > 40
    expected = deep_picture((256, 48)).astype(int)
    assert np.abs(frame.to_ndarray(format="rgb48le") - expected).max() < 3 * 256  # what the codec changes
    assert made.flicker.output < 1


@pytest.mark.parametrize("form", [None, own_format("uint16", 3, 3)])
def test_10_bits_through_a_model(form: DomainFormat | None, tmp_path: Path) -> None:
    source = clip(tmp_path / "a.mp4", (256, 48), frames=3, sound=False, deep=True)
    model = identity(3, () if form is None else (form, form))
    done = translate_files(model, TranslationRequest(inputs=(str(source),), out=tmp_path / "out"))
    assert not done.failed, done.failed
    one, other = (frames_of(path)[0][1].astype(int) for path in (source, tmp_path / "out/a.mp4"))
    assert np.abs(one - other).max() < 4


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".avi"])
@pytest.mark.parametrize("ends", [1, 2])
def test_black_and_white_stay_where_they_are(ends: int, suffix: str, deep: bool, tmp_path: Path) -> None:
    """Limited (1) or full (2) range, as the file says, comes back as what the file says."""
    source = clip(tmp_path / "in.mp4", sound=False, color_range=ends, deep=deep)
    through(source, tmp_path / f"out{suffix}")
    for (_, one), (_, other) in zip(frames_of(source), frames_of(tmp_path / f"out{suffix}"), strict=True):
        assert np.abs(one.astype(int) - other).mean() < 4  # full range taken for limited: 12 to 15


def test_values_of_a_model_lie_between_black_and_white(tmp_path: Path) -> None:
    """In: 16 bits of which 12 count; out: floats."""
    given = DomainFormat(channels=1, bands=1, dtype="uint16", low=0, high=4095)
    made = DomainFormat(channels=1, bands=1, dtype="float32", low=-3, high=9)
    source = clip(tmp_path / "in.mp4", (256, 48), frames=3, sound=False, deep=True)
    seen: list[Any] = []
    model = identity(1, (given, made))
    images = model.images
    model.images = lambda batch, **how: seen.extend(batch) or images(batch, **how)  # type: ignore[method-assign,func-returns-value]
    done = translate_files(model, TranslationRequest(inputs=(str(source),), out=tmp_path / "out"))
    assert not done.failed, done.failed
    said = "black and white of videos are 0 and 4095 of the inputs (video_range sets others); those of the results are "
    assert [str(note) for note in done.notes if "black" in str(note)] == [f"{said}-3 and 9"]
    values = seen[0].pixels
    assert values.shape == (48, 256, 1)
    assert np.abs(values[:, :, 0] - deep_picture((256, 48))[..., 0] / 65535 * 4095).max() < 12
    assert len(np.unique(values)) > 40  # more than 8 bits have
    one, other = (frames_of(path)[0][1].astype(int) for path in (source, tmp_path / "out/in.mp4"))
    assert np.abs(one - other).max() < 4


def test_black_and_white_may_be_other_values(tmp_path: Path) -> None:
    form = DomainFormat(channels=1, bands=1, dtype="int16", low=-1000, high=3000)
    source = clip(tmp_path / "in.mp4", frames=3, sound=False)
    model = identity(1, (form, form))
    for ends, scale in (((-1000.0, 3000.0), 1.0), ((0.0, 1000.0), 0.25)):
        out = tmp_path / f"{ends[0]:g}"
        done = translate_files(model, TranslationRequest(inputs=(str(source),), out=out, video_range=ends))
        assert not done.failed, done.failed
        one, other = (frames_of(path)[0][1] @ np.array(LUMA) for path in (source, out / "in.mp4"))
        expected = one * scale + (ends[0] + 1000) / 4000 * 255
        assert np.abs(other - expected).mean() < 5
        assert not any("clipped" in str(note) for note in done.notes)
    done = translate_files(model, TranslationRequest(inputs=(str(source),), out=tmp_path / "c", video_range=(0, 9000)))
    assert any("values outside of -1000 to 3000, clipped" in str(note) for note in done.notes)


def test_0_may_be_white(tmp_path: Path) -> None:
    form = own_format("uint8", 3, 3, inverted=True)
    source = clip(tmp_path / "in.mp4", frames=3, sound=False)
    done = translate_files(identity(3, (form, form)), TranslationRequest(inputs=(str(source),), out=tmp_path / "out"))
    assert not done.failed, done.failed
    one, other = (frames_of(path)[0][1].astype(int) for path in (source, tmp_path / "out/in.mp4"))
    assert np.abs(one - other).mean() < 4


@pytest.mark.parametrize("side", [0, 1])
def test_bands_that_videos_do_not_hold_are_refused(side: int, tmp_path: Path) -> None:
    form = DomainFormat(channels=4, bands=4, dtype="uint16", low=0, high=65535)
    other = own_format("uint8", 3, 4)
    model = identity(form.channels, (form, other) if side == 0 else (other, form))
    (tmp_path / "a.mp4").write_bytes(b"never opened")
    with pytest.raises(UserError, match=r"a\.mp4: a video holds gray or colour.* 4 bands; give its frames as files"):
        translate_files(model, TranslationRequest(inputs=(str(tmp_path / "a.mp4"),), out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_ranges_without_a_sense_are_refused(tmp_path: Path) -> None:
    asked = {"inputs": (str(clip(tmp_path / "in.mp4", frames=1)),), "out": tmp_path / "out"}
    with pytest.raises(UserError, match=r"video_range.* of which videos have the whole range"):
        translate_files(identity(3), TranslationRequest(**asked, video_range=(0, 4095)))
    with pytest.raises(UserError, match=r"video_range.*must differ"):
        TranslationRequest(**asked, video_range=(5, 5))
