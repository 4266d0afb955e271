"""Which event ids a table already holds, without reading the table for each batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Ids: TypeAlias = npt.NDArray[np.int64]

WINDOW: Final = 200_000
_HIGHEST: Final = np.iinfo(np.int64).max


class SeenIds:
    """The newest ids in memory, the older ones by looking them up.

    Repeated events are repeats of a batch that the relay had in hand when something died, so they are nearly always
    among the newest.
    """

    def __init__(self, *, highest: int, lookup: Callable[[int, int], Ids]) -> None:
        """Load the newest ids.

        Args:
            highest: the highest id in the table, 0 if there is none.
            lookup: returns the ids in the table from its first argument to its second, both included.
        """
        self._lookup = lookup
        self._floor = max(highest - WINDOW, 0)
        self._newest = np.sort(lookup(self._floor, _HIGHEST)) if highest else np.empty(0, np.int64)

    def known(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Tell for each id whether the table holds it."""
        known = np.isin(ids, self._newest)
        old = ids < self._floor
        if old.any():
            known |= np.isin(ids, self._lookup(int(ids[old].min()), int(ids[old].max())))
        return known

    def add(self, ids: Ids) -> None:
        """Remember ids that were committed."""
        self._newest = np.union1d(self._newest, ids[ids >= self._floor])
        if len(self._newest) > 2 * WINDOW:
            self._newest = self._newest[-WINDOW:]
            self._floor = int(self._newest[0])
