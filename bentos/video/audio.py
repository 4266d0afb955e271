"""Audio segmentation: level, and silence, speech or music.

Speech has more low-energy frames than music: more than 30 % of its frames of 20 ms are below half of the mean level
(Scheirer and Slaney, "Construction and evaluation of a robust multifeature speech/music discriminator", 1997). This is
a heuristic, not a trained model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import av
import numpy as np
from av import AudioFrame
from numpy.typing import NDArray

from neighborconnect.contracts.vision import AudioKind, AudioSegment
from neighborconnect.videos import MAX_SECONDS, Video

_RATE = 16_000
_FRAME = _RATE // 50
_WINDOW_SECONDS = 2
_SILENCE_DBFS = -50.0
_LOW_ENERGY, _MIN_SPEECH_SHARE = 0.5, 0.3
_MIN_DBFS = -90.0

Samples = NDArray[np.float32]


def segment_audio(video: Video) -> list[AudioSegment]:
    """Return the audio segments of a video; adjacent windows of one kind are merged. Empty without an audio stream."""
    if video.sounds is None:
        return []
    segments: list[AudioSegment] = []
    for number, samples in enumerate(_windows(video.container.decode(video.sounds))):
        begin = float(number * _WINDOW_SECONDS)
        if begin > MAX_SECONDS:
            break
        end, level = begin + len(samples) / _RATE, _level(samples)
        kind = _kind(samples, level)
        if segments and segments[-1].kind is kind:
            last = segments[-1]
            weight = (end - begin) / (end - last.begin)
            level = round(last.level * (1 - weight) + level * weight, 1)
            segments[-1] = AudioSegment(begin=last.begin, end=round(end, 3), kind=kind, level=level)
        else:
            segments.append(AudioSegment(begin=begin, end=round(end, 3), kind=kind, level=round(level, 1)))
    return segments


def _windows(decoded: Iterable[AudioFrame]) -> Iterator[Samples]:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=_RATE)
    length, pending = _RATE * _WINDOW_SECONDS, np.zeros(0, dtype=np.float32)
    for frame in decoded:
        for resampled in resampler.resample(frame):
            pending = np.append(pending, resampled.to_ndarray().ravel().astype(np.float32))
        while len(pending) >= length:
            yield pending[:length]
            pending = pending[length:]
    if len(pending) >= _FRAME:
        yield pending


def _level(samples: Samples) -> float:
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return max(_MIN_DBFS, 10 * np.log10(power)) if power > 0 else _MIN_DBFS


def _kind(samples: Samples, level: float) -> AudioKind:
    if level < _SILENCE_DBFS:
        return AudioKind.SILENCE
    whole = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    loudness = np.sqrt(np.mean(np.square(whole, dtype=np.float64), axis=1))
    low = float((loudness < _LOW_ENERGY * loudness.mean()).mean())
    return AudioKind.SPEECH if low >= _MIN_SPEECH_SHARE else AudioKind.MUSIC
