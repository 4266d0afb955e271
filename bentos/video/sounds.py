"""What is to be heard: how loud, and whether silence, speech or music.

Speech has more quiet moments than music: in a second of it more than a third of the moments are below half of its mean
level (the share of low-energy frames of Scheirer and Slaney, 1997). It is a rule of thumb, not a trained model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import av
import numpy as np
from av import AudioFrame
from numpy.typing import NDArray

from bentos.video.reading import MAX_SECONDS, Video
from neighborconnect.contracts.vision import Sound, SoundPart

_RATE = 16_000
_MOMENT = _RATE // 50
_PART_SECONDS = 2
_SILENT_BELOW = -50.0
_LOW, _SPEECH_FROM = 0.5, 0.3
_QUIETEST = -90.0

Samples = NDArray[np.float32]


def sounds_of(video: Video) -> list[SoundPart]:
    """Return the parts of a video by what is to be heard; neighbours that sound alike are one. Empty without sound."""
    if video.sounds is None:
        return []
    parts: list[SoundPart] = []
    for number, samples in enumerate(_parts(video.container.decode(video.sounds))):
        begin = float(number * _PART_SECONDS)
        if begin > MAX_SECONDS:
            break
        end, level = begin + len(samples) / _RATE, _level(samples)
        sound = _sound(samples, level)
        if parts and parts[-1].sound is sound:
            last = parts[-1]
            weight = (end - begin) / (end - last.begin)
            level = round(last.level * (1 - weight) + level * weight, 1)
            parts[-1] = SoundPart(begin=last.begin, end=round(end, 3), sound=sound, level=level)
        else:
            parts.append(SoundPart(begin=begin, end=round(end, 3), sound=sound, level=round(level, 1)))
    return parts


def _parts(decoded: Iterable[AudioFrame]) -> Iterator[Samples]:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=_RATE)
    length, held = _RATE * _PART_SECONDS, np.zeros(0, dtype=np.float32)
    for frame in decoded:
        for one in resampler.resample(frame):
            held = np.append(held, one.to_ndarray().ravel().astype(np.float32))
        while len(held) >= length:
            yield held[:length]
            held = held[length:]
    if len(held) >= _MOMENT:
        yield held


def _level(samples: Samples) -> float:
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return max(_QUIETEST, 10 * np.log10(power)) if power > 0 else _QUIETEST


def _sound(samples: Samples, level: float) -> Sound:
    if level < _SILENT_BELOW:
        return Sound.SILENCE
    whole = samples[: len(samples) // _MOMENT * _MOMENT].reshape(-1, _MOMENT)
    loudness = np.sqrt(np.mean(np.square(whole, dtype=np.float64), axis=1))
    low = float((loudness < _LOW * loudness.mean()).mean())
    return Sound.SPEECH if low >= _SPEECH_FROM else Sound.MUSIC
