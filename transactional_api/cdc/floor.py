"""Below which id no event can come any more, so that the relay need not look there.

What the relay deleted stays in the table and its index until vacuum may take it, and vacuum may not while any
transaction of the server is older: one of the warehouse's, too, that runs for ten minutes. A look that began at the
first id would read all that was deleted since, a hundred times a second.
"""

from __future__ import annotations

import time

import psycopg
from psycopg.rows import TupleRow

ASK_SECONDS = 1.0
FROM_THE_START_SECONDS = 60.0
"""So often a look begins at the first id all the same, for an event that an operator set free again."""

# Whoever draws an id holds this lock since before, until the end of the transaction.
_WRITERS = """
    SELECT virtualtransaction FROM pg_locks
    WHERE relation = 'cdc_outbox'::regclass AND mode = 'RowExclusiveLock' AND pid IS DISTINCT FROM pg_backend_pid()
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class Floor:
    """Rises to what was seen once all have ended who were writing then, and a look found nothing more below it."""

    def __init__(self) -> None:
        """Begin at the first id."""
        self.id = 0
        self._ended = 0
        """No transaction that drew an id below this one is still running."""
        self._seen = 0
        self._noted = 0
        self._writers: set[str] = set()
        """Who could still write below what was noted."""
        self._asked_at = self._started_at = time.monotonic()

    def before_look(self, connection: psycopg.Connection[TupleRow]) -> int:
        """Return the id at which to begin; to be called outside of a transaction, right before each look."""
        now = time.monotonic()
        if now - self._started_at > FROM_THE_START_SECONDS:
            self.id, self._started_at = 0, now
        elif self._ended <= self._seen and now - self._asked_at > ASK_SECONDS:
            self._asked_at = now
            writers = {writer for (writer,) in connection.execute(_WRITERS, prepare=True)}
            if writers.isdisjoint(self._writers):
                self._ended, self._noted, self._writers = self._noted, self._seen + 1, writers
        return self.id

    def after_look(self, *, first: int | None = None, last: int | None = None) -> None:
        """Tell which ids, in order, the look found, once they have left the outbox; None for nothing."""
        if first is None or first >= self._ended:
            self.id = max(self.id, self._ended)
        self._seen = max(self._seen, last or 0)
