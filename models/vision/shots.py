"""Where a video is cut: TransNet V2 over pictures of 48 by 27 pixels, 100 at a time of which the middle 50 count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.vision.networks import open_network

FRAME = (27, 48)
"""Height and width of the pictures that it looks at."""
WINDOW = 100
_EDGE = 25
_STEP = WINDOW - 2 * _EDGE
THRESHOLD = 0.5

Pictures = NDArray[np.uint8]


class ShotDetector:
    """Finds the cuts of a video."""

    def __init__(self, network: Path | bytes) -> None:
        self._session: onnxruntime.InferenceSession = open_network(network)

    def cuts(self, pictures: Pictures) -> list[int]:
        """Return the number of the first picture of every shot but the first.

        Args:
            pictures: of the whole video in order, RGB, ``[N, 27, 48, 3]``.
        """
        if len(pictures) == 0:
            return []
        likely = self._likely(pictures) > THRESHOLD
        # A transition may be likely over some pictures; the shot begins after the last of them.
        ends = np.flatnonzero(likely & ~np.append(likely[1:], False))
        return [int(end) + 1 for end in ends if end + 1 < len(pictures)]

    def _likely(self, pictures: Pictures) -> NDArray[np.float32]:
        after = _EDGE + (-len(pictures)) % _STEP
        padded = np.concatenate([pictures[:1].repeat(_EDGE, 0), pictures, pictures[-1:].repeat(after, 0)])
        found = [
            self._session.run(None, {"pictures": padded[None, begin : begin + WINDOW]})[0][0, _EDGE:-_EDGE]
            for begin in range(0, len(padded) - WINDOW + 1, _STEP)
        ]
        return np.concatenate(found)[: len(pictures)]
