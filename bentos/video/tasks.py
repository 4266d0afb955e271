"""Tasks of the video workers: functions of file paths, run in a process that may be killed at any time."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from bentos.image.tasks import encode_thumbnail, open_models
from bentos.model_files import ModelFiles
from bentos.video import analysis
from bentos.video.analysis import SampledFrame, Scan
from bentos.video.transcoding import transcode
from models.vision import images
from models.vision.networks import SHOTS
from models.vision.predictor import VisionModels
from models.vision.shots import ShotDetector
from neighborconnect.contracts.content import Verdict
from neighborconnect.contracts.vision import (
    Label,
    PictureFormat,
    PosterResponse,
    Rendition,
    Shot,
    Sprite,
    VideoAnalysisResponse,
    VideoCodec,
    VideoModerationResponse,
    VideoSpan,
)

_FACES_A_SHOT, _LABELS_A_SHOT = 3, 1
_MAX_LABELS = 5
_NSFW = "nsfw"
PROGRESS_FILE = "progress"
"""Name of the file with the progress of a rendition."""


@lru_cache(maxsize=1)
def _shots_of(model_files: ModelFiles) -> ShotDetector:
    return ShotDetector(model_files.folder / SHOTS)


_scanned: tuple[bytes, ModelFiles, Scan] | None = None


def _scan(path: Path, model_files: ModelFiles) -> Scan:
    """Scan a video; the last scan is cached by content, since moderation and analysis run in a row."""
    global _scanned  # noqa: PLW0603 (a process does one task at a time)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "blake2b").digest()
    if _scanned is None or _scanned[:2] != (digest, model_files):
        _scanned = None  # Release the memory before the next scan.
        _scanned = digest, model_files, analysis.scan(path, _shots_of(model_files))
    return _scanned[2]


def process(path: Path, folder: Path, *, height: int, codec: VideoCodec, uri: str) -> Rendition:
    """Write a rendition and its progress into a directory."""
    os.environ.setdefault("SVT_LOG", "0")
    reported = 0.0

    def on_progress(share: float) -> None:
        nonlocal reported
        if share - reported >= 0.01:  # noqa: PLR2004 (a hundredth)
            reported = share
            (folder / PROGRESS_FILE).write_text(f"{share:.2f}", encoding="ascii")

    return transcode(path, folder, height=height, codec=codec, uri=uri, on_progress=on_progress)


_SPRITE_COLUMNS, _TILE = 5, 160


def poster(
    path: Path, *, as_format: PictureFormat, width: int, height: int, with_sprite: bool, model_files: ModelFiles | None
) -> tuple[PosterResponse, bytes, bytes | None]:
    """Return the most representative frame as a thumbnail, and a sprite of preview frames where requested."""
    samples = analysis.candidate_frames(path)
    faces = [len(open_models(model_files).faces(sample.pixels)) if model_files else 0 for sample in samples]
    best = analysis.most_representative(samples, faces)
    fields, copy = encode_thumbnail(
        best.pixels, as_format=as_format, width=width, height=height, model_files=model_files
    )
    sprite, sheet = _sprite(samples) if with_sprite else (None, None)
    return PosterResponse(**fields, second=best.second, sprite=sprite), copy, sheet


def _sprite(samples: list[SampledFrame]) -> tuple[Sprite, bytes]:
    tiles = [np.asarray(images.downscale(Image.fromarray(sample.pixels), max_edge=_TILE)) for sample in samples]
    high, wide = tiles[0].shape[:2]
    columns = min(_SPRITE_COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = np.zeros((rows * high, columns * wide, 3), dtype=np.uint8)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        sheet[row * high : (row + 1) * high, column * wide : (column + 1) * wide] = tile
    every = samples[1].second - samples[0].second if len(samples) > 1 else 0.0
    data = images.encode(Image.fromarray(sheet), as_format=PictureFormat.WEBP, quality=70)
    return Sprite(columns=columns, rows=rows, width=wide, height=high, interval_seconds=round(every, 3)), data


def analyze(path: Path, *, model_files: ModelFiles) -> VideoAnalysisResponse:
    """Return technical facts, shots, labels and audio segments of a video."""
    models, scan = open_models(model_files), _scan(path, model_files)
    shots = [
        Shot(
            begin=shot.begin,
            end=shot.end,
            motion=shot.motion,
            brightness=shot.brightness,
            face_count=max(len(models.faces(sample.pixels)) for sample in _spread(shot.samples, _FACES_A_SHOT)),
        )
        for shot in scan.shots
    ]
    return VideoAnalysisResponse(
        model_version=models.model_version,
        seconds=scan.seconds,
        width=scan.width,
        height=scan.height,
        frame_rate=scan.frame_rate,
        codec=scan.codec,
        audio_codec=scan.audio_codec,
        shots=shots,
        labels=_labels(scan, models),
        audio_segments=analysis.analyze_audio(path),
    )


def _labels(scan: Scan, models: VisionModels) -> list[Label]:
    """Return labels by their mean score, weighted by the length of each shot."""
    scores: dict[str, float] = defaultdict(float)
    for shot in scan.shots:
        for sample in _spread(shot.samples, _LABELS_A_SHOT):
            for name, score in models.labels(sample.pixels):
                scores[name] += score * (shot.end - shot.begin) / scan.seconds
    most = sorted(scores.items(), key=lambda label: -label[1])[:_MAX_LABELS]
    return [Label(label=name, score=round(min(score, 1.0), 4)) for name, score in most]


def _spread(samples: list[SampledFrame], number: int) -> list[SampledFrame]:
    positions = np.unique(np.linspace(0, len(samples) - 1, number + 2).round().astype(int)[1:-1])
    return [samples[position] for position in positions]


def moderate(path: Path, *, model_files: ModelFiles) -> VideoModerationResponse:
    """Return the moderation verdict of a video and of its parts.

    Scores within a shot are median-filtered over three samples, so that a single outlier frame does not count.
    """
    models, scan = open_models(model_files), _scan(path, model_files)
    highest, spans = 0.0, list[VideoSpan]()
    for shot in scan.shots:
        scores = [models.nsfw(sample.pixels) for sample in shot.samples]
        ends = [*(sample.second for sample in shot.samples[1:]), shot.end]
        for begin, end, score in zip((shot.begin, *ends), ends, _medians(scores), strict=False):
            highest, verdict = max(highest, score), models.policy.verdict(score)
            if verdict is not Verdict.ALLOW:
                _extend(spans, VideoSpan(begin=begin, end=end, verdict=verdict, reason=_NSFW, score=score))
    return VideoModerationResponse(
        model_version=models.model_version, verdict=models.policy.verdict(highest), nsfw=highest, timeline=spans
    )


def _medians(scores: list[float]) -> list[float]:
    around = [scores[0], *scores, scores[-1]] if len(scores) > 1 else scores * 3
    return [sorted(around[position : position + 3])[1] for position in range(len(scores))]


def _extend(spans: list[VideoSpan], span: VideoSpan) -> None:
    """Append a span, or extend the last one if it is adjacent and has the same verdict."""
    last = spans[-1] if spans else None
    if last is not None and last.end == span.begin and last.verdict is span.verdict:
        spans[-1] = last.model_copy(update={"end": span.end, "score": max(last.score, span.score)})
    else:
        spans.append(span)
