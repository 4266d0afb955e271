"""Notifications about ended sessions and accounts: open streams and sockets check their permissions at once.

Triggers on ``user_sessions`` and ``users`` notify, whatever made the change: log-out, a new password, a revoked
session, suspension, erasure. Blocks notify both users, so that open sockets hide one from the other at once.
A stream that misses a notification checks again at its own interval.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.settings import Settings
from transactional_api.core.pubsub import PostgresSubscriber, open_postgres_subscriber

CHANNEL = "access_changed"


async def notify_access_changed(session: AsyncSession, *user_ids: UUID) -> None:
    """Make the users' open streams and sockets check their permissions once the session's transaction commits."""
    for user_id in user_ids:
        await session.execute(select(func.pg_notify(CHANNEL, str(user_id))))


@asynccontextmanager
async def open_access_changes(settings: Settings) -> AsyncIterator[PostgresSubscriber]:
    """Subscribe to access changes over a connection of its own."""
    async with open_postgres_subscriber(settings.database_url, CHANNEL) as subscriber:
        yield subscriber
