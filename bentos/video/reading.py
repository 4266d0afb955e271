"""Opening a file that a stranger sent as a video, and its pictures upright and in time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
from av import VideoFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.filter import Graph
from av.video.stream import VideoStream

from neighborconnect.decoding import decodable, open_video
from neighborconnect.sandbox import UnreadableError

MAX_BYTES = 200 * 1024 * 1024
MAX_SECONDS = 600.0
MAX_PIXELS = 3_840 * 2_160
_TURNED = 90


class UnreadableVideoError(UnreadableError):
    """The file is no video that we take; the message is for who sent it."""


@dataclass(frozen=True, slots=True)
class Video:
    """An open video, its pictures as they are shown.

    Attributes:
        container: to decode from.
        pictures: the stream of pictures.
        sounds: the stream of sounds, if it has one.
        width: of a picture that is upright, in pixels.
        height: likewise.
        seconds: how long it says it is; 0 when it does not say.
        rotation: how many degrees its pictures are turned counter-clockwise to stand upright.
    """

    container: InputContainer
    pictures: VideoStream
    sounds: AudioStream | None
    width: int
    height: int
    seconds: float
    rotation: int

    @property
    def frames_a_second(self) -> float:
        """On average; 25 where it does not say."""
        return float(self.pictures.average_rate or self.pictures.guessed_rate or 25)


@contextmanager
def opened(path: Path) -> Iterator[Video]:
    """Open a video.

    Raises:
        UnreadableError: when it is none, has no pictures, is too long or too large, or is damaged, be it here or
            while it is read; it says which.
    """
    try:
        with open_video(path) as container:
            yield _checked(container)
    except UnreadableError:
        raise
    except (FFmpegError, OSError, EOFError) as error:
        raise UnreadableVideoError("It is no video that we can read, or it is damaged") from error


def _checked(container: InputContainer) -> Video:
    # A cover is a picture that a song brings along.
    videos, sounds = decodable(container.streams.video), decodable(container.streams.audio)
    pictures = [one for one in videos if one.disposition & one.disposition.attached_pic == 0]
    if not pictures:
        raise UnreadableVideoError("It has no moving pictures")
    stream = pictures[0]
    seconds = float(container.duration / av.time_base) if container.duration else 0.0
    if seconds > MAX_SECONDS:
        raise UnreadableVideoError(f"It is longer than {MAX_SECONDS / 60:.0f} minutes")
    if stream.width * stream.height > MAX_PIXELS:
        raise UnreadableVideoError("Its pictures are larger than 3840 by 2160 pixels")
    if not stream.width or not stream.height:
        raise UnreadableVideoError("It does not say how large its pictures are")
    stream.thread_type = "AUTO"
    rotation = _rotation(container, stream)
    width, height = (stream.height, stream.width) if rotation % 180 else (stream.width, stream.height)
    return Video(container, stream, sounds[0] if sounds else None, width, height, seconds, rotation)


def _rotation(container: InputContainer, stream: VideoStream) -> int:
    rotation = 0
    for frame in container.decode(stream):
        rotation = round(frame.rotation / _TURNED) * _TURNED % 360
        break
    else:
        raise UnreadableVideoError("It has no pictures")
    container.seek(0)
    return rotation


_UPRIGHT = {90: ("transpose", "cclock"), 180: ("hflip,vflip", ""), 270: ("transpose", "clock")}


def frames(video: Video) -> Iterator[tuple[float, VideoFrame]]:
    """Yield each picture, as it was written, with its second, which never goes back.

    Raises:
        UnreadableVideoError: when it goes on for longer than a video may.
    """
    second, step = 0.0, 1 / video.frames_a_second
    for number, frame in enumerate(video.container.decode(video.pictures)):
        told = frame.time
        second = max(second, told if told is not None else number * step)
        if second > MAX_SECONDS:
            raise UnreadableVideoError(f"It is longer than {MAX_SECONDS / 60:.0f} minutes")
        yield second, frame


class Shaper:
    """Turns pictures upright and makes them as large as is wanted, by a graph of filters."""

    def __init__(self, video: Video, *, width: int, height: int, pixels: str) -> None:
        """Build the graph.

        Args:
            video: that the pictures are of.
            width: that they shall have.
            height: likewise.
            pixels: their format, such as ``rgb24``.
        """
        graph, stream = Graph(), video.pictures
        graph.threads = 2
        nodes = [graph.add_buffer(template=stream, time_base=stream.time_base)]
        if video.rotation in _UPRIGHT:
            names, arguments = _UPRIGHT[video.rotation]
            nodes += [graph.add(name, arguments) for name in names.split(",")]
        nodes += [
            graph.add("scale", f"{width}:{height}:flags=bilinear"),
            graph.add("setsar", "1"),
            graph.add("format", pixels),
            graph.add("buffersink"),
        ]
        graph.link_nodes(*nodes).configure()
        self._graph = graph

    def shape(self, frame: VideoFrame) -> VideoFrame:
        """Return the picture as it is wanted, with its time."""
        self._graph.vpush(frame)
        return self._graph.vpull()
