"""Reading of uploaded videos, shared by the API and the video service.

Frames are returned as a player shows them: upright, and stretched by the sample aspect ratio.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av import VideoFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.filter import Graph
from av.sidedata.sidedata import SideData, Type
from av.video.stream import VideoStream

from neighborconnect.decoding import decodable, open_video
from neighborconnect.sandbox import UnreadableError

MAX_BYTES = 200 * 1024 * 1024
MAX_SECONDS = 600.0
MAX_PIXELS = 3_840 * 2_160
_MAX_ASPECT = 4
"""Larger sample aspect ratios are treated as corrupt."""
_IDENTITY = (1, 0, 0, 1)
_TURNS = {
    _IDENTITY: "",
    (-1, 0, 0, -1): "hflip,vflip",
    (-1, 0, 0, 1): "hflip",
    (1, 0, 0, -1): "vflip",
    (0, 1, -1, 0): "transpose=clock",
    (0, -1, 1, 0): "transpose=cclock",
    (0, 1, 1, 0): "transpose=cclock_flip",
    (0, -1, -1, 0): "transpose=clock_flip",
}
"""Filters that rotate a frame upright, by the display matrix of its container or codec."""


class UnreadableVideoError(UnreadableError):
    """A file is not a supported video; the message is for its owner."""


@dataclass(frozen=True, slots=True)
class Video:
    """An open video.

    Attributes:
        container: container to decode from.
        pictures: the video stream.
        sounds: the audio stream, if it has one.
        width: width of an upright frame in square pixels.
        height: height of an upright frame in square pixels.
        seconds: duration according to the container; 0 if unknown.
        turn: comma-separated filters that rotate frames upright; empty if not needed.
    """

    container: InputContainer
    pictures: VideoStream
    sounds: AudioStream | None
    width: int
    height: int
    seconds: float
    turn: str

    @property
    def frame_rate(self) -> float:
        """Average frame rate; 25 if unknown."""
        return float(self.pictures.average_rate or self.pictures.guessed_rate or 25)


@contextmanager
def opened(file: Path | bytes) -> Iterator[Video]:
    """Open a video.

    Raises:
        UnreadableError: it is not a supported video, has no video stream, is too long or too large, or is corrupt;
            also raised while the video is read.
    """
    try:
        with open_video(file) as container:
            yield _checked(container)
    except UnreadableError:
        raise
    except (FFmpegError, OSError, EOFError, struct.error) as error:
        raise UnreadableVideoError("It is not a readable video, or it is damaged") from error


def _checked(container: InputContainer) -> Video:
    # Cover images of audio files are video streams, too.
    videos, sounds = decodable(container.streams.video), decodable(container.streams.audio)
    pictures = [stream for stream in videos if stream.disposition & stream.disposition.attached_pic == 0]
    if not pictures:
        raise UnreadableVideoError("It has no video stream")
    stream = pictures[0]
    seconds = float(container.duration / av.time_base) if container.duration else 0.0
    if seconds > MAX_SECONDS:
        raise UnreadableVideoError(f"It is longer than {MAX_SECONDS / 60:.0f} minutes")
    if stream.width * stream.height > MAX_PIXELS:
        raise UnreadableVideoError("It has more than 3840 by 2160 pixels")
    if not stream.width or not stream.height:
        raise UnreadableVideoError("Its frame size is missing")
    stream.thread_type = "AUTO"
    turn = _TURNS[_matrix(container, stream)]
    width, height = _square(stream)
    if "transpose" in turn:
        width, height = height, width
    return Video(container, stream, sounds[0] if sounds else None, width, height, seconds, turn)


def _square(stream: VideoStream) -> tuple[int, int]:
    """Return width and height in square pixels; the shorter side of a sample is stretched, to lose no detail."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    width, height = stream.width, stream.height
    if aspect <= 0 or not 1 / _MAX_ASPECT <= aspect <= _MAX_ASPECT:
        return width, height
    return (round(width * aspect), height) if aspect >= 1 else (width, round(height / aspect))


def _matrix(container: InputContainer, stream: VideoStream) -> tuple[int, int, int, int]:
    """Return the display matrix of the first frame, rounded to quarter turns."""
    for frame in container.decode(stream):
        # The stubs declare the keys of this mapping as strings.
        side_data = frame.side_data.get(Type.DISPLAYMATRIX.name)
        break
    else:
        raise UnreadableVideoError("It has no frames")
    container.seek(0)
    if side_data is None:
        return _IDENTITY
    a, b, _, c, d = struct.unpack_from("=5i", bytes(cast("SideData", side_data)))
    # Other angles are rounded to the nearest quarter turn.
    matrix = (_sign(a), 0, 0, _sign(d)) if abs(a) + abs(d) >= abs(b) + abs(c) else (0, _sign(b), _sign(c), 0)
    return matrix if matrix in _TURNS else _IDENTITY


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def frames(video: Video) -> Iterator[tuple[float, VideoFrame]]:
    """Yield each decoded frame with its time in seconds, which never decreases.

    Raises:
        UnreadableVideoError: the video is longer than ``MAX_SECONDS``.
    """
    second, step = 0.0, 1 / video.frame_rate
    for number, frame in enumerate(video.container.decode(video.pictures)):
        timestamp = frame.time
        second = max(second, timestamp if timestamp is not None else number * step)
        if second > MAX_SECONDS:
            raise UnreadableVideoError(f"It is longer than {MAX_SECONDS / 60:.0f} minutes")
        yield second, frame


class Shaper:
    """Filter graph that rotates frames upright and scales them."""

    def __init__(self, video: Video, *, width: int, height: int, pixels: str) -> None:
        """Build the graph.

        Args:
            video: video of the frames.
            width: width of the result.
            height: height of the result.
            pixels: pixel format of the result, such as ``rgb24``.
        """
        graph, stream = Graph(), video.pictures
        graph.threads = 2
        nodes = [graph.add_buffer(template=stream, time_base=stream.time_base)]
        for name, _, arguments in (step.partition("=") for step in video.turn.split(",") if step):
            nodes.append(graph.add(name, arguments))
        nodes += [
            graph.add("scale", f"{width}:{height}:flags=bilinear"),
            graph.add("setsar", "1"),
            graph.add("format", pixels),
            graph.add("buffersink"),
        ]
        graph.link_nodes(*nodes).configure()
        self._graph = graph

    def shape(self, frame: VideoFrame) -> VideoFrame:
        """Return a rotated and scaled frame with its timestamp."""
        self._graph.vpush(frame)
        return self._graph.vpull()
