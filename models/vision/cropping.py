"""The part of a picture that a small copy should show: where the faces are, and what stands out."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.vision.faces import Boxes
from models.vision.pictures import Pixels

Energy = NDArray[np.float64]
Window = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels."""

_SIDE = 64
_SMOOTH = (9, 9)
_FACES_WEIGH = 4.0
_STEPS = 48


def saliency(pixels: Pixels) -> Energy:
    """Return how much each part stands out, ``[64, 64]`` summing to 1: the spectral residual (Hou and Zhang, 2007)."""
    small = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    spectrum = np.fft.fft2(small.astype(np.float64))
    magnitude = np.log(np.abs(spectrum) + 1e-9)
    residual = magnitude - cv2.blur(magnitude, (3, 3))
    energy = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    smooth = np.asarray(cv2.GaussianBlur(energy, _SMOOTH, 0))
    return np.asarray(smooth / smooth.sum(), dtype=np.float64)


def crop(pixels: Pixels, faces: Boxes, *, width: int, height: int) -> Window:
    """Return the largest part of a picture that is as wide to high as asked, and shows the most of it.

    Args:
        pixels: ``[H, W, 3]``, RGB.
        faces: of the picture; together they weigh four times as much as all else, the larger the more.
        width: that the part is to be shown in.
        height: that the part is to be shown in.
    """
    high, wide = pixels.shape[:2]
    scale = min(wide / width, high / height)
    across, down = max(1, round(width * scale)), max(1, round(height * scale))
    energy = saliency(pixels) + _of_faces(faces, wide=wide, high=high)
    # In only one direction is there anything to choose.
    along_x = across < wide
    profile = energy.sum(axis=0 if along_x else 1)
    room, length, whole = (wide - across, across, wide) if along_x else (high - down, down, high)
    begin = _best(profile, room=room, length=length, whole=whole)
    return (begin, 0, begin + across, high) if along_x else (0, begin, wide, begin + down)


def _of_faces(faces: Boxes, *, wide: int, high: int) -> Energy:
    energy = np.zeros((_SIDE, _SIDE))
    for left, top, right, bottom, score in faces:
        x0, x1 = int(left / wide * _SIDE), max(int(np.ceil(right / wide * _SIDE)), int(left / wide * _SIDE) + 1)
        y0, y1 = int(top / high * _SIDE), max(int(np.ceil(bottom / high * _SIDE)), int(top / high * _SIDE) + 1)
        energy[y0:y1, x0:x1] += score
    total = energy.sum()
    return energy * (_FACES_WEIGH / total) if total else energy


def _best(profile: Energy, *, room: int, length: int, whole: int) -> int:
    if room == 0:
        return 0
    sums = np.interp(np.linspace(0, _SIDE, whole + 1), np.arange(_SIDE + 1), np.append(0, profile.cumsum()))
    begins = np.unique(np.linspace(0, room, _STEPS).round().astype(int))
    inside = sums[begins + length] - sums[begins]
    # Of equally good ones the one nearest to the middle.
    best = begins[inside >= inside.max() - 1e-3 * profile.sum()]
    return int(best[np.abs(best - room / 2).argmin()])
