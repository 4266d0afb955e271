"""Erased users, whose features must not be pushed again."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import httpx
import polars as pl

from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from pipelines.ingest.erasure_confirmation import ErasureConfirmation

RETRY_SECONDS: Final = 5.0

_log = get_logger(__name__)


class ErasedUsers:
    """Erasure events, confirmed by the API in a thread, because a slow API must not delay features.

    Features of a user with an unconfirmed erasure are withheld, not deleted.
    """

    def __init__(self, settings: Settings) -> None:
        self._confirmation = ErasureConfirmation(settings)
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="confirm-erasures")
        self._pending: list[pl.DataFrame] = []
        self._requested = pl.DataFrame()
        self._response: Future[dict[int, str]] | None = None
        self._retry_at = 0.0
        self.confirmed: set[str] = set()
        self.unconfirmed = 0
        """Number of events that the API did not confirm; the sinks publish them as dead letters."""

    def add(self, events: pl.DataFrame) -> None:
        """Add decoded events of ``erasures``."""
        if (requested := events.filter(pl.col("_op") != "d")).height:
            self._pending.append(requested)

    @property
    def withheld(self) -> set[str]:
        """Ids of the users whose features must not be pushed."""
        requested = [self._requested] if self._response is not None else []
        return self.confirmed.union(*(frame["user_id"] for frame in [*self._pending, *requested]))

    def advance(self) -> set[str]:
        """Process the API's response if it arrived, and send the pending events; return newly confirmed users."""
        new: set[str] = set()
        if self._response is not None and self._response.done():
            new = self._process(self._response)
            self._response = None
        if self._pending and self._response is None and time.monotonic() >= self._retry_at:
            self._requested, self._pending = pl.concat(self._pending), []
            self._response = self._executor.submit(self._confirmation.find_unconfirmed, self._requested)
        self.confirmed |= new
        return new

    def _process(self, response: Future[dict[int, str]]) -> set[str]:
        try:
            unconfirmed = response.result()
        except httpx.HTTPError as error:
            _log.warning("stream.erasures_postponed", error=f"{type(error).__name__}: {error}")
            self._pending.append(self._requested)
            self._retry_at = time.monotonic() + RETRY_SECONDS
            return set()
        if unconfirmed:
            self.unconfirmed += len(unconfirmed)
            _log.warning("stream.erasures_unconfirmed", count=len(unconfirmed))
        return {user_id for index, user_id in enumerate(self._requested["user_id"]) if index not in unconfirmed}

    def close(self) -> None:
        """Shut down without waiting for a response."""
        self._executor.shutdown(wait=False, cancel_futures=True)
