"""What is to be seen: labels, whether it is for everybody, how good it is, its colours, and a sentence."""

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

from models.vision.networks import open_network
from models.vision.pictures import Pixels

Scores = NDArray[np.float32]

_LABELS_SIDE, _NSFW_SIDE, _NSFW_LARGER = 224, 224, 256
_MEAN_BGR = np.array([104, 117, 123], dtype=np.float32)
_LEAST, _MOST = 0.1, 5


class Labeller:
    """Says what is to be seen: labels of the neighbourhood's words, and the classes behind them."""

    def __init__(self, network: Path | bytes) -> None:
        self._session = open_network(network)
        self._classes = (files("models.vision") / "classes.txt").read_text(encoding="utf-8").splitlines()
        self._labels = _labels()

    def look(self, pixels: Pixels) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
        """Return labels and classes with their scores from 0 to 1, the surest first; none below a tenth.

        The whole picture is looked at and its middle square, and the mean of both counts.
        """
        height, width = pixels.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        views = [pixels, pixels[top : top + side, left : left + side]]
        scores = np.mean([self._scores(view) for view in views], axis=0)
        labels = [(name, float(scores[numbers].sum())) for name, numbers in self._labels.items()]
        classes = [(self._classes[number], float(scores[number])) for number in np.argsort(-scores)[:_MOST]]
        return _surest(labels), _surest(classes)

    def _scores(self, view: Pixels) -> Scores:
        small = cv2.resize(view, (_LABELS_SIDE, _LABELS_SIDE), interpolation=cv2.INTER_AREA)
        batch = np.ascontiguousarray((small.astype(np.float32) - 127) / 128).transpose(2, 0, 1)[None]
        answer: Scores = self._session.run(None, {"pictures": np.ascontiguousarray(batch)})[0][0]
        return answer


def _labels() -> dict[str, list[int]]:
    groups = tomllib.loads((files("models.vision") / "labels.toml").read_text(encoding="utf-8"))
    return {
        name: [number for one in entries for number in (range(one[0], one[1] + 1) if isinstance(one, list) else (one,))]
        for group in groups.values()
        for name, entries in group.items()
    }


def _surest(scored: list[tuple[str, float]]) -> list[tuple[str, float]]:
    kept = [(name, round(min(score, 1.0), 4)) for name, score in scored if score >= _LEAST]
    return sorted(kept, key=lambda one: -one[1])[:_MOST]


class NsfwScorer:
    """Says how likely a picture is not for everybody: open_nsfw, from 0 to 1."""

    def __init__(self, network: Path | bytes) -> None:
        self._session = open_network(network)
        self._input = self._session.get_inputs()[0].name

    def score(self, pixels: Pixels) -> float:
        """Look at the middle of the picture, as the network was made to."""
        # Through Pillow and JPEG, as its makers did: scores differ by some hundredths otherwise.
        larger = Image.fromarray(pixels).resize((_NSFW_LARGER, _NSFW_LARGER), Image.Resampling.BILINEAR)
        edge = (_NSFW_LARGER - _NSFW_SIDE) // 2
        middle = np.asarray(larger.crop((edge, edge, edge + _NSFW_SIDE, edge + _NSFW_SIDE)))
        _, written = cv2.imencode(".jpg", cv2.cvtColor(middle, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 75])
        bgr = np.asarray(cv2.imdecode(written, cv2.IMREAD_COLOR), dtype=np.float32) - _MEAN_BGR
        answer: Scores = self._session.run(None, {self._input: bgr[None]})[0]
        return round(float(answer[0, 1]), 4)


@dataclass(frozen=True, slots=True)
class Quality:
    """How good a picture is: sharp, light enough, and of lights and darks."""

    sharpness: float
    brightness: float
    contrast: float
    faults: tuple[str, ...]


_QUALITY_SIDE = 512
_BLURRED, _DARK, _BRIGHT, _FLAT = 40.0, 0.15, 0.9, 0.05


def quality(pixels: Pixels) -> Quality:
    """Judge a picture at 512 pixels.

    Sharpness is the variance of the Laplacian (Pech-Pacheco et al., 2000), brightness the mean and contrast the
    standard deviation of the luminance, from 0 to 1.
    """
    scale = min(1.0, _QUALITY_SIDE / max(pixels.shape[:2]))
    size = [max(1, round(side * scale)) for side in pixels.shape[1::-1]]
    grey = cv2.cvtColor(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    sharpness = float(cv2.Laplacian(grey, cv2.CV_64F).var())
    brightness, contrast = float(grey.mean()) / 255, float(grey.std()) / 255
    told = {
        "blurred": sharpness < _BLURRED,
        "dark": brightness < _DARK,
        "overexposed": brightness > _BRIGHT,
        "flat": contrast < _FLAT,
    }
    faults = tuple(name for name, is_so in told.items() if is_so)
    return Quality(round(sharpness, 1), round(brightness, 3), round(contrast, 3), faults)


_COLOURS, _COLOURS_SIDE = 5, 64


def dominant_colours(pixels: Pixels) -> list[tuple[str, float]]:
    """Return at most five colours as ``#rrggbb`` with their shares, the largest first: k-means in CIELAB."""
    small = cv2.resize(pixels, (_COLOURS_SIDE, _COLOURS_SIDE), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float32)
    number = min(_COLOURS, len(np.unique(lab, axis=0)))
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 1.0)
    cv2.setRNGSeed(1)
    begin = np.zeros((len(lab), 1), dtype=np.int32)
    _, of, centres = cv2.kmeans(lab, number, begin, stop, 1, cv2.KMEANS_PP_CENTERS)
    shares = np.bincount(of.ravel().astype(np.int64), minlength=number) / len(lab)
    rgb = cv2.cvtColor(centres.round().clip(0, 255).astype(np.uint8)[None], cv2.COLOR_LAB2RGB)[0]
    order = np.argsort(-shares)
    return [("#{:02x}{:02x}{:02x}".format(*map(int, rgb[one])), round(float(shares[one]), 3)) for one in order]


def perceptual_hash(pixels: Pixels) -> str:
    """Return 64 bits in hex that differ in few places where pictures look the same: pHash."""
    return str(imagehash.phash(Image.fromarray(pixels)))


_HASH_SIDE, _HASH_ACROSS, _HASH_DOWN = 32, 4, 3


def blur_hash(pixels: Pixels) -> str:
    """Return a BlurHash of 4 by 3: a few characters that a page shows while the picture is under way."""
    small = cv2.resize(pixels, (_HASH_SIDE, _HASH_SIDE), interpolation=cv2.INTER_AREA)
    encoded: str = blurhash.encode(small.tolist(), components_x=_HASH_ACROSS, components_y=_HASH_DOWN)
    return encoded


_SURE = 0.4


def alt_text(*, classes: list[tuple[str, float]], labels: list[tuple[str, float]], faces: int) -> str:
    """Suggest a sentence for who cannot see the picture; empty where nothing is sure."""
    people = {0: "", 1: "a person"}.get(faces, f"{faces} people")
    seen = [name for name, score in classes if score >= _SURE][:1] or [
        name for name, score in labels if score >= _SURE
    ][:1]
    things = [
        f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}" for name in seen if classes and name == classes[0][0]
    ] or seen
    shown = " and ".join(part for part in (people, *things) if part)
    return f"Picture, perhaps of {shown}" if shown else ""
