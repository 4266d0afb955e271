"""``python -m benchmarks video``: our transcoding next to the ``ffmpeg`` command with the same settings.

Needs nothing that runs. The command is the one that imageio-ffmpeg brings; its x264 may be another version than PyAV's.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np

from benchmarks.report import Row
from bentos.video.transcoding import AUDIO_BITS, AUDIO_RATE, ENCODERS, transcode
from neighborconnect.contracts.vision import VideoCodec
from neighborconnect.settings import Settings

SECONDS, RATE, SIZE = 20, 30, (1_280, 720)
HEIGHTS = (720, 480)
SEED = 20_261
_ROUNDS = 3


def run(settings: Settings) -> list[Row]:  # noqa: ARG001 (every benchmark is given them)
    """Measure seconds of video a second, for two heights of H.264."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = _clip(folder / "clip.mp4")
        for height in HEIGHTS:
            ours, peer = _compare(partial(_ours, clip, folder, height), partial(_theirs, clip, folder, height))
            rows.append(
                Row.compare(
                    f"H.264, {height} lines",
                    ours=SECONDS / ours,
                    peer=SECONDS / peer,
                    unit="s of video/s",
                    note=f"peer: the ffmpeg command, same settings; {SECONDS} s of 1280 by 720, with sound, to HLS",
                )
            )
    return rows


def _compare(one: Callable[[], None], other: Callable[[], None]) -> tuple[float, float]:
    """Return the best of three runs of each, interleaved, so that other load affects both alike."""
    best = [float("inf"), float("inf")]
    for _ in range(_ROUNDS):
        for place, work in enumerate((one, other)):
            began = time.perf_counter()
            work()
            best[place] = min(best[place], time.perf_counter() - began)
    return best[0], best[1]


def _ours(clip: Path, folder: Path, height: int) -> None:
    transcode(clip, folder, height=height, codec=VideoCodec.H264, uri="video.mp4", on_progress=lambda _share: None)


def _theirs(clip: Path, folder: Path, height: int) -> None:
    encoder, options = ENCODERS[VideoCodec.H264]
    settings = [part for name, value in options.items() for part in (f"-{name}", value)]
    pictures = [
        "-vf",
        f"scale=-2:{height}:flags=bilinear,format=yuv420p",
        "-c:v",
        encoder,
        *settings,
        "-g",
        str(2 * RATE),
    ]
    sounds = ["-af", "loudnorm=I=-16:TP=-1.5:LRA=11", "-c:a", "aac", "-b:a", str(AUDIO_BITS), "-ar", str(AUDIO_RATE)]
    hls = ["-f", "hls", "-hls_segment_type", "fmp4", "-hls_flags", "single_file", "-hls_time", "4"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-i", str(clip), *pictures, *sounds]
    subprocess.run([*command, *hls, "-hls_playlist_type", "vod", str(folder / "theirs.m3u8")], check=True)


def _clip(path: Path) -> Path:
    """Write a clip of moving texture with a little noise, and a tone."""
    generator, (width, height) = np.random.default_rng(SEED), SIZE
    y, x = np.mgrid[0 : height * 2, 0 : width * 2]
    scene = np.stack([np.sin(x / 23) * 90 + 120, np.sin(y / 31) * 90 + 120, np.sin((x + y) / 41) * 90 + 120], axis=-1)
    scene = (scene + generator.normal(0, 12, scene.shape)).clip(0, 255).astype(np.uint8)
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        sound = target.add_stream("aac", rate=AUDIO_RATE, layout="stereo")
        for number in range(SECONDS * RATE):
            view = scene[number : number + height, number : number + width]
            target.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(view), format="rgb24")))
        target.mux(stream.encode())
        tone = (np.sin(np.arange(AUDIO_RATE * SECONDS) / 40) * 0.2).astype(np.float32)
        for begin in range(0, len(tone) - 1_024, 1_024):
            frame = av.AudioFrame.from_ndarray(
                np.stack([tone[begin : begin + 1_024]] * 2), format="fltp", layout="stereo"
            )
            frame.sample_rate, frame.pts = AUDIO_RATE, begin
            target.mux(sound.encode(frame))
        target.mux(sound.encode())
    return path
