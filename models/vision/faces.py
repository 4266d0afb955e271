"""Faces: where they are (CenterFace; Xu et al., 2019), and hidden so that they are not found again."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.vision.networks import open_network
from models.vision.pictures import Pixels
from neighborconnect.contracts.vision import Hiding

Boxes = NDArray[np.float32]
"""Left, top, right and bottom in pixels, and the score from 0 to 1: ``[N, 5]``, the surest first."""

THRESHOLD = 0.5
"""From which score on something is said to be a face."""
HIDING_THRESHOLD = 0.3
"""From which score on something is hidden: one too many does no harm."""
LONGEST = 640
_HIDING_SIZES = (640, 1_280)
_STRIDE, _CELL = 32, 4
_OVERLAP = 0.3
_NONE = np.zeros((0, 5), dtype=np.float32)


class FaceDetector:
    """Finds faces."""

    def __init__(self, network: Path | bytes) -> None:
        self._session = open_network(network)

    def find(self, pixels: Pixels, *, longest: int = LONGEST, threshold: float = THRESHOLD) -> Boxes:
        """Return the faces of a picture.

        Args:
            pixels: ``[H, W, 3]``, RGB.
            longest: pixels of the longer side that the network looks at; more finds smaller faces, and takes longer.
            threshold: least score.
        """
        height, width = pixels.shape[:2]
        scale = longest / max(height, width)
        if scale > 1:
            scale = min(scale, 2.0)
        to = [max(_STRIDE, -(-round(side * scale) // _STRIDE) * _STRIDE) for side in (width, height)]
        small = cv2.resize(pixels, to, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        batch = np.ascontiguousarray(small.transpose(2, 0, 1)[None], dtype=np.float32)
        heat, sizes, offsets, _ = self._session.run(None, {"input.1": batch})
        found = _decode(heat, sizes, offsets, threshold=threshold)
        found[:, [0, 2]] = (found[:, [0, 2]] * (width / to[0])).clip(0, width)
        found[:, [1, 3]] = (found[:, [1, 3]] * (height / to[1])).clip(0, height)
        return found


def _decode(heat: Boxes, sizes: Boxes, offsets: Boxes, *, threshold: float) -> Boxes:
    """Turn the network's maps, one value every 4 pixels, into boxes without doubles."""
    rows, columns = np.nonzero(heat[0, 0] > threshold)
    if len(rows) == 0:
        return _NONE.copy()
    score = heat[0, 0, rows, columns]
    tall, wide = np.exp(sizes[0][:, rows, columns]) * _CELL
    below, right = offsets[0][:, rows, columns]
    left = (columns + right + 0.5) * _CELL - wide / 2
    top = (rows + below + 0.5) * _CELL - tall / 2
    boxes = np.stack([left, top, left + wide, top + tall, score], axis=1).astype(np.float32)
    corners = np.stack([left, top, wide, tall], axis=1)
    kept = np.asarray(cv2.dnn.NMSBoxes(corners.tolist(), score.tolist(), threshold, _OVERLAP), dtype=np.intp)
    return boxes[kept.ravel()]


_MARGIN = 0.2
_ROUNDS = 4
_BLOCKS = 3


def hide(detector: FaceDetector, pixels: Pixels, *, how: Hiding) -> tuple[Pixels, int]:
    """Return a copy in which the detector finds no face any more, and how many places were hidden.

    What is hidden is looked for again, at two sizes, and hidden more thoroughly, until nothing is found; what still
    is after four rounds is painted over.
    """
    hidden, places = pixels.copy(), 0
    for round_number in range(_ROUNDS + 1):
        found = np.concatenate(
            [detector.find(hidden, longest=size, threshold=HIDING_THRESHOLD) for size in _HIDING_SIZES]
        )
        if len(found) == 0:
            break
        if round_number == 0:
            places = _distinct(found)
        for left, top, right, bottom, _ in found:
            margin = _MARGIN * (1 + round_number) * np.array([right - left, bottom - top])
            x0, y0 = (max(0, int(v)) for v in (left - margin[0], top - margin[1]))
            x1, y1 = int(np.ceil(right + margin[0])), int(np.ceil(bottom + margin[1]))
            part = hidden[y0:y1, x0:x1]
            if part.size:
                part[:] = part.mean(axis=(0, 1)) if round_number == _ROUNDS else _unknowable(part, how)
    return hidden, places


def _distinct(boxes: Boxes) -> int:
    corners = np.concatenate([boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(corners.tolist(), boxes[:, 4].tolist(), 0.0, _OVERLAP)
    return len(np.ravel(np.asarray(kept)))


def _unknowable(part: Pixels, how: Hiding) -> Pixels:
    """Keep three points across: fewer than anybody is known by, so that no sharpening brings them back."""
    height, width = part.shape[:2]
    few = cv2.resize(part, (min(width, _BLOCKS), min(height, _BLOCKS)), interpolation=cv2.INTER_AREA)
    smooth = cv2.INTER_NEAREST if how is Hiding.PIXELATE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(few, (width, height), interpolation=smooth), dtype=np.uint8)
