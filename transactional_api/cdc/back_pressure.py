"""Size limit of the outbox: above it, bulk writers wait for the relay and the relay's status raises an alarm.

Writes of users never wait: their transactions write to the outbox whatever its size.
"""

from __future__ import annotations

import time
from typing import Final

import psycopg

ALARM_EVENTS: Final = 200_000
"""Events in the outbox from which bulk writers wait; the relay publishes this many in about a minute."""
STALL_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.2
_COUNT: Final = "SELECT count(*) FROM (SELECT FROM cdc_outbox WHERE rejected IS NULL LIMIT %s) AS waiting"


class OutboxFullError(RuntimeError):
    """The outbox is full and the relay publishes nothing."""

    def __init__(self, limit: int, seconds: float) -> None:
        super().__init__(
            f"The outbox holds more than {limit} events and the relay has published none for {seconds:.0f} seconds. "
            "Check `neighborconnect status relay` and Kafka, then run the command again."
        )


def wait_for_room(
    connection: psycopg.Connection, *, limit: int = ALARM_EVENTS, stall_seconds: float = STALL_SECONDS
) -> None:
    """Return once the outbox holds at most ``limit`` events; bulk writers call it between their transactions.

    Raises:
        OutboxFullError: if the outbox does not shrink for ``stall_seconds``.
    """
    first_id: int | None = -1
    progressed_at = time.monotonic()
    while _is_full(connection, limit):
        row = connection.execute("SELECT min(id) FROM cdc_outbox WHERE rejected IS NULL").fetchone()
        oldest = row[0] if row else None
        if oldest != first_id:
            first_id, progressed_at = oldest, time.monotonic()
        elif time.monotonic() - progressed_at > stall_seconds:
            raise OutboxFullError(limit, stall_seconds)
        time.sleep(_POLL_SECONDS)


def wait_for_room_in(database_url: str) -> None:
    """Return once the outbox of a database has room, for writers that have no connection of psycopg's.

    Raises:
        OutboxFullError: if the outbox is full and the relay publishes nothing.
    """
    with psycopg.connect(database_url, autocommit=True, application_name="back-pressure") as connection:
        wait_for_room(connection)


def _is_full(connection: psycopg.Connection, limit: int) -> bool:
    row = connection.execute(_COUNT, [limit + 1]).fetchone()
    return row is not None and int(row[0]) > limit
