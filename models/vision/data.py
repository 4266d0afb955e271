"""Pictures and clips of the quality check: public pictures from pip packages, and clips synthesized from them.

Photographs of scikit-image (NASA, Wikimedia Commons and others, free licenses) and scikit-learn (CC BY); a hundred
faces of Labeled Faces in the Wild as shipped with scikit-image, 25 pixels wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import cv2
import numpy as np
from numpy.random import Generator, default_rng

from models.vision.images import Pixels, pixels_of, read
from models.vision.shots import FRAME, Frames

_SKIMAGE = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "rocket.jpg",
    "motorcycle_left.png",
    "hubble_deep_field.jpg",
    "retina.jpg",
    "camera.png",
    "coins.png",
    "grass.png",
    "brick.png",
    "horse.png",
)
_SKLEARN = ("china.jpg", "flower.jpg")
PORTRAIT = "astronaut.png"


def ordinary_images() -> dict[str, Pixels]:
    """Return safe-for-work pictures by name; ``PORTRAIT`` shows one face."""
    found = {name: files("skimage.data") / name for name in _SKIMAGE}
    found |= {name: files("sklearn.datasets") / "images" / name for name in _SKLEARN}
    return {name: pixels_of(read(path.read_bytes())) for name, path in found.items()}


_FACE_SIDE, _FACES_ACROSS = 48, 5


def crowds() -> list[Pixels]:
    """Return four gray pictures of 25 faces each, every face 48 pixels wide with a margin around it."""
    loaded = np.load(str(files("skimage.data") / "lfw_subset.npy"))
    faces = (loaded[:100] * 255).clip(0, 255).astype(np.uint8)
    each = _FACES_ACROSS**2
    pictures = []
    for begin in range(0, len(faces), each):
        tiles = [_tile(face) for face in faces[begin : begin + each]]
        rows = [np.hstack(tiles[row : row + _FACES_ACROSS]) for row in range(0, each, _FACES_ACROSS)]
        pictures.append(np.vstack(rows))
    return pictures


def _tile(face: Pixels) -> Pixels:
    larger = cv2.resize(face, (_FACE_SIDE, _FACE_SIDE), interpolation=cv2.INTER_CUBIC)
    edge = _FACE_SIDE // 2
    framed = cv2.copyMakeBorder(larger, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor(framed, cv2.COLOR_GRAY2RGB), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class SyntheticClip:
    """Clip of several shots: frames at the detector's size, and the first frame of every shot but the first."""

    frames: Frames
    cuts: list[int]


_SHORTEST, _LONGEST, _SHOTS_A_CLIP, _CLIPS = 20, 60, 6, 3


def synthetic_clips(pictures: dict[str, Pixels], *, seed: int) -> list[SyntheticClip]:
    """Return clips with hard cuts between slow pans over different pictures."""
    random, names = default_rng(seed), sorted(pictures)
    clips = []
    for _ in range(_CLIPS):
        chosen = random.choice(names, size=_SHOTS_A_CLIP, replace=False)
        shots = [_pan(pictures[name], random) for name in chosen]
        begins = np.cumsum([len(shot) for shot in shots])[:-1]
        clips.append(SyntheticClip(np.concatenate(shots), [int(begin) for begin in begins]))
    return clips


def _pan(pixels: Pixels, random: Generator) -> Frames:
    """Pan a window of four fifths of the size over a picture."""
    number = int(random.integers(_SHORTEST, _LONGEST))
    height, width = pixels.shape[:2]
    across, down = width * 4 // 5, height * 4 // 5
    begin, end = random.random(2), random.random(2)
    frames = []
    for share in np.linspace(0, 1, number):
        x, y = ((begin + (end - begin) * share) * (width - across, height - down)).astype(int)
        view = pixels[y : y + down, x : x + across]
        frames.append(cv2.resize(view, FRAME[::-1], interpolation=cv2.INTER_AREA))
    return np.stack(frames)
