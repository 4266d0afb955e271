"""Face detection by CenterFace (Xu et al., 2019), and anonymization until no face is detected."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.vision.images import Pixels
from models.vision.networks import open_network
from neighborconnect.contracts.vision import AnonymizationMethod

Boxes = NDArray[np.float32]
"""``[N, 5]``: left, top, right and bottom in pixels, and a score from 0 to 1, by descending score."""

THRESHOLD = 0.5
"""Minimum score of a detection."""
ANONYMIZATION_THRESHOLD = 0.3
"""Minimum score of a detection for anonymization; lower, since a false detection is harmless there."""
DETECTION_EDGE = 640
_ANONYMIZATION_EDGES = (640, 1_280)
_STRIDE, _CELL = 32, 4
_OVERLAP = 0.3
_NONE = np.zeros((0, 5), dtype=np.float32)


class FaceDetector:
    """CenterFace detector."""

    def __init__(self, network: Path | bytes) -> None:
        self._session = open_network(network)

    def find(self, pixels: Pixels, *, max_edge: int = DETECTION_EDGE, threshold: float = THRESHOLD) -> Boxes:
        """Return the faces of a picture.

        Args:
            pixels: ``[H, W, 3]``, RGB.
            max_edge: longer side of the network's input in pixels; a larger one detects smaller faces and takes longer.
            threshold: minimum score.
        """
        height, width = pixels.shape[:2]
        scale = max_edge / max(height, width)
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
    """Decode the network's maps (stride 4) into boxes after non-maximum suppression."""
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
_MAX_ROUNDS = 4
_BLOCKS = 3


def anonymize(detector: FaceDetector, pixels: Pixels, *, method: AnonymizationMethod) -> tuple[Pixels, int]:
    """Return a copy in which the detector finds no face, and the number of anonymized faces.

    Detection is repeated at two sizes, with a larger margin in each round, until nothing is detected; areas that are
    still detected after four rounds are filled with their mean color.
    """
    copy, places = pixels.copy(), 0
    for round_number in range(_MAX_ROUNDS + 1):
        boxes = np.concatenate(
            [detector.find(copy, max_edge=edge, threshold=ANONYMIZATION_THRESHOLD) for edge in _ANONYMIZATION_EDGES]
        )
        if len(boxes) == 0:
            break
        if round_number == 0:
            places = _count_distinct(boxes)
        for left, top, right, bottom, _ in boxes:
            margin = _MARGIN * (1 + round_number) * np.array([right - left, bottom - top])
            x0, y0 = (max(0, int(v)) for v in (left - margin[0], top - margin[1]))
            x1, y1 = int(np.ceil(right + margin[0])), int(np.ceil(bottom + margin[1]))
            part = copy[y0:y1, x0:x1]
            if part.size:
                part[:] = part.mean(axis=(0, 1)) if round_number == _MAX_ROUNDS else _coarsen(part, method)
    return copy, places


def _count_distinct(boxes: Boxes) -> int:
    corners = np.concatenate([boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(corners.tolist(), boxes[:, 4].tolist(), 0.0, _OVERLAP)
    return len(np.ravel(np.asarray(kept)))


def _coarsen(part: Pixels, method: AnonymizationMethod) -> Pixels:
    """Reduce a face to 3 x 3 pixels, too few to recognize a person, so that it cannot be restored by sharpening."""
    height, width = part.shape[:2]
    few = cv2.resize(part, (min(width, _BLOCKS), min(height, _BLOCKS)), interpolation=cv2.INTER_AREA)
    smooth = cv2.INTER_NEAREST if method is AnonymizationMethod.PIXELATE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(few, (width, height), interpolation=smooth), dtype=np.uint8)
