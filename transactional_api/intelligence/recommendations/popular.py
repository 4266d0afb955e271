"""Popular items near a viewer: the fallback of the model, cached in Redis for a minute per location."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import TypeAdapter
from redis.asyncio import Redis

from neighborconnect.contracts.events import ItemKind
from neighborconnect.feed.interests import category_key, interleave, matching_categories
from neighborconnect.feed.reasons import ReasonCode
from transactional_api.core.cache import CachedValue
from transactional_api.core.db.statements import Reads
from transactional_api.core.viewer import Viewer
from transactional_api.intelligence.recommendations import queries

LIST_LENGTH = 300
TTL_SECONDS = 60
OF_YOUR_INTERESTS = ReasonCode.OF_YOUR_INTERESTS.value


@dataclass(frozen=True, slots=True)
class Candidate:
    """Popular item with its reason code, and for one of the stated interests, that of its popularity."""

    id: UUID
    reason: str
    popularity: str | None = None

    @property
    def is_interesting(self) -> bool:
        """Whether it matches the viewer's stated interests."""
        return self.reason == OF_YOUR_INTERESTS


CANDIDATES = CachedValue("popular:{}", TypeAdapter(list[Candidate]), ttl_seconds=TTL_SECONDS)
"""Candidates by kind, place and interests."""


async def popular_near(
    reads: Reads, *, redis: Redis, kind: ItemKind, viewer: Viewer, interests: Sequence[str] = ()
) -> list[Candidate]:
    """Return public items by popularity among the viewer's neighbors, before any permission check.

    Items of the stated ``interests`` take two of three positions, as far as there are any.
    """
    popular = await _cached(reads, redis=redis, kind=kind, viewer=viewer, interests=None)
    if not interests:
        return popular
    interesting = await _cached(reads, redis=redis, kind=kind, viewer=viewer, interests=interests)
    by_id = {candidate.id: candidate for candidate in (*popular, *interesting)}
    order = interleave([candidate.id for candidate in interesting], [candidate.id for candidate in popular])
    return [by_id[item_id] for item_id in order]


async def _cached(
    reads: Reads, *, redis: Redis, kind: ItemKind, viewer: Viewer, interests: Sequence[str] | None
) -> list[Candidate]:
    name = _cache_name(kind, viewer, interests=interests)
    return await CANDIDATES.get(redis, name, load=lambda: _query(reads, kind=kind, viewer=viewer, interests=interests))


def _cache_name(kind: ItemKind, viewer: Viewer, *, interests: Sequence[str] | None) -> str:
    stated = "\n".join(sorted(category_key(interest) for interest in interests or ()))
    location = hashlib.sha256(f"{viewer.city}\n{viewer.neighborhood}\n{stated}".encode()).hexdigest()[:24]
    return f"{kind.value}:{location}"


async def _query(reads: Reads, *, kind: ItemKind, viewer: Viewer, interests: Sequence[str] | None) -> list[Candidate]:
    categories = None
    if interests is not None:
        public_categories = (await reads.session.scalars(queries.public_categories())).all()
        if not (categories := matching_categories(public_categories, interests=interests)):
            return []
    statement = queries.popular(
        kind, neighborhood=viewer.neighborhood, city=viewer.city, limit=LIST_LENGTH, categories=categories
    )
    reasons = {
        row.item_id: (
            ReasonCode.POPULAR_IN_YOUR_NEIGHBORHOOD
            if row.near
            else ReasonCode.POPULAR_IN_YOUR_CITY
            if row.town
            else ReasonCode.POPULAR
        ).value
        for row in (await reads.session.execute(statement)).all()
    }
    if len(reasons) < LIST_LENGTH:
        rest = queries.without_history(kind, limit=LIST_LENGTH, categories=categories)
        for item_id in (await reads.session.scalars(rest)).all():
            reasons.setdefault(item_id, (ReasonCode.NEW if kind is ItemKind.POST else ReasonCode.LARGE).value)
    if categories is not None:
        return [Candidate(item_id, OF_YOUR_INTERESTS, popularity=reason) for item_id, reason in reasons.items()]
    return [Candidate(item_id, reason) for item_id, reason in reasons.items()]
