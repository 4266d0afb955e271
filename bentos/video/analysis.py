"""One pass over a video: its shots, and some pictures of each at the size that networks look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from bentos.video.reading import Shaper, UnreadableVideoError, Video, frames, opened
from bentos.video.sounds import sounds_of
from models.vision.pictures import Pixels
from models.vision.shots import FRAME, ShotDetector
from neighborconnect.contracts.vision import SoundPart

_LOOKED_AT = 512
_SAMPLES = 120
_LEAST_STEP = 0.5
_MOST_PICTURES = 40_000
_MOST_LOOKED_AT = 6_000
"""Of more pictures the network sees every second, third and so on: a minute of work for ten minutes of video."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture of a video, and its second."""

    second: float
    pixels: Pixels


@dataclass(frozen=True, slots=True)
class Part:
    """A shot: begin and end in seconds; motion and brightness are means, from 0 to 1; its samples."""

    begin: float
    end: float
    motion: float
    brightness: float
    samples: list[Sample]


@dataclass(frozen=True, slots=True)
class Scan:
    """What a pass found."""

    seconds: float
    width: int
    height: int
    frames_a_second: float
    codec: str
    audio_codec: str | None
    parts: list[Part]


def scan(path: Path, shots: ShotDetector) -> Scan:
    """Look at every picture small, for cuts, motion and light, and keep at most 120 larger ones.

    Every shot has at least one sample. Raises ``UnreadableVideoError`` for what cannot be read.
    """
    with opened(path) as video:
        decoded = _decode(video)
        step = 1 / video.frames_a_second
        facts = (
            video.width,
            video.height,
            round(video.frames_a_second, 3),
            video.pictures.codec_context.name,
            video.sounds.codec_context.name if video.sounds else None,
        )
    small, seconds = np.stack(decoded.small), decoded.seconds
    every = -(-len(small) // _MOST_LOOKED_AT)
    begins = [0, *(_sharpest(decoded.motion, cut * every, every) for cut in shots.cuts(small[::every]))]
    ends = [*begins[1:], len(small)]
    whole = seconds[-1] + step
    parts = []
    for begin, end in zip(begins, ends, strict=True):
        until = seconds[end] if end < len(seconds) else whole
        of_part = [sample for number, sample in decoded.kept if begin <= number < end]
        inside = decoded.motion[begin + 1 : end]
        parts.append(
            Part(
                begin=round(seconds[begin], 3),
                end=round(until, 3),
                motion=round(float(np.mean(inside)) if inside else 0.0, 4),
                brightness=round(float(np.mean(decoded.light[begin:end])), 4),
                # A shot shorter than a step has none of the regular ones; what was seen of it small has to do.
                samples=of_part or [Sample(round(seconds[begin], 3), small[(begin + end) // 2])],
            )
        )
    return Scan(round(whole, 3), *facts, parts)


def _sharpest(motion: list[float], until: int, every: int) -> int:
    """Return the picture that is farthest from the one before, of those that were left out before a cut and its own."""
    since = until - every + 1
    return since + int(np.argmax(motion[since : until + 1]))


@dataclass(frozen=True, slots=True)
class _Decoded:
    """Of every picture: itself small, its second, how light it is and how far from the one before; and the samples."""

    small: list[Pixels] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    light: list[float] = field(default_factory=list)
    motion: list[float] = field(default_factory=list)
    kept: list[tuple[int, Sample]] = field(default_factory=list)

    def add(self, second: float, pixels: Pixels) -> None:
        before = self.small[-1] if self.small else pixels
        self.motion.append(float(cv2.absdiff(pixels, before).mean()) / 255)
        self.light.append(float(pixels.mean()) / 255)
        self.small.append(pixels)
        self.seconds.append(second)


def _decode(video: Video) -> _Decoded:
    tiny = Shaper(video, width=FRAME[1], height=FRAME[0], pixels="rgb24")
    scale = min(1.0, _LOOKED_AT / max(video.width, video.height))
    width, height = (max(2, round(side * scale)) for side in (video.width, video.height))
    larger = Shaper(video, width=width, height=height, pixels="rgb24")
    every = max(_LEAST_STEP, video.seconds / _SAMPLES)
    found, due = _Decoded(), 0.0
    for second, frame in frames(video):
        if len(found.small) >= _MOST_PICTURES:
            raise UnreadableVideoError(f"It has more than {_MOST_PICTURES} pictures")
        found.add(second, _pixels(tiny.shape(frame)))
        if second >= due and len(found.kept) < 2 * _SAMPLES:
            found.kept.append((len(found.small) - 1, Sample(round(second, 3), _pixels(larger.shape(frame)))))
            due = second + every
    if not found.small:
        raise UnreadableVideoError("It has no pictures")
    return found


def _pixels(frame: VideoFrame) -> Pixels:
    return np.ascontiguousarray(frame.to_ndarray(format="rgb24"))


def listen(path: Path) -> list[SoundPart]:
    """Return what is to be heard."""
    with opened(path) as video:
        return sounds_of(video)


_CANDIDATES = 25
_POSTER_SIDE = 1_920
_DARK, _BRIGHT = 0.12, 0.92


def candidates(path: Path) -> list[Sample]:
    """Return pictures spread over a video, whole and upright."""
    with opened(path) as video:
        scale = min(1.0, _POSTER_SIDE / max(video.width, video.height))
        width, height = (max(2, round(length * scale)) for length in (video.width, video.height))
        shaper = Shaper(video, width=width, height=height, pixels="rgb24")
        every, due = video.seconds / _CANDIDATES, 0.0
        found: list[Sample] = []
        for second, frame in frames(video):
            if second >= due and len(found) < _CANDIDATES:
                found.append(Sample(round(second, 3), _pixels(shaper.shape(frame))))
                due = second + every
        if not found:
            raise UnreadableVideoError("It has no pictures")
        return found


def best_of(samples: list[Sample], faces: list[int]) -> Sample:
    """Return the picture that tells most: sharp, of many tones, neither dark nor burnt, with people in it."""

    def worth(sample: Sample, people: int) -> float:
        grey: NDArray[np.uint8] = np.asarray(cv2.cvtColor(sample.pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        light = float(grey.mean()) / 255
        tones = np.bincount(grey.ravel() >> 3, minlength=32) / grey.size
        spread = -float(np.sum(tones[tones > 0] * np.log2(tones[tones > 0]))) / 5
        sharp = min(1.0, float(cv2.Laplacian(grey, cv2.CV_64F).var()) / 500)
        dull = 1.0 if light < _DARK or light > _BRIGHT else 0.0
        return spread + 0.5 * sharp + 0.3 * min(people, 3) - dull

    scored = [worth(sample, people) for sample, people in zip(samples, faces, strict=True)]
    return samples[int(np.argmax(scored))]
