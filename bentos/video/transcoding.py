"""Transcoding: one fragmented MP4 that plays from its start, and the HLS playlist over its byte ranges."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av import AudioFrame, VideoFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.filter import Graph
from av.video.stream import VideoStream

from bentos.video.prefetch import prefetch
from neighborconnect.contracts.vision import Rendition, VideoCodec
from neighborconnect.decoding import open_video
from neighborconnect.videos import MAX_SECONDS, Shaper, UnreadableVideoError, Video, opened

ENCODERS = {
    VideoCodec.H264: ("libx264", {"preset": "veryfast", "crf": "23", "profile": "high", "sc_threshold": "0"}),
    VideoCodec.AV1: ("libsvtav1", {"preset": "9", "crf": "36", "svtav1-params": "lp=2"}),
}
AUDIO_RATE, AUDIO_BITS = 48_000, 128_000
_MAX_FRAME_RATE = 60
_BUFFER = 8
"""Frames that are buffered between two stages."""
_GROUP_SECONDS, _SEGMENT_SECONDS = 2, 4
_LOUDNESS = "I=-16:TP=-1.5:LRA=11"
_CODECS = {VideoCodec.H264: "avc1.640028", VideoCodec.AV1: "av01.0.08M.08"}
_AAC = "mp4a.40.2"

ProgressCallback = Callable[[float], None]


def transcode(
    path: Path, folder: Path, *, height: int, codec: VideoCodec, uri: str, on_progress: ProgressCallback
) -> Rendition:
    """Write a rendition of a video to ``folder / "video.mp4"``.

    Frames are upright, never upscaled, and retain their timestamps; audio is normalized to -16 LUFS (EBU R 128).

    Args:
        path: source video.
        folder: output directory.
        height: maximum height in pixels.
        codec: video codec.
        uri: URI of the file in the playlist.
        on_progress: callback with the progress from 0 to 1.

    Raises:
        UnreadableVideoError: when the video cannot be decoded to its end.
    """
    playlist, written = folder / "video.m3u8", folder / "video.mp4"
    options = {
        "hls_segment_type": "fmp4",
        "hls_flags": "single_file",
        "hls_segment_filename": str(written),
        "hls_time": str(_SEGMENT_SECONDS),
        "hls_playlist_type": "vod",
        "hls_list_size": "0",
    }
    with opened(path) as video, av.open(str(playlist), "w", format="hls", options=options) as target:
        scale = min(1.0, height / video.height)
        width, tall = (max(2, round(side * scale / 2) * 2) for side in (video.width, video.height))
        _Transcoder(video, target, width=width, height=tall, codec=codec).run(on_progress)
    return _rendition(written, playlist, codec=codec, uri=uri)


class _Transcoder:
    """Output streams of one rendition, with their filters and encoders."""

    def __init__(self, video: Video, target: OutputContainer, *, width: int, height: int, codec: VideoCodec) -> None:
        self._video, self._target = video, target
        encoder, options = ENCODERS[codec]
        rate = Fraction(min(video.frame_rate, _MAX_FRAME_RATE)).limit_denominator(1_001)
        group = {"g": str(max(1, round(_GROUP_SECONDS * rate)))}
        self._pictures = cast("VideoStream", target.add_stream(encoder, rate=rate, options=options | group))
        self._pictures.width, self._pictures.height, self._pictures.pix_fmt = width, height, "yuv420p"
        # Slice threading would be slower and produce larger files.
        self._pictures.thread_type = "FRAME"
        self._pictures.codec_context.time_base = video.pictures.time_base or Fraction(1, 90_000)
        self._shaper = Shaper(video, width=width, height=height, pixels="yuv420p")
        self._sounds: AudioStream | None = None
        if video.sounds is not None:
            self._sounds = target.add_stream("aac", rate=AUDIO_RATE, layout="stereo")
            self._sounds.bit_rate = AUDIO_BITS
            self._loudness_filter = _loudness_filter(video.sounds)

    def run(self, on_progress: ProgressCallback) -> None:
        """Decode, scale and encode; each stage prefetches for the next."""
        for shaped in prefetch(self._shaped(prefetch(self._decoded(), buffer=_BUFFER)), buffer=_BUFFER):
            if isinstance(shaped, VideoFrame):
                self._target.mux(self._pictures.encode(shaped))
                if self._video.seconds and shaped.time is not None:
                    on_progress(min(1.0, shaped.time / self._video.seconds))
            elif self._sounds is not None:
                self._target.mux(self._sounds.encode(shaped))
        self._target.mux(self._pictures.encode())
        if self._sounds is not None:
            self._target.mux(self._sounds.encode())

    def _decoded(self) -> Iterator[VideoFrame | AudioFrame]:
        streams = [stream for stream in (self._video.pictures, self._video.sounds) if stream is not None]
        for packet in self._video.container.demux(*streams):
            try:
                decoded = packet.decode()
            except FFmpegError as error:
                raise UnreadableVideoError("It is damaged") from error
            for frame in decoded:
                if not isinstance(frame, VideoFrame | AudioFrame):
                    continue
                if frame.time is not None and frame.time > MAX_SECONDS:
                    raise UnreadableVideoError(f"It is longer than {MAX_SECONDS / 60:.0f} minutes")
                yield frame

    def _shaped(self, frames: Iterator[VideoFrame | AudioFrame]) -> Iterator[VideoFrame | AudioFrame]:
        last = -1
        for frame in frames:
            if isinstance(frame, AudioFrame):
                yield from self._normalized(frame)
                continue
            shaped = self._shaper.shape(frame)
            # Two frames with one timestamp would stop the encoder.
            if shaped.pts is not None and shaped.pts > last:
                last = shaped.pts
                shaped.pict_type = av.video.frame.PictureType.NONE
                yield shaped
        if self._sounds is not None:
            yield from self._normalized(None)

    def _normalized(self, frame: AudioFrame | None) -> Iterator[AudioFrame]:
        self._loudness_filter.push(frame)
        while True:
            try:
                normalized = self._loudness_filter.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            if isinstance(normalized, AudioFrame):
                yield normalized


def _loudness_filter(stream: AudioStream) -> Graph:
    """Return the filter for loudness (EBU R 128, single pass) and the encoder's sample format."""
    graph = Graph()
    graph.link_nodes(
        graph.add_abuffer(template=stream),
        graph.add("loudnorm", _LOUDNESS),
        graph.add("aresample", f"{AUDIO_RATE}"),
        graph.add("aformat", f"sample_fmts=fltp:sample_rates={AUDIO_RATE}:channel_layouts=stereo"),
        graph.add("asetnsamples", "n=1024"),
        graph.add("abuffersink"),
    ).configure()
    return graph


_LENGTHS = re.compile(r"#EXTINF:([\d.]+),\s*#EXT-X-BYTERANGE:(\d+)@")


def _rendition(written: Path, playlist: Path, *, codec: VideoCodec, uri: str) -> Rendition:
    text = playlist.read_text(encoding="utf-8")
    shots = [(float(seconds), int(size)) for seconds, size in _LENGTHS.findall(text)]
    with open_video(written) as made:
        pictures = made.streams.video[0]
        width, height, has_sounds = pictures.width, pictures.height, bool(made.streams.audio)
    return Rendition(
        width=width,
        height=height,
        seconds=round(sum(seconds for seconds, _ in shots), 3),
        bytes=written.stat().st_size,
        codec=codec,
        codecs=",".join((_CODECS[codec], *([_AAC] if has_sounds else []))),
        bandwidth=max((round(size * 8 / max(seconds, 0.5)) for seconds, size in shots), default=0),
        playlist=text.replace(written.name, uri),
    )
