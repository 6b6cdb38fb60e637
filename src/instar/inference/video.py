"""Videos: frame by frame through the networks, into a file of the same size and times, with its sound.

PyAV (the extra `video`) reads and writes them. Only the frames of a batch, and those that codecs keep, are in memory.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instar.core.errors import UserError
from instar.core.files import temporary_beside
from instar.inference.flicker import Flicker
from instar.inference.jobs import VIDEOS
from instar.inference.results import Result, Single
from instar.inference.video_values import Pixels, VideoValues

_RATE, _BASE = Fraction(25), Fraction(1, 90_000)
"""Frames a second, and units of time, where a file says none."""
_X264 = "libx264"
_CODECS: dict[str, tuple[str, dict[str, str]]] = {
    ".webm": ("libvpx-vp9", {"crf": "20", "b:v": "0", "deadline": "good", "cpu-used": "4"}),
    ".avi": ("mpeg4", {"qmin": "2", "qmax": "3"}),
}
_USUAL = (_X264, {"crf": "17"})
"""Codec and settings of the others. Little is lost beside what the network changes."""
_DEEP = "10le"
"""End of the names of FFmpeg's formats of pixels with 10 bits a channel."""
_COLOURS = ("colorspace", "color_primaries", "color_trc")
_FULL_RANGE = 2
"""FFmpeg's number for black and white at the ends of all values; others have them at 16 and 235 of 255."""

Network = Callable[[list[Any]], Sequence[Result]]
"""Makes results of pictures of the inputs' domain."""


class Stopped(Exception):  # noqa: N818  (nothing is wrong)
    """The user has stopped the work before the end of a video."""


@dataclass(frozen=True)
class Clip:
    """What became of a video.

    Attributes:
        width: in pixels.
        height: in pixels.
        frames: that were translated.
        rate: frames a second, on average.
        flicker: how much neighbouring frames differ.
        notes: what could not be kept, in words.
    """

    width: int
    height: int
    frames: int
    rate: float
    flicker: Flicker
    notes: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """Return what the manifest says of it."""
        size = {"width": self.width, "height": self.height, "mode": "RGB"}
        return {**size, "frames": self.frames, "rate": round(self.rate, 3), "flicker": self.flicker.rounded()}


def translate_video(
    source: Path,
    target: Path,
    network: Network,
    values: VideoValues,
    *,
    batch: Callable[[int, int], int],
    tick: Callable[[int, int], None],
    stopped: Callable[[], bool],
) -> Clip:
    """Translate a video. The result appears whole or not at all.

    Args:
        source: the video.
        target: file of the result; its suffix says the format.
        network: makes pictures of frames of one size.
        values: between frames and what the network takes and makes.
        batch: how many frames of a width and height go together.
        tick: told how many frames are done, and how many there are, 0 if that is not known.
        stopped: asked after each batch.

    Raises:
        UserError: the video cannot be read or written; one line.
        Stopped: `stopped` said so; nothing is left.
    """
    av = _av(source)
    part = temporary_beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        first = _first_frame(av, source)
        with av.open(str(source)) as clip, av.open(str(part), "w", format=VIDEOS[target.suffix.lower()]) as out:
            writer = _Writer(av, clip, out, first, target.suffix.lower())
            found = _through(writer, network, values, batch, tick, stopped)
        part.replace(target)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise UserError(f"{source}: the video cannot be translated ({' '.join(str(said).split())})") from error
    finally:
        part.unlink(missing_ok=True)
    return found


def _through(
    writer: _Writer,
    network: Network,
    values: VideoValues,
    batch: Callable[[int, int], int],
    tick: Callable[[int, int], None],
    stopped: Callable[[], bool],
) -> Clip:
    done, flicker = 0, Flicker()
    for frames in _batches(writer.frames(), batch(writer.width, writer.height)):
        given = [_upright(frame, deep=writer.deep) for frame in frames]
        for frame, one, other in zip(frames, given, _made(network, values, given), strict=True):
            flicker.add(_shallow(one), _shallow(other))
            writer.write(frame, other)
        done += len(frames)
        tick(done, max(writer.total, done) if writer.total else 0)
        if stopped():
            raise Stopped
    writer.finish()
    return Clip(writer.width, writer.height, done, float(writer.rate), flicker, (*writer.notes, *values.notes))


