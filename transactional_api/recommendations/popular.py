"""What is popular near a viewer: the answer when no model has one. Kept in Redis for a minute a place."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncSession

from neighborconnect.contracts.events import ItemKind
from neighborconnect.telemetry import get_logger
from transactional_api.auth import Viewer
from transactional_api.recommendations import queries

LIST_LENGTH = 300
KEPT_SECONDS = 60

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An item and why it is thought popular."""

    id: UUID
    reason: str


async def popular_near(session: AsyncSession, *, redis: Redis, kind: ItemKind, viewer: Viewer) -> list[Candidate]:
    """Return public items, those that the viewer's neighbours like first; not yet narrowed to the viewer."""
    key = _key(kind, viewer)
    try:
        kept = await redis.get(key)
    except RedisError as error:
        log.warning("popular.cache_unavailable", error=type(error).__name__)
        return await _look(session, kind=kind, viewer=viewer)
    if kept is not None:
        return [Candidate(UUID(item_id), reason) for item_id, reason in orjson.loads(kept)]
    candidates = await _look(session, kind=kind, viewer=viewer)
    try:
        await redis.set(key, orjson.dumps([(one.id, one.reason) for one in candidates]), ex=KEPT_SECONDS)
    except RedisError as error:
        log.warning("popular.cache_unavailable", error=type(error).__name__)
    return candidates


def _key(kind: ItemKind, viewer: Viewer) -> str:
    place = hashlib.sha256(f"{viewer.city}\n{viewer.neighborhood}".encode()).hexdigest()[:24]
    return f"popular:{kind.value}:{place}"


async def _look(session: AsyncSession, *, kind: ItemKind, viewer: Viewer) -> list[Candidate]:
    statement = queries.popular(kind, neighborhood=viewer.neighborhood, city=viewer.city, limit=LIST_LENGTH)
    reasons = {
        row.item_id: "popular_in_your_neighborhood" if row.near else "popular_in_your_city" if row.town else "popular"
        for row in (await session.execute(statement)).all()
    }
    if len(reasons) < LIST_LENGTH:
        for item_id in (await session.scalars(queries.without_history(kind, limit=LIST_LENGTH))).all():
            reasons.setdefault(item_id, "new" if kind is ItemKind.POST else "large")
    return [Candidate(item_id, reason) for item_id, reason in reasons.items()]
