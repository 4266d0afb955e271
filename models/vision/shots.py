"""Shot boundary detection by TransNet V2 (Souček and Lokoč, 2020) on frames of 48 x 27 pixels.

The network reads windows of 100 frames, of which the middle 50 are used.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.vision.networks import open_network

FRAME = (27, 48)
"""Height and width of the network's frames."""
WINDOW = 100
_EDGE = 25
_STEP = WINDOW - 2 * _EDGE
THRESHOLD = 0.5

Frames = NDArray[np.uint8]


class ShotDetector:
    """TransNet V2 detector."""

    def __init__(self, network: Path | bytes) -> None:
        self._session: onnxruntime.InferenceSession = open_network(network)

    def cuts(self, frames: Frames) -> list[int]:
        """Return the index of the first frame of every shot but the first.

        Args:
            frames: all frames of the video in order, RGB, ``[N, 27, 48, 3]``.
        """
        if len(frames) == 0:
            return []
        is_cut = self._probabilities(frames) > THRESHOLD
        # A transition may span several frames; the shot begins after the last of them.
        ends = np.flatnonzero(is_cut & ~np.append(is_cut[1:], False))
        return [int(end) + 1 for end in ends if end + 1 < len(frames)]

    def _probabilities(self, frames: Frames) -> NDArray[np.float32]:
        after = _EDGE + (-len(frames)) % _STEP
        padded = np.concatenate([frames[:1].repeat(_EDGE, 0), frames, frames[-1:].repeat(after, 0)])
        found = [
            self._session.run(None, {"pictures": padded[None, begin : begin + WINDOW]})[0][0, _EDGE:-_EDGE]
            for begin in range(0, len(padded) - WINDOW + 1, _STEP)
        ]
        return np.concatenate(found)[: len(frames)]
