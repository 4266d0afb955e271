"""Smart cropping: the part of a picture with the most faces and visual saliency."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.vision.faces import Boxes
from models.vision.images import Pixels

Energy = NDArray[np.float64]
Window = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels."""

_SIDE = 64
_SMOOTH = (9, 9)
_FACES_WEIGHT = 4.0
_STEPS = 48


def saliency(pixels: Pixels) -> Energy:
    """Return the ``[64, 64]`` saliency map, which sums to 1, by the spectral residual (Hou and Zhang, CVPR 2007)."""
    small = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    spectrum = np.fft.fft2(small.astype(np.float64))
    magnitude = np.log(np.abs(spectrum) + 1e-9)
    residual = magnitude - cv2.blur(magnitude, (3, 3))
    energy = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    smooth = np.asarray(cv2.GaussianBlur(energy, _SMOOTH, 0))
    return np.asarray(smooth / smooth.sum(), dtype=np.float64)


def crop(pixels: Pixels, faces: Boxes, *, width: int, height: int) -> Window:
    """Return the largest window of the requested aspect ratio with the most saliency.

    Args:
        pixels: ``[H, W, 3]``, RGB.
        faces: faces of the picture; together they weigh four times as much as the saliency map, larger ones more.
        width: width of the display area.
        height: height of the display area.
    """
    high, wide = pixels.shape[:2]
    scale = min(wide / width, high / height)
    across, down = max(1, round(width * scale)), max(1, round(height * scale))
    energy = saliency(pixels) + _of_faces(faces, wide=wide, high=high)
    # The window can move along one axis only.
    along_x = across < wide
    profile = energy.sum(axis=0 if along_x else 1)
    slack, length, whole = (wide - across, across, wide) if along_x else (high - down, down, high)
    begin = _best(profile, slack=slack, length=length, whole=whole)
    return (begin, 0, begin + across, high) if along_x else (0, begin, wide, begin + down)


def _of_faces(faces: Boxes, *, wide: int, high: int) -> Energy:
    energy = np.zeros((_SIDE, _SIDE))
    for left, top, right, bottom, score in faces:
        x0, x1 = int(left / wide * _SIDE), max(int(np.ceil(right / wide * _SIDE)), int(left / wide * _SIDE) + 1)
        y0, y1 = int(top / high * _SIDE), max(int(np.ceil(bottom / high * _SIDE)), int(top / high * _SIDE) + 1)
        energy[y0:y1, x0:x1] += score
    total = energy.sum()
    return energy * (_FACES_WEIGHT / total) if total else energy


def _best(profile: Energy, *, slack: int, length: int, whole: int) -> int:
    if slack == 0:
        return 0
    sums = np.interp(np.linspace(0, _SIDE, whole + 1), np.arange(_SIDE + 1), np.append(0, profile.cumsum()))
    begins = np.unique(np.linspace(0, slack, _STEPS).round().astype(int))
    inside = sums[begins + length] - sums[begins]
    # Of equally good windows, the one nearest to the center.
    best = begins[inside >= inside.max() - 1e-3 * profile.sum()]
    return int(best[np.abs(best - slack / 2).argmin()])
