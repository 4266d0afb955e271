"""Confirmation of erasure events by the API: whoever can write to Kafka could ask for anybody to be erased."""

from __future__ import annotations

from typing import Final

import polars as pl

from neighborconnect.contracts.topics import STREAM_BY_TABLE, Stream
from neighborconnect.settings import Settings
from pipelines.privacy_api import RequestedErasure, requested_erasures

ERASURES: Final = STREAM_BY_TABLE["erasures"].table
UNCONFIRMED: Final = "unconfirmed_erasures"
"""Counter of refused erasure events in a worker's health file."""


class ErasureConfirmation:
    """Asks the API which erasure events are of people who requested it; remembers those that are."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._confirmed: dict[str, RequestedErasure] = {}

    @staticmethod
    def is_needed(stream: Stream) -> bool:
        """Return whether events of ``stream`` erase people."""
        return stream.table == ERASURES

    def unconfirmed(self, events: pl.DataFrame) -> dict[int, str]:
        """Return index and reason of each event of ``erasures`` that the API does not confirm.

        A change is confirmed by an erasure with its id for its person; a deletion by there being none.

        Raises:
            httpx.HTTPError: when the API cannot be asked; ask again later.
        """
        rows = list(events.select("id", "user_id", "keeps_words", "_op").iter_rows())
        unknown = {row[0] for row in rows if row[0] not in self._confirmed or row[3] == "d"}
        for one in requested_erasures(self._settings, ids=sorted(unknown)) if unknown else ():
            self._confirmed[one.id] = one
            unknown.discard(one.id)
        for gone in unknown:
            self._confirmed.pop(gone, None)
        reasons = (self._fault(*row) for row in rows)
        return {index: reason for index, reason in enumerate(reasons) if reason}

    def _fault(self, erasure_id: str, user_id: str, keeps_words: bool, op: str) -> str | None:
        requested = self._confirmed.get(erasure_id)
        if op == "d":
            return "the API still has this erasure" if requested else None
        if requested is None:
            return "the API has no erasure with this id"
        if (requested.user_id, requested.keeps_words) != (user_id, keeps_words):
            return "the API has this erasure for another person or in another form"
        return None