class _Writer:
    """The result of a video: a stream of pictures as the video's own, beside its sound."""

    def __init__(self, av: Any, clip: Any, out: Any, first: Any, suffix: str) -> None:
        self._av, self._clip, self._out = av, clip, out
        self._video = clip.streams.video[0]
        self._video.thread_type = "AUTO"
        self.total, self.rate = self._video.frames, self._video.average_rate or _RATE
        turned = first.rotation % 180 != 0
        self.width, self.height = (first.height, first.width) if turned else (first.width, first.height)
        self.notes: list[str] = []
        self._size = first.width, first.height
        self._base = self._video.time_base or _BASE
        self._space = first.colorspace
        # Of MPEG-4 in .avi nobody could tell.
        self._full = self._video.codec_context.color_range == _FULL_RANGE and suffix != ".avi"
        self._last: int | None = None
        self._depth = max(component.bits for component in first.format.components)
        self.deep = self._depth > 8 and _holds_10_bits(av, suffix)
        self._stream = self._pictures(suffix, turned=turned)
        self._sounds = self._sound(suffix)
        self._look()

    def frames(self) -> Iterator[Any]:
        """Yield the frames; the sound is written on the way."""
        for packet in self._clip.demux(self._video, *self._sounds):
            if packet.stream is not self._video:
                if packet.dts is not None:  # the last one of a stream is empty
                    packet.stream = self._sounds[packet.stream]
                    self._out.mux(packet)
                continue
            for frame in packet.decode():
                if (frame.width, frame.height) != self._size:
                    raise UserError(f"{self._clip.name}: its frames are not of one size")
                yield frame

    def write(self, frame: Any, pixels: Pixels) -> None:
        """Write the translation of a frame at its time."""
        made = self._av.VideoFrame.from_ndarray(pixels, format=_layout(deep=self.deep))
        ends = {"dst_color_range": _FULL_RANGE} if self._full else {}
        made = made.reformat(format=self._stream.pix_fmt, dst_colorspace=self._space, **ends)
        made.pts, made.time_base = self._time(frame), self._base
        self._put(self._stream.encode(made))

    def finish(self) -> None:
        """Write what the codec still holds."""
        self._put(self._stream.encode())

    def _time(self, frame: Any) -> int:
        """Return when a frame is shown; of frames without a time, or with that of another, one after the last."""
        step = max(1, round(1 / (self.rate * self._base)))
        at: int = frame.pts if frame.pts is not None else (0 if self._last is None else self._last + step)
        if self._last is not None and at <= self._last:
            at = self._last + 1
        self._last = at
        return at

    def _put(self, packets: Sequence[Any]) -> None:
        for packet in packets:
            self._out.mux(packet)

    def _pictures(self, suffix: str, *, turned: bool) -> Any:
        codec, options = _CODECS.get(suffix, _USUAL)
        stream = self._out.add_stream(codec, rate=self.rate, options=dict(options))
        odd = codec == _X264 and (self.width % 2 or self.height % 2)
        stream.width, stream.height = self.width, self.height
        stream.pix_fmt = ("yuv444p" if odd else "yuv420p") + _DEEP * self.deep
        stream.time_base = stream.codec_context.time_base = self._base
        given = self._video.codec_context
        if given.sample_aspect_ratio and not turned:
            stream.codec_context.sample_aspect_ratio = given.sample_aspect_ratio
        for name in _COLOURS:
            setattr(stream.codec_context, name, getattr(given, name))
        if self._full or given.color_range != _FULL_RANGE:
            stream.codec_context.color_range = given.color_range
        if odd:
            self.notes.append("of odd width or height: colours are written at full size, which not all players show")
        return stream

    def _sound(self, suffix: str) -> dict[Any, Any]:
        """Return streams of sound with those of the result, to which they are copied as they are."""
        found = {}
        for sound in self._clip.streams.audio:
            name = sound.codec_context.name
            if name in self._out.supported_codecs:
                found[sound] = self._out.add_stream_from_template(sound)
            else:
                self.notes.append(f"its sound ({name}) is not kept, for {suffix} files hold none of that kind")
        return found

    def _look(self) -> None:
        kept = 10 if self.deep else 8
        if self._depth > kept:
            self.notes.append(f"{self._depth} bits a channel, written with {kept}")
        if self._clip.streams.subtitles:
            self.notes.append("its subtitles are not kept")


def _first_frame(av: Any, source: Path) -> Any:
    with av.open(str(source)) as clip:
        if not clip.streams.video:
            raise UserError(f"{source}: holds no video")
        first = next(clip.decode(video=0), None)
    if first is None:
        raise UserError(f"{source}: holds no frame that can be read")
    return first


def _holds_10_bits(av: Any, suffix: str) -> bool:
    codec, _ = _CODECS.get(suffix, _USUAL)
    known = av.codec.Codec(codec, "w").video_formats or ()
    return any(one.name.endswith(_DEEP) for one in known)


def _layout(*, deep: bool) -> str:
    return "rgb48le" if deep else "rgb24"


def _shallow(pixels: Pixels) -> NDArray[np.uint8]:
    """Return pixels with 8 bits."""
    return (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels.astype(np.uint8, copy=False)


def _upright(frame: Any, *, deep: bool) -> Pixels:
    """Return the pixels (H, W, 3) of a frame, turned as its file says that it is shown."""
    pixels: Any = frame.to_ndarray(format=_layout(deep=deep))
    upright: Pixels = np.ascontiguousarray(np.rot90(pixels, frame.rotation // 90 % 4))
    return upright


def _made(network: Network, values: VideoValues, frames: Sequence[Pixels]) -> list[Pixels]:
    results = network([values.to_domain(pixels) for pixels in frames])
    pictures = [result.image for result in results if isinstance(result, Single)]
    return [values.to_video(picture, deep=frames[0].dtype == np.uint16) for picture in pictures]


def _batches(frames: Iterator[Any], count: int) -> Iterator[list[Any]]:
    waiting: list[Any] = []
    for frame in frames:
        waiting.append(frame)
        if len(waiting) == count:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _av(source: Path) -> Any:
    try:
        av = importlib.import_module("av")
    except ImportError as error:
        raise UserError(f"{source}: videos need PyAV: pip install '.[video]'") from error
    av.logging.set_level(None)  # what is wrong is said here
    return av
