"""Single-pass scan of a video: shots, with sampled frames of each at the size of the networks' input."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from bentos.video.audio import segment_audio
from models.vision.images import Pixels
from models.vision.shots import FRAME, ShotDetector
from neighborconnect.contracts.vision import AudioSegment
from neighborconnect.videos import Shaper, UnreadableVideoError, Video, frames, opened

_ANALYSIS_EDGE = 512
_SAMPLES = 120
_MIN_STEP = 0.5
_MAX_FRAMES = 40_000
_MAX_NETWORK_FRAMES = 6_000
"""Of longer videos the network gets every n-th frame: about a minute of work for ten minutes of video."""


@dataclass(frozen=True, slots=True)
class SampledFrame:
    """Frame of a video, and its position in seconds."""

    second: float
    pixels: Pixels


@dataclass(frozen=True, slots=True)
class ScannedShot:
    """Shot: begin and end in seconds, mean motion and brightness from 0 to 1, and sampled frames."""

    begin: float
    end: float
    motion: float
    brightness: float
    samples: list[SampledFrame]


@dataclass(frozen=True, slots=True)
class Scan:
    """Result of a scan."""

    seconds: float
    width: int
    height: int
    frame_rate: float
    codec: str
    audio_codec: str | None
    shots: list[ScannedShot]


def scan(path: Path, detector: ShotDetector) -> Scan:
    """Measure cuts, motion and brightness on every downscaled frame, and sample about 120 larger frames.

    Every shot has at least one sample. Raises ``UnreadableVideoError`` for an unreadable video.
    """
    with opened(path) as video:
        decoded = _decode(video)
        step = 1 / video.frame_rate
        facts = (
            video.width,
            video.height,
            round(video.frame_rate, 3),
            video.pictures.codec_context.name,
            video.sounds.codec_context.name if video.sounds else None,
        )
    small, seconds = np.stack(decoded.small), decoded.seconds
    every = -(-len(small) // _MAX_NETWORK_FRAMES)
    begins = [0, *(_sharpest(decoded.motion, cut * every, every) for cut in detector.cuts(small[::every]))]
    ends = [*begins[1:], len(small)]
    whole = seconds[-1] + step
    shots = []
    for begin, end in zip(begins, ends, strict=True):
        until = seconds[end] if end < len(seconds) else whole
        of_shot = [sample for number, sample in decoded.samples if begin <= number < end]
        inside = decoded.motion[begin + 1 : end]
        shots.append(
            ScannedShot(
                begin=round(seconds[begin], 3),
                end=round(until, 3),
                motion=round(float(np.mean(inside)) if inside else 0.0, 4),
                brightness=round(float(np.mean(decoded.light[begin:end])), 4),
                # A shot shorter than the sampling step has no sample; its downscaled middle frame is used.
                samples=of_shot or [SampledFrame(round(seconds[begin], 3), small[(begin + end) // 2])],
            )
        )
    return Scan(round(whole, 3), *facts, shots)


def _sharpest(motion: list[float], until: int, every: int) -> int:
    """Return the frame with the most motion among the skipped frames before a cut and the cut's own."""
    since = until - every + 1
    return since + int(np.argmax(motion[since : until + 1]))


@dataclass(frozen=True, slots=True)
class _Decoded:
    """Per frame: downscaled pixels, position in seconds, brightness and motion; and the sampled frames by number."""

    small: list[Pixels] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    light: list[float] = field(default_factory=list)
    motion: list[float] = field(default_factory=list)
    samples: list[tuple[int, SampledFrame]] = field(default_factory=list)

    def add(self, second: float, pixels: Pixels) -> None:
        before = self.small[-1] if self.small else pixels
        self.motion.append(float(cv2.absdiff(pixels, before).mean()) / 255)
        self.light.append(float(pixels.mean()) / 255)
        self.small.append(pixels)
        self.seconds.append(second)


def _decode(video: Video) -> _Decoded:
    tiny = Shaper(video, width=FRAME[1], height=FRAME[0], pixels="rgb24")
    scale = min(1.0, _ANALYSIS_EDGE / max(video.width, video.height))
    width, height = (max(2, round(side * scale)) for side in (video.width, video.height))
    larger = Shaper(video, width=width, height=height, pixels="rgb24")
    every = max(_MIN_STEP, video.seconds / _SAMPLES)
    decoded, due = _Decoded(), 0.0
    for second, frame in frames(video):
        if len(decoded.small) >= _MAX_FRAMES:
            raise UnreadableVideoError(f"It has more than {_MAX_FRAMES} frames")
        decoded.add(second, _pixels(tiny.shape(frame)))
        if second >= due and len(decoded.samples) < 2 * _SAMPLES:
            decoded.samples.append(
                (len(decoded.small) - 1, SampledFrame(round(second, 3), _pixels(larger.shape(frame))))
            )
            due = second + every
    if not decoded.small:
        raise UnreadableVideoError("It has no frames")
    return decoded


def _pixels(frame: VideoFrame) -> Pixels:
    return np.ascontiguousarray(frame.to_ndarray(format="rgb24"))


def analyze_audio(path: Path) -> list[AudioSegment]:
    """Return the audio segments of a video."""
    with opened(path) as video:
        return segment_audio(video)


_CANDIDATES = 25
_POSTER_SIDE = 1_920
_DARK, _BRIGHT = 0.12, 0.92


def candidate_frames(path: Path) -> list[SampledFrame]:
    """Return frames at regular intervals, upright and at most 1,920 pixels wide or high."""
    with opened(path) as video:
        scale = min(1.0, _POSTER_SIDE / max(video.width, video.height))
        width, height = (max(2, round(length * scale)) for length in (video.width, video.height))
        shaper = Shaper(video, width=width, height=height, pixels="rgb24")
        every, due = video.seconds / _CANDIDATES, 0.0
        samples: list[SampledFrame] = []
        for second, frame in frames(video):
            if second >= due and len(samples) < _CANDIDATES:
                samples.append(SampledFrame(round(second, 3), _pixels(shaper.shape(frame))))
                due = second + every
        if not samples:
            raise UnreadableVideoError("It has no frames")
        return samples


def most_representative(samples: list[SampledFrame], faces: list[int]) -> SampledFrame:
    """Return the most representative frame: high entropy and sharpness, with faces, neither dark nor overexposed."""

    def score(sample: SampledFrame, face_count: int) -> float:
        gray: NDArray[np.uint8] = np.asarray(cv2.cvtColor(sample.pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        light = float(gray.mean()) / 255
        tones = np.bincount(gray.ravel() >> 3, minlength=32) / gray.size
        entropy = -float(np.sum(tones[tones > 0] * np.log2(tones[tones > 0]))) / 5
        sharpness = min(1.0, float(cv2.Laplacian(gray, cv2.CV_64F).var()) / 500)
        penalty = 1.0 if light < _DARK or light > _BRIGHT else 0.0
        return entropy + 0.5 * sharpness + 0.3 * min(face_count, 3) - penalty

    scores = [score(sample, face_count) for sample, face_count in zip(samples, faces, strict=True)]
    return samples[int(np.argmax(scores))]
