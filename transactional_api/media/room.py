"""The room that a person's uploads take: made before an upload is taken in, given back when it goes."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.db.tables import MediaUsage, Upload
from transactional_api.errors import Problem
from transactional_api.media.documents import StoredDocument
from transactional_api.media.objects import INCOMING
from transactional_api.media.stores import COLLECTION, Media

HAS_ROOM = "hasRoom"
"""Key of the documents of what is sent past the API: its room was made before anything else of it."""


class QuotaExceededError(Problem):
    """The person's uploads take all the room that they have."""

    status, code, title = 409, "quota_exceeded", "There is no more room for your uploads; delete some"


async def reserve(session: AsyncSession, *, media: Media, user_id: UUID, size: int) -> None:
    """Make room for an upload; raises ``QuotaExceededError`` when there is none."""
    if size > media.quota_bytes:
        raise QuotaExceededError
    statement = insert(MediaUsage).values(user_id=user_id, bytes=size)
    taken = await session.scalar(
        statement.on_conflict_do_update(
            index_elements=["user_id"],
            set_={"bytes": MediaUsage.bytes + size},
            where=MediaUsage.bytes + size <= media.quota_bytes,
        ).returning(MediaUsage.bytes)
    )
    if taken is None:
        raise QuotaExceededError


async def give_back(session: AsyncSession, *, media: Media, stored: StoredDocument) -> None:
    """Delete an upload with its objects, and give its room back once."""
    if not await media.documents.delete(COLLECTION, document_id=stored.id):
        return  # Somebody else deleted it and gave its room back.
    document = stored.document
    # Every copy's key begins with that of the upload.
    await media.objects.remove_under(document["key"])
    await media.objects.remove_under(INCOMING + document["key"])
    await session.execute(delete(Upload).where(Upload.id == stored.id))
    await session.execute(
        update(MediaUsage)
        .where(MediaUsage.user_id == UUID(document["ownerId"]))
        .values(bytes=MediaUsage.bytes - document["size"])
    )
