"""Public pictures and clips: annotated faces, safe-for-work pictures, and joined clips with known cuts."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import av
import cv2
import numpy as np
from rich.console import Console
from rich.table import Table
from skimage.feature import Cascade

from models.vision.data import ordinary_images, synthetic_clips
from models.vision.evaluate import count_residual_faces
from models.vision.faces import Boxes, FaceDetector, anonymize
from models.vision.image_analysis import NsfwScorer
from models.vision.images import Pixels, pixels_of, read
from models.vision.networks import FACES, NSFW, SHOTS
from models.vision.policy import policy_text, read_policy
from models.vision.shots import FRAME, ShotDetector
from models.vision.weights import assemble
from neighborconnect.contracts.vision import AnonymizationMethod

SEED = 20_261
_IOU = 0.3
_CASCADE = "lbpcascade_frontalface_opencv.xml"
_PICTURES = (".jpg", ".jpeg", ".png", ".webp")

Corners = list[tuple[float, float, float, float]]


@dataclass(frozen=True)
class MarkedPicture:
    """Picture with the annotated boxes of its faces: left, top, right, bottom in pixels."""

    pixels: Pixels
    faces: Corners


def dlib_faces(folder: Path) -> list[MarkedPicture]:
    """Read the pictures that dlib's XML files mark, from the folder or the archive in it."""
    with tempfile.TemporaryDirectory() as unpacked:
        root = folder / "dlib-faces"
        for archive in root.glob("*.tar"):
            with tarfile.open(archive) as packed:
                packed.extractall(unpacked, filter="data")
            root = Path(unpacked)
        found = {}
        for name in ("training.xml", "testing.xml"):
            (path,) = root.rglob(name)
            for image in ET.parse(path).iter("image"):  # noqa: S314 (a set that its user names)
                boxes = [one.attrib for one in image.iter("box") if one.get("ignore") != "1"]
                found[path.parent / image.attrib["file"]] = [_corners(box) for box in boxes]
        return [MarkedPicture(pixels_of(read(path.read_bytes())), boxes) for path, boxes in sorted(found.items())]


def _corners(box: dict[str, str]) -> tuple[float, float, float, float]:
    left, top, width, height = (float(box[name]) for name in ("left", "top", "width", "height"))
    return left, top, left + width, top + height


def _iou(box: tuple[float, ...], found: Boxes) -> float:
    best = 0.0
    for other in found[:, :4]:
        across = max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
        down = max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
        both = (box[2] - box[0]) * (box[3] - box[1]) + (other[2] - other[0]) * (other[3] - other[1])
        best = max(best, float(across * down / (both - across * down)))
    return best


def faces(folder: Path, *, console: Console) -> None:
    """Measure detection, and residual faces after anonymization by the same network and by a cascade."""
    detector, other = (
        FaceDetector(assemble()[FACES]),
        Cascade(str(files("skimage.data") / "lbpcascade_frontalface_opencv.xml")),
    )
    marked = dlib_faces(folder)
    hits = extra = total = 0
    again, by_other = dict.fromkeys(AnonymizationMethod, 0), {"before": 0} | dict.fromkeys(AnonymizationMethod, 0)
    for picture in marked:
        found = detector.find(picture.pixels)
        total += len(picture.faces)
        hits += sum(_iou(box, found) >= _IOU for box in picture.faces)
        corners = np.array([(*box, 1.0) for box in picture.faces], dtype=np.float32).reshape(-1, 5)
        extra += sum(_iou(tuple(box[:4]), corners) < _IOU for box in found)
        by_other["before"] += _others(other, picture.pixels)
        for method in AnonymizationMethod:
            hidden, _ = anonymize(detector, picture.pixels, method=method)
            again[method] += count_residual_faces(detector, hidden)
            by_other[method] += _others(other, hidden)
    table = _table(f"dlib-faces: {len(marked)} photographs, {total} faces, found at an overlap (IoU) of {_IOU}")
    table.add_row("CenterFace, threshold .5", f"{hits}/{total}, {extra} more that are not annotated", "this run")
    table.add_row("YuNet", "43/43, 1 more", "own, of the set's table")
    table.add_row("Haar cascade", "38/43", "own, of the set's table")
    for method in AnonymizationMethod:
        table.add_row(f"after {method}: residual faces, two sizes, threshold .3", str(again[method]), "this run")
    told = ", ".join(f"{by_other[method]} after {method}" for method in AnonymizationMethod)
    table.add_row("LBP cascade of OpenCV", f"{by_other['before']} before, {told}", "this run")
    console.print(table)


