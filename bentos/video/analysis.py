"""One pass over a video: its shots, and some pictures of each at the size that networks look at."""

from __future__ import annotations

from dataclasses import dataclass
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
        small, seconds, kept = _decode(video)
        step = 1 / video.frames_a_second
        facts = (
            video.width,
            video.height,
            round(video.frames_a_second, 3),
            video.pictures.codec_context.name,
            video.sounds.codec_context.name if video.sounds else None,
        )
    stacked = np.stack(small)
    begins = [0, *shots.cuts(stacked)]
    light = stacked.mean(axis=(1, 2, 3)) / 255
    motion = np.abs(np.diff(stacked.astype(np.int16), axis=0)).mean(axis=(1, 2, 3)) / 255
    ends = [*begins[1:], len(stacked)]
    whole = seconds[-1] + step
    parts = []
    for begin, end in zip(begins, ends, strict=True):
        until = seconds[end] if end < len(seconds) else whole
        of_part = [sample for number, sample in kept if begin <= number < end]
        inside = motion[begin : end - 1]
        parts.append(
            Part(
                begin=round(seconds[begin], 3),
                end=round(until, 3),
                motion=round(float(inside.mean()) if len(inside) else 0.0, 4),
                brightness=round(float(light[begin:end].mean()), 4),
                # A shot shorter than a step has none of the regular ones; what was seen of it small has to do.
                samples=of_part or [Sample(round(seconds[begin], 3), small[(begin + end) // 2])],
            )
        )
    return Scan(round(whole, 3), *facts, parts)


def _decode(video: Video) -> tuple[list[Pixels], list[float], list[tuple[int, Sample]]]:
    tiny = Shaper(video, width=FRAME[1], height=FRAME[0], pixels="rgb24")
    scale = min(1.0, _LOOKED_AT / max(video.width, video.height))
    width, height = (max(2, round(side * scale)) for side in (video.width, video.height))
    larger = Shaper(video, width=width, height=height, pixels="rgb24")
    every = max(_LEAST_STEP, video.seconds / _SAMPLES)
    small: list[Pixels] = []
    seconds: list[float] = []
    kept: list[tuple[int, Sample]] = []
    due = 0.0
    for second, frame in frames(video):
        if len(small) >= _MOST_PICTURES:
            raise UnreadableVideoError(f"It has more than {_MOST_PICTURES} pictures")
        small.append(_pixels(tiny.shape(frame)))
        seconds.append(second)
        if second >= due and len(kept) < 2 * _SAMPLES:
            kept.append((len(small) - 1, Sample(round(second, 3), _pixels(larger.shape(frame)))))
            due = second + every
    if not small:
        raise UnreadableVideoError("It has no pictures")
    return small, seconds, kept


def _pixels(frame: VideoFrame) -> Pixels:
    return np.ascontiguousarray(frame.to_ndarray(format="rgb24"))


def listen(path: Path) -> list[SoundPart]:
    """Return what is to be heard."""
    with opened(path) as video:
        return sounds_of(video)


_CANDIDATES = 24
_POSTER_SIDE = 1_920
_DARK, _BRIGHT = 0.12, 0.92


def candidates(path: Path, *, number: int = _CANDIDATES, side: int = _POSTER_SIDE) -> list[Sample]:
    """Return pictures spread over a video, whole and upright."""
    with opened(path) as video:
        scale = min(1.0, side / max(video.width, video.height))
        width, height = (max(2, round(length * scale)) for length in (video.width, video.height))
        shaper = Shaper(video, width=width, height=height, pixels="rgb24")
        every, due = video.seconds / number, 0.0
        found: list[Sample] = []
        for second, frame in frames(video):
            if second >= due and len(found) < number:
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
