"""What the worker does with a video: functions of paths, which end with the process that runs them if need be."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from bentos.image.tasks import eyes_of, small_copy
from bentos.version_files import VersionFiles
from bentos.video import analysis
from bentos.video.analysis import Sample, Scan
from bentos.video.transcoding import transcode
from models.vision import pictures
from models.vision.networks import SHOTS
from models.vision.predictor import Eyes
from models.vision.shots import ShotDetector
from neighborconnect.contracts.content import Verdict
from neighborconnect.contracts.vision import (
    Label,
    PictureFormat,
    PosterAnswer,
    Rendition,
    Shot,
    Sprite,
    VideoAnswer,
    VideoCodec,
    VideoSpan,
    VideoVerdict,
)

_FACES_A_SHOT, _LABELS_A_SHOT = 3, 1
_MOST_LABELS = 5
_NSFW = "nsfw"
PROGRESS = "progress"
"""Name of the file that says how far a rendition is."""


@lru_cache(maxsize=1)
def _shots_of(version: VersionFiles) -> ShotDetector:
    return ShotDetector(version.folder / SHOTS)


_scanned: tuple[bytes, VersionFiles, Scan] | None = None


def _scan(path: Path, version: VersionFiles) -> Scan:
    """Scan a video; the last one is remembered by what is in it, for it is asked about twice in a row."""
    global _scanned  # noqa: PLW0603 (a process does one task at a time)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "blake2b").digest()
    if _scanned is None or _scanned[:2] != (digest, version):
        _scanned = None  # Two at once would be too much.
        _scanned = digest, version, analysis.scan(path, _shots_of(version))
    return _scanned[2]


def process(path: Path, folder: Path, *, height: int, codec: VideoCodec, uri: str) -> Rendition:
    """Write a rendition into a folder, and how far it is into a file of it."""
    os.environ.setdefault("SVT_LOG", "0")
    said = 0.0

    def told(share: float) -> None:
        nonlocal said
        if share - said >= 0.01:  # noqa: PLR2004 (a hundredth)
            said = share
            (folder / PROGRESS).write_text(f"{share:.2f}", encoding="ascii")

    return transcode(path, folder, height=height, codec=codec, uri=uri, told=told)


_SHEET_COLUMNS, _TILE = 5, 160


def poster(
    path: Path, *, as_format: PictureFormat, width: int, height: int, with_sheet: bool, version: VersionFiles | None
) -> tuple[PosterAnswer, bytes, bytes | None]:
    """Return the best moment as a thumbnail, and a sheet of small pictures where one is wanted."""
    samples = analysis.candidates(path)
    faces = [len(eyes_of(version).faces(one.pixels)) if version else 0 for one in samples]
    best = analysis.best_of(samples, faces)
    told, copy = small_copy(best.pixels, as_format=as_format, width=width, height=height, version=version)
    sprite, sheet = _sheet(samples) if with_sheet else (None, None)
    return PosterAnswer(**told, second=best.second, sprite=sprite), copy, sheet


def _sheet(samples: list[Sample]) -> tuple[Sprite, bytes]:
    tiles = [np.asarray(pictures.shrunk(Image.fromarray(one.pixels), longest=_TILE)) for one in samples]
    high, wide = tiles[0].shape[:2]
    columns = min(_SHEET_COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = np.zeros((rows * high, columns * wide, 3), dtype=np.uint8)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        sheet[row * high : (row + 1) * high, column * wide : (column + 1) * wide] = tile
    every = samples[1].second - samples[0].second if len(samples) > 1 else 0.0
    data = pictures.write(Image.fromarray(sheet), as_format=PictureFormat.WEBP, quality=70)
    return Sprite(columns=columns, rows=rows, width=wide, height=high, every_seconds=round(every, 3)), data


def analyze(path: Path, *, version: VersionFiles) -> VideoAnswer:
    """Say what a video is and shows: shots, faces, labels, sounds."""
    eyes, scan = eyes_of(version), _scan(path, version)
    shots = [
        Shot(
            begin=part.begin,
            end=part.end,
            motion=part.motion,
            brightness=part.brightness,
            faces=max(len(eyes.faces(one.pixels)) for one in _spread(part.samples, _FACES_A_SHOT)),
        )
        for part in scan.parts
    ]
    return VideoAnswer(
        model_version=eyes.model_version,
        seconds=scan.seconds,
        width=scan.width,
        height=scan.height,
        frames_a_second=scan.frames_a_second,
        codec=scan.codec,
        audio_codec=scan.audio_codec,
        shots=shots,
        labels=_labels(scan, eyes),
        sounds=analysis.listen(path),
    )


def _labels(scan: Scan, eyes: Eyes) -> list[Label]:
    """Weigh what each shot shows by how long it is."""
    scores: dict[str, float] = defaultdict(float)
    for part in scan.parts:
        for sample in _spread(part.samples, _LABELS_A_SHOT):
            for name, score in eyes.labels(sample.pixels):
                scores[name] += score * (part.end - part.begin) / scan.seconds
    most = sorted(scores.items(), key=lambda one: -one[1])[:_MOST_LABELS]
    return [Label(label=name, score=round(min(score, 1.0), 4)) for name, score in most]


def _spread(samples: list[Sample], number: int) -> list[Sample]:
    places = np.unique(np.linspace(0, len(samples) - 1, number + 2).round().astype(int)[1:-1])
    return [samples[place] for place in places]


def moderate(path: Path, *, version: VersionFiles) -> VideoVerdict:
    """Say what moderation would do with a video, and for which parts.

    Of every three samples in a row of one shot the middle score counts: one odd picture is no scene.
    """
    eyes, scan = eyes_of(version), _scan(path, version)
    highest, spans = 0.0, list[VideoSpan]()
    for part in scan.parts:
        scores = [eyes.nsfw(one.pixels) for one in part.samples]
        ends = [*(one.second for one in part.samples[1:]), part.end]
        for begin, end, score in zip((part.begin, *ends), ends, _medians(scores), strict=False):
            highest, verdict = max(highest, score), eyes.policy.verdict(score)
            if verdict is not Verdict.ALLOW:
                _extend(spans, VideoSpan(begin=begin, end=end, verdict=verdict, reason=_NSFW, score=score))
    return VideoVerdict(
        model_version=eyes.model_version, verdict=eyes.policy.verdict(highest), nsfw=highest, timeline=spans
    )


def _medians(scores: list[float]) -> list[float]:
    around = [scores[0], *scores, scores[-1]] if len(scores) > 1 else scores * 3
    return [sorted(around[place : place + 3])[1] for place in range(len(scores))]


def _extend(spans: list[VideoSpan], span: VideoSpan) -> None:
    """Add a part, to the last one where it goes on from that."""
    last = spans[-1] if spans else None
    if last is not None and last.end == span.begin and last.verdict is span.verdict:
        spans[-1] = last.model_copy(update={"end": span.end, "score": max(last.score, span.score)})
    else:
        spans.append(span)
