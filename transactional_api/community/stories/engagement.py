"""Views and likes of stories and reels, and the counters in their documents.

Counters are recomputed from the rows under a lock of the document, so that a lost update is corrected by the next
engagement, and repeated jobs have the same result.
"""

from __future__ import annotations

from collections import defaultdict
from enum import StrEnum
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core.db.tables import MediaEngagement
from transactional_api.core.documents import DocumentStore


class Collection(StrEnum):
    """Collection of the documents."""

    STORIES = "stories"
    REELS = "reels"


class Engagement(StrEnum):
    """Engagement of a user with a story or reel, counted once per user."""

    VIEW = "view"
    LIKE = "like"


_COUNTERS = {Engagement.VIEW: "view_count", Engagement.LIKE: "like_count"}


async def lock(session: AsyncSession, *, document_id: UUID) -> None:
    """Lock a document against concurrent engagements until the transaction ends."""
    await session.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"media_engagements:{document_id}", 0)))
    )


async def update_counter(
    session: AsyncSession, documents: DocumentStore, *, collection: Collection, document_id: UUID, kind: Engagement
) -> None:
    """Recount the engagements of a kind into their document, which the caller has locked."""
    statement = select(func.count()).select_from(MediaEngagement).filter_by(document_id=document_id, kind=kind)
    count = await session.scalar(statement)
    await documents.change(collection, document_id=document_id, fields={_COUNTERS[kind]: count})


async def erase_user(session: AsyncSession, documents: DocumentStore, *, user_id: UUID) -> int:
    """Delete the engagements of a user and recount; return how many were deleted."""
    statement = select(MediaEngagement.document_id, MediaEngagement.kind).filter_by(user_id=user_id)
    kinds: dict[UUID, list[Engagement]] = defaultdict(list)
    for row in await session.execute(statement.order_by(MediaEngagement.document_id, MediaEngagement.kind)):
        kinds[row.document_id].append(Engagement(row.kind))
    for document_id, engagements in kinds.items():
        await lock(session, document_id=document_id)
        await session.execute(delete(MediaEngagement).filter_by(document_id=document_id, user_id=user_id))
        for kind in engagements:
            for collection in Collection:
                # A document is in one of the collections; the other update has no effect.
                await update_counter(session, documents, collection=collection, document_id=document_id, kind=kind)
    return sum(map(len, kinds.values()))
