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
from instar.core.raster import Raster
from instar.inference.request import TranslationRequest
from instar.inference.results import Single
from instar.inference.translate_files import translate_files
from instar.inference.video import Clip, Stopped, translate_video

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
            made = made.reformat(format=video.pix_fmt, dst_colorspace=video.codec_context.colorspace)
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
    options: dict[str, Any] = {"batch": lambda w, h: 4, "tick": lambda done, total: None, "stopped": lambda: False}
    return translate_video(source, target, network, **(options | more))


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


@pytest.mark.parametrize(
    "form",
    [
        DomainFormat(channels=4, bands=4, dtype="uint16", low=0, high=65535),
        DomainFormat(channels=3, bands=3, dtype="uint16", low=0, high=4095),
        DomainFormat(channels=1, bands=1, dtype="float32", low=-3, high=9),
    ],
)
@pytest.mark.parametrize("side", [0, 1])
def test_values_that_videos_do_not_hold_are_refused(form: DomainFormat, side: int, tmp_path: Path) -> None:
    other = own_format("uint8", form.bands if form.bands < 4 else 3, form.channels)
    model = identity(form.channels, (form, other) if side == 0 else (other, form))
    (tmp_path / "a.mp4").write_bytes(b"never opened")
    with pytest.raises(UserError, match=r"a\.mp4: a video holds gray or colour.* give its frames as files"):
        translate_files(model, TranslationRequest(inputs=(str(tmp_path / "a.mp4"),), out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()
