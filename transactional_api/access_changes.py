"""Ends of sessions and accounts, as they happen: open streams and sockets check at once whether they may go on.

Triggers on ``user_sessions`` and ``users`` notify, whatever made the change: log-out, a new password, a revoked
session, suspension, erasure. A stream that misses one checks again on its own after some seconds.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from uuid import UUID

import psycopg

from neighborconnect.settings import Settings
from neighborconnect.telemetry import get_logger

CHANNEL = "access_changed"
RETRY_SECONDS = 1.0

log = get_logger(__name__)


class AccessChanges:
    """Events of one process, over a single connection to PostgreSQL."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._waiting: dict[UUID, set[asyncio.Event]] = defaultdict(set)
        self.listening = asyncio.Event()

    @contextmanager
    def of(self, user_id: UUID) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever a person's access may have ended."""
        changed = asyncio.Event()
        self._waiting[user_id].add(changed)
        try:
            yield changed
        finally:
            self._waiting[user_id].discard(changed)
            if not self._waiting[user_id]:
                del self._waiting[user_id]

    async def run(self) -> None:
        """Listen until cancelled; after a lost connection everybody checks."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self.listening.set()
                    for user_id in list(self._waiting):
                        self._set(user_id)
                    async for notice in connection.notifies():
                        self._set(UUID(notice.payload))
            except (psycopg.Error, OSError) as error:
                log.warning("access_changes.lost", error=type(error).__name__)
            self.listening.clear()
            await asyncio.sleep(RETRY_SECONDS)

    def _set(self, user_id: UUID) -> None:
        for changed in self._waiting.get(user_id, ()):
            changed.set()


async def wait_for_any(*events: asyncio.Event, seconds: float) -> None:
    """Return when one of the events is set, or after so many seconds."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()


@asynccontextmanager
async def open_access_changes(settings: Settings) -> AsyncIterator[AccessChanges]:
    """Listen over a connection of its own, and close it at the end."""
    changes = AccessChanges(settings.database_url)
    listening = asyncio.create_task(changes.run())
    try:
        yield changes
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