def _others(cascade: Cascade, pixels: Pixels) -> int:
    sides = min(pixels.shape[:2])
    found = cascade.detect_multi_scale(
        img=pixels, scale_factor=1.2, step_ratio=1, min_size=(24, 24), max_size=(sides, sides)
    )
    return len(found)


def ordinary(folder: Path, *, console: Console) -> None:
    """Count false alarms of the NSFW score in safe-for-work pictures and clips."""
    policy, scorer = read_policy(policy_text()), NsfwScorer(assemble()[NSFW])
    pictures = [*ordinary_images().values(), *(one.pixels for one in dlib_faces(folder)), *_pictures(folder)]
    moments = [[scorer.score(pixels) for pixels in clip] for clip in _clips(folder)]
    # The median of three consecutive scores counts, as in the moderation of videos.
    smooth = [sorted(scores[at : at + 3])[1] for scores in moments for at in range(len(scores) - 2)]
    table = _table("ordinary pictures and moments of clips: false alarms")
    for name, scores in (
        ("pictures", [scorer.score(pixels) for pixels in pictures]),
        ("moments, one by one", [score for clip in moments for score in clip]),
        ("moments, as served", smooth),
    ):
        alarms = sum(score >= policy.review for score in scores)
        told = f"{alarms} of {len(scores)}; highest {max(scores):.2f}; held {sum(s >= policy.block for s in scores)}"
        table.add_row(name, told, "this run")
    table.add_row("recall", "not measured: no data set may be stored", "")
    console.print(table)


def _pictures(folder: Path) -> Iterator[Pixels]:
    for path in sorted((folder / "media-samples").iterdir()):
        if path.suffix in _PICTURES:
            yield pixels_of(read(path.read_bytes()))


def _clips(folder: Path) -> Iterator[list[Pixels]]:
    for path in sorted((folder / "media-samples").glob("*.mp4")):
        yield list(_frames(path, size=None))[::10]


def shots(folder: Path, *, console: Console) -> None:
    """Count detected cuts in joined clips: of real clips, of pans over pictures, and of both."""
    detector = ShotDetector(assemble()[SHOTS])
    real = [
        np.stack(list(_frames(path, size=FRAME[::-1])))
        for path in sorted((folder / "media-samples").iterdir())
        if path.suffix in {".mp4", ".gif"}
    ]
    pans = synthetic_clips(ordinary_images(), seed=SEED)
    bounds = [(0, *clip.cuts, len(clip.frames)) for clip in pans]
    single = [clip.frames[a:b] for clip, bound in zip(pans, bounds, strict=True) for a, b in pairwise(bound)]
    generator = np.random.default_rng(SEED)
    table = _table("joined clips: hard cuts, detected at the exact frame")
    for name, pool in (("real clips", real), ("pans over pictures", single), ("both in turn", [*real, *single])):
        cuts = missed = invented = 0
        for _ in range(6):
            order = generator.permutation(len(pool))[: min(len(pool), 8)]
            parts = [pool[place][:120] for place in order]
            known = set(np.cumsum([len(part) for part in parts])[:-1].tolist())
            said = set(detector.cuts(np.concatenate(parts)))
            cuts, missed, invented = cuts + len(known), missed + len(known - said), invented + len(said - known)
        table.add_row(name, f"{cuts - missed}/{cuts}, {invented} false", "this run")
    table.add_row("TransNet V2 on BBC, RAI, ClipShots", "F1 .962, .939, .779", "published")
    console.print(table)


def _frames(path: Path, *, size: tuple[int, int] | None) -> Iterator[Pixels]:
    with av.open(str(path)) as clip:
        for frame in clip.decode(video=0):
            pixels = np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
            yield pixels if size is None else np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def _table(title: str) -> Table:
    table = Table(title=title, min_width=90)
    for heading in ("what", "figure", "from"):
        table.add_column(heading)
    return table


PICTURE_BENCHMARKS: dict[str, Callable[..., None]] = {
    "dlib-faces": faces,
    "ordinary-pictures": ordinary,
    "joined-clips": shots,
}
