"""Analysis of a picture: labels, NSFW score, quality, colors, hashes and alternative text."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import blurhash
import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.vision.images import Pixels
from models.vision.networks import open_network

Scores = NDArray[np.float32]

_LABELS_SIDE, _NSFW_SIDE, _NSFW_LARGER = 224, 224, 256
_MEAN_BGR = np.array([104, 117, 123], dtype=np.float32)
_MIN_SCORE, _MAX_LABELS = 0.1, 5


class ImageLabeler:
    """Classifier of pictures: labels of the platform's taxonomy, and the ImageNet classes that they sum."""

    def __init__(self, network: Path | bytes) -> None:
        self._session = open_network(network)
        self._classes = (files("models.vision") / "classes.txt").read_text(encoding="utf-8").splitlines()
        self._labels = _labels()

    def classify(self, pixels: Pixels) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
        """Return labels and classes with scores from 0.1 to 1, by descending score.

        Scores are the mean over the full picture and its center square.
        """
        height, width = pixels.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        views = [pixels, pixels[top : top + side, left : left + side]]
        scores = np.mean([self._scores(view) for view in views], axis=0)
        labels = [(name, float(scores[numbers].sum())) for name, numbers in self._labels.items()]
        classes = [(self._classes[number], float(scores[number])) for number in np.argsort(-scores)[:_MAX_LABELS]]
        return _highest(labels), _highest(classes)

    def _scores(self, view: Pixels) -> Scores:
        small = cv2.resize(view, (_LABELS_SIDE, _LABELS_SIDE), interpolation=cv2.INTER_AREA)
        batch = np.ascontiguousarray((small.astype(np.float32) - 127) / 128).transpose(2, 0, 1)[None]
        scores: Scores = self._session.run(None, {"pictures": np.ascontiguousarray(batch)})[0][0]
        return scores


def _labels() -> dict[str, list[int]]:
    groups = tomllib.loads((files("models.vision") / "labels.toml").read_text(encoding="utf-8"))
    return {
        name: [number for one in entries for number in (range(one[0], one[1] + 1) if isinstance(one, list) else (one,))]
        for group in groups.values()
        for name, entries in group.items()
    }


def _highest(scored: list[tuple[str, float]]) -> list[tuple[str, float]]:
    kept = [(name, round(min(score, 1.0), 4)) for name, score in scored if score >= _MIN_SCORE]
    return sorted(kept, key=lambda one: -one[1])[:_MAX_LABELS]


class NsfwScorer:
    """Classifier of pictures that are not safe for work: open_nsfw, from 0 to 1."""

    def __init__(self, network: Path | bytes) -> None:
        self._session = open_network(network)
        self._input = self._session.get_inputs()[0].name

    def score(self, pixels: Pixels) -> float:
        """Return the score of the center of a picture, which the network was trained on."""
        # Preprocessing with Pillow and JPEG as in the original: scores differ by some hundredths otherwise.
        larger = Image.fromarray(pixels).resize((_NSFW_LARGER, _NSFW_LARGER), Image.Resampling.BILINEAR)
        edge = (_NSFW_LARGER - _NSFW_SIDE) // 2
        middle = np.asarray(larger.crop((edge, edge, edge + _NSFW_SIDE, edge + _NSFW_SIDE)))
        _, written = cv2.imencode(".jpg", cv2.cvtColor(middle, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 75])
        bgr = np.asarray(cv2.imdecode(written, cv2.IMREAD_COLOR), dtype=np.float32) - _MEAN_BGR
        scores: Scores = self._session.run(None, {self._input: bgr[None]})[0]
        return round(float(scores[0, 1]), 4)


@dataclass(frozen=True, slots=True)
class Quality:
    """Technical quality of a picture; see ``quality``."""

    sharpness: float
    brightness: float
    contrast: float
    quality_issues: tuple[str, ...]


_QUALITY_SIDE = 512
_BLURRED, _DARK, _BRIGHT, _FLAT = 40.0, 0.15, 0.9, 0.05


def quality(pixels: Pixels) -> Quality:
    """Measure the quality of a picture at 512 pixels.

    Sharpness is the variance of the Laplacian (Pech-Pacheco et al., 2000), brightness the mean and contrast the
    standard deviation of the luminance, from 0 to 1.
    """
    scale = min(1.0, _QUALITY_SIDE / max(pixels.shape[:2]))
    size = [max(1, round(side * scale)) for side in pixels.shape[1::-1]]
    gray = cv2.cvtColor(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    sharpness = float(cv2.Laplacian(gray, cv2.CV_64F).var())
    brightness, contrast = float(gray.mean()) / 255, float(gray.std()) / 255
    conditions = {
        "blurred": sharpness < _BLURRED,
        "dark": brightness < _DARK,
        "overexposed": brightness > _BRIGHT,
        "flat": contrast < _FLAT,
    }
    issues = tuple(name for name, holds in conditions.items() if holds)
    return Quality(round(sharpness, 1), round(brightness, 3), round(contrast, 3), issues)


_COLORS, _COLORS_SIDE = 5, 64


def dominant_colors(pixels: Pixels) -> list[tuple[str, float]]:
    """Return at most five colors as ``#rrggbb`` with their shares, largest first: k-means clusters in CIELAB."""
    small = cv2.resize(pixels, (_COLORS_SIDE, _COLORS_SIDE), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float32)
    number = min(_COLORS, len(np.unique(lab, axis=0)))
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 1.0)
    cv2.setRNGSeed(1)
    begin = np.zeros((len(lab), 1), dtype=np.int32)
    _, of, centres = cv2.kmeans(lab, number, begin, stop, 1, cv2.KMEANS_PP_CENTERS)
    shares = np.bincount(of.ravel().astype(np.int64), minlength=number) / len(lab)
    rgb = cv2.cvtColor(centres.round().clip(0, 255).astype(np.uint8)[None], cv2.COLOR_LAB2RGB)[0]
    order = np.argsort(-shares)
    return [("#{:02x}{:02x}{:02x}".format(*map(int, rgb[one])), round(float(shares[one]), 3)) for one in order]


def perceptual_hash(pixels: Pixels) -> str:
    """Return the 64-bit pHash in hex; similar pictures have a small Hamming distance."""
    return str(imagehash.phash(Image.fromarray(pixels)))


_HASH_SIDE, _HASH_ACROSS, _HASH_DOWN = 32, 4, 3


def blur_hash(pixels: Pixels) -> str:
    """Return the BlurHash with 4 x 3 components, a placeholder while the picture loads."""
    small = cv2.resize(pixels, (_HASH_SIDE, _HASH_SIDE), interpolation=cv2.INTER_AREA)
    encoded: str = blurhash.encode(small.tolist(), components_x=_HASH_ACROSS, components_y=_HASH_DOWN)
    return encoded


_CONFIDENT = 0.4


def alt_text(*, classes: list[tuple[str, float]], labels: list[tuple[str, float]], faces: int) -> str:
    """Suggest an alternative text for screen readers; empty when nothing is certain."""
    people = {0: "", 1: "a person"}.get(faces, f"{faces} people")
    seen = [name for name, score in classes if score >= _CONFIDENT][:1] or [
        name for name, score in labels if score >= _CONFIDENT
    ][:1]
    things = [
        f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}" for name in seen if classes and name == classes[0][0]
    ] or seen
    shown = " and ".join(part for part in (people, *things) if part)
    return f"Picture, perhaps of {shown}" if shown else ""
