"""Low watermark of the outbox: the smallest id that can still appear, so that the relay need not scan below it.

Rows that the relay deleted stay in the table and its index until vacuum removes them, and vacuum cannot while any older
transaction of the server is open, such as a ten-minute one of the warehouse. A scan from the first id would read all
deleted rows, a hundred times a second.
"""

from __future__ import annotations

import time

import psycopg
from psycopg.rows import TupleRow

WRITER_CHECK_SECONDS = 1.0
FULL_SCAN_SECONDS = 60.0
"""Interval of scans from the first id, for an event that an operator made eligible again."""

# A writer holds this lock from before it draws an id until the end of its transaction.
_WRITERS = """
    SELECT virtualtransaction FROM pg_locks
    WHERE relation = 'cdc_outbox'::regclass AND mode = 'RowExclusiveLock' AND pid IS DISTINCT FROM pg_backend_pid()
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class LowWatermark:
    """Advances to an id once every transaction that could write below it has ended and a scan returned no lower id."""

    def __init__(self) -> None:
        """Start at the first id."""
        self.id = 0
        self._completed = 0
        """No open transaction has drawn an id below this one."""
        self._highest_read = 0
        self._candidate = 0
        self._candidate_writers: set[str] = set()
        """Transactions that can still write below the candidate."""
        self._checked_at = self._full_scan_at = time.monotonic()

    def scan_start(self, connection: psycopg.Connection[TupleRow]) -> int:
        """Return the first id of the next scan; call it outside of a transaction, immediately before each scan."""
        now = time.monotonic()
        if now - self._full_scan_at > FULL_SCAN_SECONDS:
            self.id, self._full_scan_at = 0, now
        elif self._completed <= self._highest_read and now - self._checked_at > WRITER_CHECK_SECONDS:
            self._checked_at = now
            writers = {writer for (writer,) in connection.execute(_WRITERS, prepare=True)}
            if writers.isdisjoint(self._candidate_writers):
                self._completed = self._candidate
                self._candidate, self._candidate_writers = self._highest_read + 1, writers
        return self.id

    def advance(self, *, first: int | None = None, last: int | None = None) -> None:
        """Record a scan after its rows were deleted from the outbox, and advance if it returned none below.

        Args:
            first: smallest id of the scan; None if it returned no row.
            last: largest id of the scan; None if it returned no row.
        """
        if first is None or first >= self._completed:
            self.id = max(self.id, self._completed)
        self._highest_read = max(self._highest_read, last or 0)
