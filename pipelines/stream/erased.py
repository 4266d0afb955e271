"""People who were erased, as far as the stream must know them: nothing of them is pushed again."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import httpx
import polars as pl

from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger
from pipelines.ingest.confirmation import ErasureConfirmation

RETRY_SECONDS: Final = 5.0

_log = get_logger(__name__)


class ErasedPeople:
    """Collects erasure events and asks the API about them in a thread: a slow API must not delay features.

    Features of a person whose erasure is not confirmed yet are withheld, not erased.
    """

    def __init__(self, settings: Settings) -> None:
        self._confirmation = ErasureConfirmation(settings)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="confirm-erasures")
        self._waiting: list[pl.DataFrame] = []
        self._asked = pl.DataFrame()
        self._answer: Future[dict[int, str]] | None = None
        self._retry_at = 0.0
        self.confirmed: set[str] = set()
        self.unconfirmed = 0
        """Events that the API refused to confirm; the sinks make dead letters of them."""

    def add(self, events: pl.DataFrame) -> None:
        """Take in decoded events of ``erasures``."""
        if (requested := events.filter(pl.col("_op") != "d")).height:
            self._waiting.append(requested)

    @property
    def withheld(self) -> set[str]:
        """People of whom nothing may be pushed."""
        asked = [self._asked] if self._answer is not None else []
        return self.confirmed.union(*(frame["user_id"] for frame in [*self._waiting, *asked]))

    def advance(self) -> set[str]:
        """Take the answer of the API if there is one, and ask what waits; return the people confirmed now."""
        new: set[str] = set()
        if self._answer is not None and self._answer.done():
            new = self._take(self._answer)
            self._answer = None
        if self._waiting and self._answer is None and time.monotonic() >= self._retry_at:
            self._asked, self._waiting = pl.concat(self._waiting), []
            self._answer = self._thread.submit(self._confirmation.unconfirmed, self._asked)
        self.confirmed |= new
        return new

    def _take(self, answer: Future[dict[int, str]]) -> set[str]:
        try:
            refused = answer.result()
        except httpx.HTTPError as error:
            _log.warning("stream.erasures_postponed", error=f"{type(error).__name__}: {error}")
            self._waiting.append(self._asked)
            self._retry_at = time.monotonic() + RETRY_SECONDS
            return set()
        if refused:
            self.unconfirmed += len(refused)
            _log.warning("stream.erasures_unconfirmed", count=len(refused))
        return {user for index, user in enumerate(self._asked["user_id"]) if index not in refused}

    def close(self) -> None:
        """Wait for no answer."""
        self._thread.shutdown(wait=False, cancel_futures=True)
