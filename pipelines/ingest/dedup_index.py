"""Index of the event ids in a table, for deduplication without a scan of the table for each batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Ids: TypeAlias = npt.NDArray[np.int64]

WINDOW: Final = 200_000
_HIGHEST: Final = np.iinfo(np.int64).max


class DedupIndex:
    """The newest event ids in memory; older ones are looked up in the table.

    Repeated events come from batches that the relay was publishing when it or Kafka failed, so they are nearly always
    among the newest.
    """

    def __init__(self, *, highest: int, lookup: Callable[[int, int], Ids]) -> None:
        """Load the newest ids.

        Args:
            highest: the highest id in the table, 0 if it is empty.
            lookup: returns the ids in the table from its first argument to its second, inclusive.
        """
        self._lookup = lookup
        self._window_start = max(highest - WINDOW, 0)
        self._newest = np.sort(lookup(self._window_start, _HIGHEST)) if highest else np.empty(0, np.int64)

    def contains(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Return, for each id, whether the table contains it."""
        contained = np.isin(ids, self._newest)
        older = ids < self._window_start
        if older.any():
            contained |= np.isin(ids, self._lookup(int(ids[older].min()), int(ids[older].max())))
        return contained

    def add(self, ids: Ids) -> None:
        """Add committed ids."""
        self._newest = np.union1d(self._newest, ids[ids >= self._window_start])
        if len(self._newest) > 2 * WINDOW:
            self._newest = self._newest[-WINDOW:]
            self._window_start = int(self._newest[0])
