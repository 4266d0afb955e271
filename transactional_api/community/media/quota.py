"""Storage quota of uploads: reserved before an upload is accepted, released when it is deleted."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from transactional_api.core.db.tables import MediaUsage, Upload
from transactional_api.core.documents import StoredDocument
from transactional_api.core.errors import Problem
from transactional_api.core.media.objects import INCOMING
from transactional_api.core.media.references import detach
from transactional_api.core.media.stores import COLLECTION, MediaStores

QUOTA_RESERVED = "quota_reserved"
"""Field of uploads that clients send to the object store: their quota is reserved before any data exists."""


class QuotaExceededError(Problem):
    """The user's uploads fill their quota."""

    status, code, title = 409, "quota_exceeded", "Your storage quota is full; delete some uploads"


async def reserve(session: AsyncSession, *, media: MediaStores, user_id: UUID, size: int) -> None:
    """Reserve quota for an upload of ``size`` bytes.

    Raises:
        QuotaExceededError: when the quota is full.
    """
    if size > media.quota_bytes:
        raise QuotaExceededError
    statement = insert(MediaUsage).values(user_id=user_id, bytes=size)
    reserved_bytes = await session.scalar(
        statement.on_conflict_do_update(
            index_elements=["user_id"],
            set_={"bytes": MediaUsage.bytes + size},
            where=MediaUsage.bytes + size <= media.quota_bytes,
        ).returning(MediaUsage.bytes)
    )
    if reserved_bytes is None:
        raise QuotaExceededError


async def release(session: AsyncSession, *, media: MediaStores, stored: StoredDocument) -> None:
    """Delete an upload with its objects, and release its quota exactly once."""
    if not await media.documents.delete(COLLECTION, document_id=stored.id):
        return  # A concurrent deletion released the quota.
    document = stored.document
    # The keys of all renditions start with the key of the upload.
    await media.objects.remove_under(document["key"])
    await media.objects.remove_under(INCOMING + document["key"])
    await session.execute(delete(Upload).where(Upload.id == stored.id))
    await detach(session, media_id=stored.id, owner_id=UUID(document["owner_id"]))
    await session.execute(
        update(MediaUsage)
        .where(MediaUsage.user_id == UUID(document["owner_id"]))
        .values(bytes=MediaUsage.bytes - document["size"])
    )
