"""Confirmation of erasure events by the API, because every writer to Kafka could forge one."""

from __future__ import annotations

from typing import Final

import polars as pl

from neighborconnect.contracts.topics import STREAM_BY_TABLE, Stream
from neighborconnect.settings import Settings
from pipelines.privacy_api import RequestedErasure, find_erasures

ERASURES: Final = STREAM_BY_TABLE["erasures"].table
UNCONFIRMED: Final = "unconfirmed_erasures"
"""Name of the counter of rejected erasure events in a worker's health file."""


class ErasureConfirmation:
    """Client that asks the API which erasure events were requested, with a cache of the confirmed ones."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._confirmed: dict[str, RequestedErasure] = {}

    @staticmethod
    def is_needed(stream: Stream) -> bool:
        """Return whether events of ``stream`` erase users."""
        return stream.table == ERASURES

    def find_unconfirmed(self, events: pl.DataFrame) -> dict[int, str]:
        """Return index and reason of each event of ``erasures`` that the API does not confirm.

        ==========  ==========================================================================
        Operation   Confirmed if the API has
        ==========  ==========================================================================
        change      an erasure with the id of the event, for the same user and in the same form
        deletion    no erasure with the id of the event
        ==========  ==========================================================================

        Raises:
            httpx.HTTPError: if the API is unreachable or responds with an error.
        """
        rows = list(events.select("id", "user_id", "keeps_words", "_op").iter_rows())
        unknown = {row[0] for row in rows if row[0] not in self._confirmed or row[3] == "d"}
        for erasure in find_erasures(self._settings, ids=sorted(unknown)) if unknown else ():
            self._confirmed[erasure.id] = erasure
            unknown.discard(erasure.id)
        for deleted in unknown:
            self._confirmed.pop(deleted, None)
        reasons = (self._mismatch(*row) for row in rows)
        return {index: reason for index, reason in enumerate(reasons) if reason}

    def _mismatch(self, erasure_id: str, user_id: str, keeps_words: bool, op: str) -> str | None:
        requested = self._confirmed.get(erasure_id)
        if op == "d":
            return "the API still has this erasure" if requested else None
        if requested is None:
            return "the API has no erasure with this id"
        if (requested.user_id, requested.keep_words) != (user_id, keeps_words):
            return "the API has this erasure for another user or in another form"
        return None
