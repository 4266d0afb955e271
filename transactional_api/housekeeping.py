"""Once an hour, what nobody can use any more goes: expired answers, refresh tokens and media documents."""

from __future__ import annotations

import asyncio

from sqlalchemy import delete, func
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from neighborconnect.telemetry import get_logger
from transactional_api.db.tables import IdempotencyKey, MediaDocument, RefreshToken

INTERVAL_SECONDS = 3_600.0

log = get_logger(__name__)


async def remove_expired(engine: AsyncEngine) -> int:
    """Remove every expired row; returns how many there were."""
    removed = 0
    async with engine.begin() as connection:
        for table in (IdempotencyKey, RefreshToken, MediaDocument):
            removed += (await connection.execute(delete(table).where(table.expires_at < func.now()))).rowcount
    return removed


async def keep_house(engine: AsyncEngine) -> None:
    """Remove what has expired, once an hour, until cancelled; a failure waits for the next time."""
    while True:
        await asyncio.sleep(INTERVAL_SECONDS)
        try:
            log.info("housekeeping.done", removed=await remove_expired(engine))
        except SQLAlchemyError as error:
            log.warning("housekeeping.failed", error=type(error).__name__)
