"""Durations of the stages of a ranking."""

from __future__ import annotations

import time


class StageClock:
    """Milliseconds of consecutive stages."""

    def __init__(self) -> None:
        """Start the first stage."""
        self.stages: dict[str, float] = {}
        self._started_at = time.perf_counter()

    def end(self, stage: str) -> None:
        """End a stage and start the next."""
        now = time.perf_counter()
        self.stages[stage], self._started_at = (now - self._started_at) * 1_000, now
